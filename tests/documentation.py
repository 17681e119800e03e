"""What the documentation says of the failure table, made from the table itself.

`python tests/documentation.py` writes it into `app/README.md`.
"""

from pathlib import Path

from app.domain.failures import TREATMENTS

DOCUMENT = Path(__file__).parents[1] / "app" / "README.md"
_BEGIN, _END = "<!-- failure table: begin -->\n", "<!-- failure table: end -->\n"
_HEAD = ("failure", "when", "retry", "circuit", "remembered", "without a stale entry")


def failure_table() -> str:
    """Write the failure table as Markdown."""
    rows = [
        (
            f"`{failure}`",
            row.when,
            row.retry.value,
            "counts" if row.circuit else "no",
            row.remembered.value,
            f"`{row.answer}`",
        )
        for failure, row in TREATMENTS.items()
    ]
    lines = (_HEAD, ("---",) * len(_HEAD), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def documented() -> str:
    """Return the table that stands in the document."""
    return DOCUMENT.read_text().partition(_BEGIN)[2].partition(_END)[0]


def main() -> None:
    """Put the table in its place."""
    before, begin, rest = DOCUMENT.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    DOCUMENT.write_text(before + begin + failure_table() + end + after)


if __name__ == "__main__":
    main()
