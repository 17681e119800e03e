"""The documentation says what the code does."""

from documentation import documented, failure_table


def test_the_documented_failure_table_is_the_one_in_force() -> None:
    """Mend it by `make docs`."""
    assert documented() == failure_table()
