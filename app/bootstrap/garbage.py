"""The garbage collector, told what it need not look at."""

import gc

# So many objects more than before, then so many collections of the younger, start each collection.
_THRESHOLDS = (700, 10, 1000)


def settle() -> None:
    """Keep Python from going through all objects again and again; for once all is imported.

    Before anything waits for an answer, that is: it takes about as long as Redis is waited for.

    A full collection holds the event loop up for 0.1 s and more, and by default a thousand requests
    that come at once start two or three of them: each makes many objects, which are all in use
    until it is answered, when counting references frees them. What was made at the start stays,
    and is not looked at any more. Of the rest, the younger are collected as ever, all of them a
    hundred times more rarely: a miss leaves less than one object behind that has to wait for that.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
