"""The long chaos run: `make soak`, for fewer seconds `make soak ARGS='--seconds 60 --seed 7'`."""

import argparse
import secrets
import sys

import uvloop
from chaos.outcome import describe
from chaos.run import run

_SHORTEST = 13.5


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run, print, and return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="13.5 or more (default: 600)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    options = parser.parse_args()
    tell(f"seed {options.seed}")
    outcome = uvloop.run(run(options.seed, max(_SHORTEST, options.seconds), tell))
    tell(describe(outcome))
    return 1 if outcome.book.violations else 0


if __name__ == "__main__":
    sys.exit(main())
