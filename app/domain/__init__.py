"""The words of the subject: no I/O, no clock, no wire form."""
