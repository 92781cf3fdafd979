"""One Kafka cluster in KRaft mode, each node both broker and controller, on free ports of this machine."""

from __future__ import annotations

import atexit
import base64
import ctypes
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from kafka_cluster.jars import jars, java

START_TIMEOUT = 90.0  # seconds; it takes about six
_HEAP = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_PR_SET_PDEATHSIG = 1

# Small and quick: one copy of everything on a cluster of one, no waits that only matter in production.
_PROPERTIES = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "num.partitions": "1",
    # Brokers make topics that are asked for: a client that ends late would leave one to the next test.
    "auto.create.topics.enable": "false",
}


class ClusterError(Exception):
    """The cluster does not start; the message ends with what it logged."""


class Node:
    """One node: its directory, its ports and, while it runs, its process."""

    def __init__(self, number: int, directory: Path) -> None:
        self.number, self.directory = number, directory
        self.port, self.controller_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the node printed."""
        return self.directory / "kafka.log"

    def tail(self) -> str:
        """The end of what it printed."""
        with suppress(OSError):
            return self.log.read_text(errors="replace")[-3000:]
        return ""


class Cluster:
    """``nodes`` Kafka brokers under ``directory``. ``properties`` are added to each one's configuration."""

    def __init__(self, directory: Path, *, nodes: int = 1, properties: Mapping[str, str] | None = None) -> None:
        self.directory, self._properties = directory, dict(properties or {})
        self.nodes = [Node(number, directory / f"node-{number}") for number in range(1, nodes + 1)]
        # Not with a minus first, which the storage tool takes for an option.
        self._id = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]

    @property
    def servers(self) -> str:
        """The bootstrap servers, as in a URL."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Formats the storage and starts all nodes; returns when they take connections."""
        for node in self.nodes:
            node.directory.mkdir(parents=True)
            self._configure(node)
            self._format(node)
        atexit.register(self.stop)
        for node in self.nodes:
            self.launch(node.number)
        for node in self.nodes:
            self.wait(node.number)

    def launch(self, number: int) -> None:
        """Starts a node that does not run."""
        node = self.nodes[number - 1]
        with node.log.open("ab") as log:
            node.process = subprocess.Popen(
                self._java("kafka.Kafka", str(node.directory / "server.properties"), heap=_HEAP),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the tests, which then stop it
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )

    def wait(self, number: int) -> None:
        """Returns when the node takes connections. Raises ClusterError if it does not."""
        node = self.nodes[number - 1]
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if node.process is None or node.process.poll() is not None:
                raise ClusterError(f"node {number} ended at once:\n{node.tail()}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", node.port), timeout=1):
                return
            time.sleep(0.05)
        raise ClusterError(f"node {number} does not listen after {START_TIMEOUT:.0f} s:\n{node.tail()}")

    def send(self, signum: signal.Signals, number: int = 1) -> None:
        """Sends a signal to a node: SIGSTOP and SIGCONT, SIGTERM, SIGKILL."""
        process = self.nodes[number - 1].process
        if process is not None and process.poll() is None:
            process.send_signal(signum)

    def end(self, number: int = 1, signum: signal.Signals = signal.SIGTERM) -> None:
        """Ends a node and returns when it is gone."""
        self.send(signum, number)
        process = self.nodes[number - 1].process
        if process is not None:
            process.wait(60)

    def stop(self) -> None:
        """Kills all nodes. What they wrote is left where it is."""
        atexit.unregister(self.stop)
        for node in self.nodes:
            self.send(signal.SIGKILL, node.number)
        for node in self.nodes:
            if node.process is not None:
                node.process.wait(30)

    def _configure(self, node: Node) -> None:
        copies = str(min(3, len(self.nodes)))
        voters = ",".join(f"{one.number}@127.0.0.1:{one.controller_port}" for one in self.nodes)
        properties = _PROPERTIES | {
            "node.id": str(node.number),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
            "log.dirs": str(node.directory / "data"),
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": str(len(self.nodes) // 2 + 1 if len(self.nodes) < 3 else 2),
            "share.coordinator.state.topic.replication.factor": copies,
        }
        lines = [f"{key}={value}" for key, value in (properties | self._properties).items()]
        (node.directory / "server.properties").write_text("\n".join(lines) + "\n")

    def _format(self, node: Node) -> None:
        arguments = ("format", "-t", self._id, "-c", str(node.directory / "server.properties"))
        command = self._java("kafka.tools.StorageTool", *arguments, heap=_HEAP)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise ClusterError(f"the storage cannot be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, main: str, *arguments: str, heap: tuple[str, ...]) -> list[str]:
        log = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [java(), *heap, log, "-cp", f"{jars()}/*", main, *arguments]


def free_port() -> int:
    """A port that nobody listens on now."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def die_with_parent() -> None:
    """So that no broker is left when the tests are killed. Only Linux can; elsewhere atexit has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
