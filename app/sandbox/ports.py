"""The sandbox's ports: their names, their defaults, and whether they are free."""

import errno
import os
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"
"""Everything in the sandbox listens here and nowhere else."""

_HIGHEST = 65_535


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """One port of the sandbox: what it is for, and how its number is chosen.

    `variable` is the environment variable, which `make run VARIABLE=...` sets as well.
    """

    name: str
    purpose: str
    default: int

    @property
    def variable(self) -> str:
        """The environment variable that holds another default."""
        return f"{self.name.upper()}_PORT"

    @property
    def option(self) -> str:
        """The command-line option."""
        return f"--{self.name}-port"

    @property
    def elsewhere(self) -> int:
        """A number to propose where the usual one is taken."""
        return self.default + 1000


SERVICE = Port(name="service", purpose="the service", default=8080)
ADMIN = Port(name="admin", purpose="the service's admin routes", default=8081)
GATEWAY = Port(name="gateway", purpose="the stand-in gateway", default=8082)
IDENTITY = Port(name="identity", purpose="the stand-in identity provider", default=8083)
PAGE = Port(name="page", purpose="the badge page", default=8084)
CACHE = Port(name="cache", purpose="the cache (Valkey)", default=8085)

PORTS = (SERVICE, ADMIN, GATEWAY, IDENTITY, PAGE, CACHE)
"""All ports, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenPorts:
    """The number of each port of this run."""

    numbers: Mapping[Port, int]

    def number(self, port: Port) -> int:
        """Return the number chosen for a port."""
        return self.numbers[port]

    def url(self, port: Port) -> str:
        """Return the origin that answers on a port, without a slash at the end."""
        return f"http://{HOST}:{self.numbers[port]}"

    def faults(self, wanted: tuple[Port, ...]) -> Iterator[str]:
        """Say of each wanted port that can't be used why, and how to choose another."""
        seen: dict[int, Port] = {}
        for port in wanted:
            number = self.numbers[port]
            reason = why_unusable(number)
            if number in seen:
                reason = f"is also wanted for {seen[number].purpose}"
            seen.setdefault(number, port)
            if reason is not None:
                yield (
                    f"Port {number}, wanted for {port.purpose}, {reason}.\n"
                    f"  Choose another: make run {port.variable}={port.elsewhere}"
                )


def why_unusable(number: int) -> str | None:
    """Return why nothing can listen on this port, or None where it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A port that was in use a moment ago is free: only a living listener counts.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
            probe.listen()
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE:
                return "is taken"
            return f"can't be used ({os.strerror(fault.errno or 0)})"
    return None


def add_port_options(parser: ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add an option for each port; its default comes from the environment where that has one."""
    for port in PORTS:
        parser.add_argument(
            port.option,
            type=_port_number,
            default=environment.get(port.variable) or port.default,
            metavar="PORT",
            help=f"for {port.purpose} (%(default)s; or {port.variable})",
        )


def chosen_ports(arguments: Namespace) -> ChosenPorts:
    """Return the ports that the command line chose."""
    numbers = {port: getattr(arguments, f"{port.name}_port") for port in PORTS}
    return ChosenPorts(numbers=numbers)


def _port_number(text: str) -> int:
    """Read a port number; the name of this function is part of no message."""
    number = int(text)
    if not 1 <= number <= _HIGHEST:
        raise ValueError
    return number
