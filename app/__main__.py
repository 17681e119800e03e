"""The command line: `python -m app serve | check | sandbox`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_OK = 0
_FAILED = 1
_BAD_CONFIGURATION = 2


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit code.

    0 is success, 1 a failure at run time, 2 a fault in the configuration or the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m app", description="The badges BFF.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("serve", "run the service"),
        ("check", "validate the configuration and name every fault of it"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--config", type=Path, metavar="FILE", help="the TOML file (default: $BFF_CONFIG)"
        )
    commands.add_parser(
        "sandbox", help="run the stand-in gateway and identity provider", add_help=False
    )
    arguments, rest = parser.parse_known_args(argv)
    if arguments.command == "sandbox":
        from app import sandbox as sandbox_package  # noqa: PLC0415 - the service never imports it

        return sandbox_package.main(rest)
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    return _with_settings(arguments.command, arguments.config)


def _with_settings(command: str, path: Path | None) -> int:
    """Load the configuration, and serve with it unless it was only to be checked."""
    from app.settings import SettingsError, load_settings  # noqa: PLC0415 - only where needed

    if path is None and os.environ.get("BFF_CONFIG"):
        path = Path(os.environ["BFF_CONFIG"])
    try:
        settings = load_settings(path, os.environ)
    except SettingsError as error:
        print(f"The configuration has faults:\n{error}", file=sys.stderr)
        return _BAD_CONFIGURATION
    if command == "check":
        print("The configuration is valid.")
        return _OK
    from app.serve import serve  # noqa: PLC0415 - a check needs no server

    return serve(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
