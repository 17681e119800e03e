"""The sandbox's ports: how they are chosen, and what is said of one that is taken."""

import socket
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence

import pytest

from app.sandbox.ports import GATEWAY, PAGE, ChosenPorts, add_port_options, chosen_ports
from app.sandbox.supervisor import main


def choose(arguments: Sequence[str], environment: Mapping[str, str]) -> ChosenPorts:
    """Choose ports as the command line does."""
    parser = ArgumentParser()
    add_port_options(parser, environment)
    return chosen_ports(parser.parse_args(arguments))


def test_defaults() -> None:
    """Without a word, each port has its usual number."""
    numbers = choose([], {}).numbers.values()
    assert list(numbers) == [8080, 8081, 8082, 8083, 8084, 8085]


def test_the_environment_is_a_default() -> None:
    """`make run GATEWAY_PORT=9082` arrives as an environment variable; an option beats it."""
    environment = {"GATEWAY_PORT": "9082", "PAGE_PORT": "9084"}
    chosen = choose(["--page-port", "9999"], environment)
    assert (chosen.number(GATEWAY), chosen.number(PAGE)) == (9082, 9999)
    assert chosen.url(PAGE) == "http://127.0.0.1:9999"


@pytest.mark.parametrize("text", ["0", "65536", "http"])
def test_no_port_number(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no port number is a fault of usage that names the option."""
    with pytest.raises(SystemExit) as ended:
        choose([], {"GATEWAY_PORT": text})
    assert ended.value.code == 2
    assert "--gateway-port" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Which one, what for, and how to choose another: nothing is started, exit code 1."""
    with socket.create_server((host, 0)) as taken:
        number = taken.getsockname()[1]
        assert main(["--gateway-port", str(number), "--identity-port", str(number)]) == 1
    said = capsys.readouterr().err
    assert f"Port {number}, wanted for the stand-in gateway, is taken." in said
    assert "make run GATEWAY_PORT=9082" in said
    assert f"Port {number}, wanted for the stand-in identity provider, is also wanted for" in said


def test_ports_that_are_not_needed_may_be_taken(unused_tcp_port_factory: Callable[[], int]) -> None:
    """Without --serve nobody cares whether the page's port is free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = choose(["--page-port", str(taken.getsockname()[1])], {})
        numbers = {**chosen.numbers, GATEWAY: unused_tcp_port_factory()}
        assert list(ChosenPorts(numbers=numbers).faults((GATEWAY,))) == []
