"""Epochs: what makes the entries of a customer valid, all at once."""

from app.domain.epochs import Standing, invalidated, new_epoch, standing


def test_an_epoch_is_random() -> None:
    """32 bytes that nobody guesses."""
    assert len(new_epoch()) == 32
    assert new_epoch() != new_epoch()


def test_an_entry_of_the_epoch_is_current() -> None:
    """Equal means valid."""
    epoch = new_epoch()
    assert standing(epoch, epoch) is Standing.CURRENT


def test_an_invalidation_leaves_entries_for_errors() -> None:
    """`fresh` differs, `erase` does not."""
    epoch = new_epoch()
    assert standing(epoch, invalidated(epoch)) is Standing.INVALIDATED
    assert invalidated(epoch) != invalidated(epoch)


def test_an_erasure_leaves_nothing() -> None:
    """A new epoch, or none at all, matches no entry; neither does what was never an epoch."""
    epoch = new_epoch()
    for current in (new_epoch(), None, b"", b"x", invalidated(None)):
        assert standing(epoch, current) is Standing.ERASED
