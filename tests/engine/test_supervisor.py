"""Several workers on one machine: real processes, real signals, the embedded broker."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from detectors.errors import ConfigError
from engine.brokers import open_broker
from engine.brokers.base import Broker, TopicSpec
from engine.records import ActivityRecord, OutputRecord
from engine.supervisor import DEATHS, CrashLoop, Supervisor, WorkerFailed

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
CONFIG = """\
broker: embedded:./log.db?session_timeout=5
worker: node
topics:
  - activity: agents
policy: policy.yaml
binding_key: {file: binding.key}
batch: {records: 50}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "sluicegate.yaml").write_text(CONFIG)
    (tmp_path / "policy.yaml").write_text("name: ours\n")
    (tmp_path / "binding.key").write_text("ab" * 32)
    return tmp_path


@pytest.fixture
def broker(directory: Path) -> Iterator[Broker]:
    with open_broker(f"embedded:{directory}/log.db") as broker:
        roles = ("sanitized", "approvals", "decisions", "quarantine")
        names = ("agents", *(f"agents.{role}" for role in roles))
        broker.create_topics([TopicSpec(name, PARTITIONS) for name in names])
        yield broker


def feed(broker: Broker, numbers: range) -> None:
    broker.append([OutputRecord("agents", n % PARTITIONS, None, b'{"n":%d}' % n) for n in numbers])


def read(broker: Broker, topic: str) -> list[ActivityRecord]:
    reader = broker.reader([topic])
    records = list(reader.poll(100_000, 0))
    reader.close()
    return records


def sanitized(broker: Broker) -> list[int]:
    return sorted(orjson.loads(record.value)["n"] for record in read(broker, "agents.sanitized"))


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether there is such a process that still runs."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(process: int) -> dict[int, int]:
    """The running child processes, by the ordinal of the worker."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == process and b"--ordinal" in words:
            found[int(words[words.index(b"--ordinal") + 1])] = int(entry.name)
    return found


def command(directory: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "sluicegate", "run", "-c", str(directory / "sluicegate.yaml"), *options]


class Running:
    """`run --workers 2` in the background, with all partitions at work and its log in a file."""

    def __init__(self, directory: Path, broker: Broker) -> None:
        self._log = directory / "log.txt"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command(directory, "--workers", "2"), cwd=ROOT, stderr=log)
        feed(broker, range(40))
        until(lambda: sanitized(broker) == list(range(40)))
        until(lambda: self.log.count("is up") == 2)
        assert len(children(self.process.pid)) == 2

    @property
    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def running(directory: Path, broker: Broker) -> Iterator[Running]:
    running = Running(directory, broker)
    yield running
    running.process.kill()
    running.process.wait()


# --- the command


def test_drain(directory: Path, broker: Broker) -> None:
    """With ``--drain``, workers end when all is done, exit with 0, and each line they write begins with their name."""
    feed(broker, range(400))
    done = subprocess.run(
        command(directory, "--workers", "3", "--drain", "--heartbeat", str(directory / "alive")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert (directory / "alive").exists()
    assert sanitized(broker) == list(range(400))
    lines = done.stderr.splitlines()
    assert {line.split(" ")[0] for line in lines} == {"[node.0]", "[node.1]", "[node.2]"}
    assert sum(" ends: " in line for line in lines) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(directory: Path, broker: Broker, running: Running, number: signal.Signals) -> None:
    """A signal to the supervisor lets every worker finish and leave its group; it ends with 0 and nothing is left."""
    workers = children(running.process.pid).values()
    running.process.send_signal(number)
    assert running.process.wait(60) == 0, running.log
    assert not any(map(alive, workers))
    assert running.log.count(" ends: ") == 2
    assert os.listdir(directory / ".sluicegate") == []
    session = broker.join("sluicegate", ["agents"], worker="other")
    assert len(session.assignment()) == PARTITIONS
    session.close()


def test_stop_of_the_whole_group(broker: Broker, running: Running) -> None:
    """Workers that get the signal too, as from a service manager, end in order and are not started again."""
    for process in (*children(running.process.pid).values(), running.process.pid):
        os.kill(process, signal.SIGTERM)
    assert running.process.wait(60) == 0, running.log
    assert running.log.count(" ends: ") == 2


def test_no_orphans(broker: Broker, running: Running) -> None:
    """Workers whose supervisor is killed finish their batch and end."""
    workers = children(running.process.pid).values()
    running.process.kill()
    until(lambda: not any(map(alive, workers)))
    assert len(workers) == 2


def test_killed_worker_comes_back(broker: Broker, running: Running) -> None:
    """A worker that dies is started again under its name, and nothing is lost or doubled."""
    before = children(running.process.pid)
    os.kill(before[1], signal.SIGKILL)
    feed(broker, range(40, 400))
    until(lambda: children(running.process.pid).get(1, before[1]) != before[1])
    until(lambda: len(sanitized(broker)) >= 400)
    running.process.terminate()
    assert running.process.wait(60) == 0, running.log
    assert sanitized(broker) == list(range(400))
    assert "worker node.1 ended with signal SIGKILL; it is started again in 0.5 s" in running.log


def test_two_engines_with_the_same_names(directory: Path, broker: Broker, running: Running) -> None:
    """They take the names from each other, a few times; then one stops with 1 and says why, and the other works on."""
    stderr = directory / "second.txt"
    with (
        stderr.open("w") as log,
        subprocess.Popen(command(directory, "--workers", "2"), cwd=ROOT, stderr=log) as second,
    ):
        both = {running.process: directory / "log.txt", second: stderr}
        until(lambda: any(one.poll() is not None for one in both))
        [loser] = [one for one in both if one.poll() is not None]
        [winner] = both.keys() - {loser}
        assert loser.returncode == 1
        assert "lost its name to another process 3 times in a row" in both[loser].read_text().splitlines()[-1]
        feed(broker, range(40, 80))
        until(lambda: sanitized(broker) == list(range(80)))
        winner.terminate()
        assert winner.wait(60) == 0, both[winner].read_text()


def test_bad_configuration(directory: Path, broker: Broker) -> None:
    """What a worker cannot use in its configuration stops all with 2, and is said once."""
    (directory / "binding.key").unlink()
    done = subprocess.run(command(directory, "--workers", "3"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    first, last = done.stderr.splitlines()
    assert first.startswith("[node.0] sluicegate: ")
    assert "binding_key.file: cannot be read" in first
    assert last.startswith("sluicegate: worker node.0 cannot use its configuration")


def test_crash_loop_of_the_command(directory: Path, broker: Broker) -> None:
    """Workers that die before they get on stop the command with 1; it names the worker, its exit and its last line."""
    (directory / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if '--ordinal' in sys.orig_argv:\n"
        "    os.write(2, b'the library is missing\\n')\n"
        "    os._exit(7)\n"
    )
    done = subprocess.run(
        command(directory, "--workers", "2"),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "sluicegate: worker node.0 died 5 times in a row without getting on, the last time with exit code 7; "
        "all are stopped. Its last line: the library is missing"
    )


# --- the supervisor


def hurried() -> float:
    """A clock that runs fast, so that back-off takes no time worth telling."""
    return time.monotonic() * 40


def script(directory: Path, text: str) -> Callable[[int], list[str]]:
    """What starts a worker that does as ``text`` says."""
    path = directory / "worker.py"
    path.write_text(f"import os, sys, time\n{text}\n")
    return lambda ordinal: [sys.executable, str(path), str(ordinal)]


def lives(directory: Path) -> list[str]:
    path = directory / "lives"
    return path.read_text().split() if path.exists() else []


LIVE = "open('lives', 'a').write(sys.argv[1] + '\\n')\n"


def test_back_off_doubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that dies at once is started again after a pause that doubles, a bounded number of times."""
    monkeypatch.chdir(tmp_path)
    supervisor = Supervisor(["a"], script(tmp_path, LIVE + "print('oh', file=sys.stderr); sys.exit(3)"), clock=hurried)
    with pytest.raises(CrashLoop, match=r"worker a died 5 times .* exit code 3; .* last line: oh$"):
        supervisor.run(stop=lambda: False)
    assert len(lives(tmp_path)) == DEATHS
    pauses = [record.args[-1] for record in caplog.records]
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_a_crash_loop_stops_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that work are asked to finish before the supervisor gives up."""
    monkeypatch.chdir(tmp_path)
    text = LIVE + "os.write(1, b'r')\nif sys.argv[1] == '1': os.abort()\nos.read(0, 1); open('finished', 'w')"
    with pytest.raises(CrashLoop, match=r"worker b .* signal SIGABRT"):
        Supervisor(["a", "b"], script(tmp_path, text), clock=hurried).run(stop=lambda: False)
    assert sorted(lives(tmp_path)) == ["0", *["1"] * DEATHS]
    assert (tmp_path / "finished").exists()


def test_who_gets_on_may_die_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deaths count only as long as no life between them got on; one that ends unasked is started again, too."""
    monkeypatch.chdir(tmp_path)
    supervisor = Supervisor(["a"], script(tmp_path, LIVE + "os.write(1, b'rw')"), clock=hurried)
    supervisor.run(stop=lambda: len(lives(tmp_path)) >= DEATHS + 2)
    assert len(lives(tmp_path)) >= DEATHS + 2


