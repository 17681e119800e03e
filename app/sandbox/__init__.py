"""The sandbox: a stand-in gateway, a stand-in identity provider and a page that shows badges.

It stands for somebody else's machines, so it shares no code with the service.
"""

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run the sandbox with the arguments after the word `sandbox`; return the exit code."""
    from app.sandbox.supervisor import main as run  # noqa: PLC0415  tests need no supervisor

    return run(argv)
