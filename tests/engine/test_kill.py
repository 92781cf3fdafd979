"""The engine is killed inside open transactions, again and again, and nothing is lost or doubled.

Meanwhile a reviewer approves, denies and leaves alone what is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from every_input import OUTPUTS, POLICY, TOPIC, TOPICS, check, key, read, review, value
from victims import Victims

from engine.brokers import open_broker
from engine.brokers.base import Broker, TopicSpec
from engine.config import load_config
from engine.records import OutputRecord, TopicPartition
from engine.startup import run_worker

CONFIG = """\
broker: embedded:./log.db?session_timeout=0.5
worker: {worker}
topics:
  - activity: agents
policy: policy.yaml
binding_key: {{file: binding.key}}
batch: {{records: 40, interval_ms: 0}}
"""
PARTITIONS = 3
RECORDS = 6000
PLACES = ("produced", *(f"step-{n}" for n in range(3, 19)), "written", "committed")  # see killed_engine.py
KILLS = 2 * len(PLACES)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "binding.key").write_text("ab" * 32)
    for worker in "01":
        (tmp_path / f"{worker}.yaml").write_text(CONFIG.format(worker=worker))
    with open_broker(f"embedded:{tmp_path}/log.db") as broker:
        broker.create_topics([TopicSpec(name, PARTITIONS) for name in TOPICS])
        broker.append([OutputRecord(TOPIC, n % PARTITIONS, key(n), value(n)) for n in range(RECORDS)])
    run_worker(load_config(tmp_path / "0.yaml"), stop=lambda: True)  # publishes the policy, and no more
    return tmp_path


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Victims]:
    engines = Victims("killed_engine.py", tmp_path / "engines.log")
    yield engines
    engines.close()


def ends(broker: Broker) -> dict[TopicPartition, int]:
    """All that a commit would change: the ends of the outputs, and the group's offsets."""
    reader = broker.reader([f"{TOPIC}.{role}" for role in OUTPUTS])
    found = dict(reader.end_offsets())
    reader.close()
    return found


def kill_one(engines: Victims, config: Path, place: str, number: int, broker: Broker) -> bool:
    """Runs an engine until it is at ``place`` of its commit ``number``, and kills it there.

    Returns whether an open transaction was lost.
    """
    start = ends(broker)
    engines.start(config, place, number)
    halt = engines.reached()
    before = ends(broker)
    engines.kill(halt)
    assert halt.produced > 0
    assert ends(broker) == before, "a killed transaction left something behind"
    if number == 1:
        # An engine that starts writes the text of its policy there, outside any batch.
        del before[TopicPartition("agents.decisions", 0)], start[TopicPartition("agents.decisions", 0)]
        assert (before == start) == (halt.where == "open"), "part of an open transaction was there to see"
    return halt.where == "open"


def test_kills_lose_and_double_nothing(directory: Path, engines: Victims) -> None:
    """At least 20 open transactions die with their process; a reader then sees each input exactly once."""
    lost = 0
    database = directory / "approvals.db"
    with open_broker(f"embedded:{directory}/log.db") as broker:
        for kill in range(KILLS):
            if kill % 4 == 3:
                review(database, broker)
            # Every few deaths another worker takes over, once the dead one's lease has run out.
            config = directory / ("1.yaml" if kill % 10 == 9 else "0.yaml")
            # Never at the first commit twice running: three deaths at one place would make it go record by record.
            number = 1 + (kill + kill // len(PLACES)) % 3
            lost += kill_one(engines, config, PLACES[kill % len(PLACES)], number, broker)
        assert lost >= 20
        assert 0 < len(read(broker, f"{TOPIC}.sanitized")) < RECORDS * 3 / 4, "the kills are to fall amid the work"
        run_worker(load_config(directory / "0.yaml"), stop=lambda: False, drain=True)
        review(database, broker)
        check(broker, RECORDS)
