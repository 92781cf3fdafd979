"""What Prometheus sees."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from detectors.errors import ConfigError
from engine.brokers import open_broker
from engine.brokers.base import TopicSpec
from engine.config import load_config
from engine.ledger.model import OutcomeKind
from engine.metrics import METRICS
from engine.records import OutputRecord
from engine.startup import run_worker

ROOT = Path(__file__).parents[2]
CONFIG = """\
broker: embedded:./log.db
worker: node
topics:
  - activity: agents
policy: policy.yaml
binding_key: {{file: binding.key}}
create_topics: {{partitions: 2}}
metrics: {{port: {port}}}
"""


def free_ports(count: int) -> int:
    """The first of some ports in a row that nobody listens on."""
    for _ in range(100):
        with ExitStack() as stack:
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for port in range(first + 1, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except (OSError, OverflowError):
                continue
            return first
    raise AssertionError("no free ports")


@pytest.fixture
def port() -> int:
    return free_ports(2)


@pytest.fixture
def directory(tmp_path: Path, port: int) -> Path:
    (tmp_path / "sluicegate.yaml").write_text(CONFIG.format(port=port))
    (tmp_path / "policy.yaml").write_text("name: ours\n")
    (tmp_path / "binding.key").write_text("ab" * 32)
    with open_broker(f"embedded:{tmp_path}/log.db") as broker:
        broker.create_topics([TopicSpec("agents", 2)])
        broker.append([OutputRecord("agents", 1, b"key-hunter2", b"jane@example.com hunter2")] * 3)
        broker.append([OutputRecord("agents", 0, None, b"nothing of note")])
    return tmp_path


def scrape(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Values by name and the values of labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scraped(directory: Path, port: int) -> str:
    """What a worker shows once it has done all there is; it is told to stop then."""
    seen = [""]

    def stop() -> bool:
        seen[0] = scrape(port)
        return 'sluicegate_lag_records{partition="1",topic="agents"} 0.0' in seen[0]

    run_worker(load_config(directory / "sluicegate.yaml"), stop=stop)
    return seen[0]


def test_what_is_shown(scraped: str) -> None:
    """Counts, lag and the worker, as they are."""
    found = samples(scraped)
    assert found["sluicegate_records_total",] == 4
    assert found["sluicegate_bytes_total",] == 3 * 24 + 15
    assert {kind: found["sluicegate_outcomes_total", kind] for kind in OutcomeKind} == {
        **dict.fromkeys(OutcomeKind, 0),
        OutcomeKind.CLEAN: 1,
        OutcomeKind.REDACTED: 3,
    }
    assert found["sluicegate_redactions_total", "EMAIL_ADDRESS"] == 3
    batches = found["sluicegate_batches_total",]
    assert batches >= 1
    assert found["sluicegate_batch_seconds_count",] == found["sluicegate_batch_seconds_bucket", "+Inf"] == batches
    assert found["sluicegate_batch_seconds_sum",] > 0
    assert found["sluicegate_aborted_batches_total",] == 0
    assert [value for (name, *_), value in found.items() if name == "sluicegate_lag_records"] == [0, 0]
    assert found["sluicegate_lag_measured_timestamp_seconds",] == pytest.approx(time.time(), abs=60)
    assert found["sluicegate_worker_start_timestamp_seconds",] == pytest.approx(time.time(), abs=60)
    [labels] = [labels for name, *labels in found if name == "sluicegate_worker_info"]
    assert {"node", "sluicegate"} < set(labels)
    assert any(label.startswith("sha256:") for label in labels)


def test_nothing_raw_is_shown(scraped: str) -> None:
    """No value of a record, and no key."""
    assert "jane" not in scraped
    assert "hunter2" not in scraped


def test_the_list_is_complete(scraped: str) -> None:
    """What is shown is what the list of names holds, with its words."""
    assert dict(re.findall(r"^# HELP (\S+) (.*)$", scraped, re.MULTILINE)) == METRICS


def test_each_metric_is_documented() -> None:
    """By its name and the same words, for the deployer."""
    text = (ROOT / "docs" / "deployer.md").read_text()
    assert [name for name, what in METRICS.items() if f"| `{name}` | {what} |" not in text] == []


def test_nothing_listens_afterwards(scraped: str, port: int) -> None:
    """When the worker has ended, its port is free."""
    assert scraped
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_port_in_use(directory: Path, port: int) -> None:
    """A port that is taken stops the start with line and key."""
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ConfigError, match=rf":8: metrics: 127\.0\.0\.1, port {port}: address already in use"),
    ):
        run_worker(load_config(directory / "sluicegate.yaml"), stop=lambda: True)


def test_off_by_default() -> None:
    """A worker without metrics does not load what serves them."""
    code = "import sys, engine.startup, engine.worker; sys.exit('prometheus_client' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_ports_of_several_workers(directory: Path, port: int) -> None:
    """Each of several workers is found at the port of the configuration plus its ordinal."""
    command = ["run", "-c", str(directory / "sluicegate.yaml"), "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "sluicegate", *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        joined = 0
        while joined < 2:
            line = process.stderr.readline()
            assert line
            joined += "is up" in line
        shown = [samples(scrape(port + ordinal)) for ordinal in range(2)]
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    for ordinal, found in enumerate(shown):
        assert any("sluicegate_worker_info" in key and f"node.{ordinal}" in key for key in found)


def test_no_such_port(directory: Path, port: int) -> None:
    """Ports end at 65535; so many workers then cannot be."""
    path = directory / "sluicegate.yaml"
    path.write_text(path.read_text().replace(str(port), "65535"))
    config = load_config(path)
    assert config.member(0).file.metrics.port == 65535
    with pytest.raises(ConfigError, match=r":8: metrics\.port: worker 1 would be at port 65536"):
        config.member(1)