def test_the_others_wait_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad configuration is found by the first worker, before the others are started."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="worker a cannot use its configuration"):
        Supervisor(["a", "b", "c"], script(tmp_path, LIVE + "sys.exit(2)")).run(stop=lambda: False)
    assert lives(tmp_path) == ["0"]


def test_who_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not end in its time is killed, and the supervisor says so."""
    monkeypatch.chdir(tmp_path)
    supervisor = Supervisor(["a"], script(tmp_path, LIVE + "time.sleep(600)"), grace=0.1)
    with pytest.raises(WorkerFailed, match=r"worker a \(signal SIGKILL\)"):
        supervisor.run(stop=lambda: bool(lives(tmp_path)))


def test_long_and_broken_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever a worker writes comes out with its name, in lines of bounded length."""
    text = "os.write(2, b'x' * 10000 + b'\\n\\xff end')"
    Supervisor(["a"], script(tmp_path, text)).run(stop=lambda: False, drain=True)
    lines = capfd.readouterr().err.splitlines()
    assert all(line.startswith("[a] ") and len(line) <= 4100 for line in lines)
    assert sum(line.count("x") for line in lines) == 10000
    assert lines[-1:] == ["[a] \ufffd end"]


def test_a_record_that_kills_is_found(directory: Path, broker: Broker) -> None:
    """A record that kills every worker that reads it is quarantined before that counts as a crash loop."""
    feed(broker, range(3))
    broker.append([OutputRecord("agents", 0, None, b"poison")])
    feed(broker, range(3, 20))
    path = str(directory / "sluicegate.yaml")
    base = [
        sys.executable,
        str(Path(__file__).with_name("deadly_worker.py")),
        "run",
        "-c",
        path,
        "--drain",
        "--ordinal",
    ]
    Supervisor(["node.0", "node.1"], lambda ordinal: [*base, str(ordinal)], clock=hurried).run(
        stop=lambda: False, drain=True
    )
    assert sanitized(broker) == list(range(20))
    [pointer] = read(broker, "agents.quarantine")
    assert orjson.loads(pointer.value)["reason"] == "attempts"
