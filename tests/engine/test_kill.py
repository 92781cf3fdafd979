"""The engine is killed inside open transactions, again and again, and nothing is lost or doubled.

Meanwhile a reviewer approves, denies and leaves alone what is held.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from approvals.lifecycle import Review
from approvals.person import Identity, Person, Roster
from approvals.service import Service
from approvals.store import Store
from engine.brokers import open_broker
from engine.brokers.base import Broker, TopicSpec
from engine.config import load_config
from engine.ledger.accounting import account
from engine.ledger.codec import decode
from engine.ledger.model import (
    Decision,
    DecisionBatch,
    DecisionEntry,
    OutcomeKind,
    ReviewRequest,
    Verdict,
    VerdictKind,
)
from engine.records import ActivityRecord, OutputRecord, Position, TopicPartition
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
POLICY = "redaction: {entities: {CREDIT_CARD: drop}}\n"
OUTPUTS = ("sanitized", "approvals", "decisions", "quarantine")
PARTITIONS = 3
RECORDS = 6000
PLACES = ("produced", *(f"step-{n}" for n in range(3, 19)), "written", "committed")  # see killed_engine.py
KILLS = 2 * len(PLACES)


def value(number: int) -> bytes:
    """Input ``number``. Most are clean; of each other kind there are many."""
    if number % 41 == 7:
        resource = number // 164  # the same is asked again a few times
        return b'{"id":%d,"actor":"local:ada","action":"db.drop_table","resource":"prod.t%d"}' % (number, resource)
    if number % 41 == 14:
        return b'{"id":%d,"actor":"local:ada","action":"audit.disable","resource":"prod"}' % number
    if number % 41 == 21:
        return b"id %d paid with 4111 1111 1111 1111" % number
    if number % 41 == 28:
        return b'{"id":%d,"deep":%s"jane@example.com"%s}' % (number, b"[" * 300, b"]" * 300)
    if number % 11 == 3:
        return b'{"id":%d,"user":"jane@example.com"}' % number
    return b'{"id":%d,"text":"nothing of note"}' % number


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "binding.key").write_text("ab" * 32)
    for worker in "01":
        (tmp_path / f"{worker}.yaml").write_text(CONFIG.format(worker=worker))
    with open_broker(f"embedded:{tmp_path}/log.db") as broker:
        names = ("agents", *(f"agents.{role}" for role in OUTPUTS))
        broker.create_topics([TopicSpec(name, PARTITIONS) for name in names])
        broker.append([OutputRecord("agents", n % PARTITIONS, b"key-%d" % n, value(n)) for n in range(RECORDS)])
    run_worker(load_config(tmp_path / "0.yaml"), stop=lambda: True)  # publishes the policy, and no more
    return tmp_path


def read(broker: Broker, topic: str) -> list[ActivityRecord]:
    reader = broker.reader([topic])
    out: list[ActivityRecord] = []
    while records := reader.poll(100_000, 0):
        out += records
    reader.close()
    return out


def ends(broker: Broker) -> dict[TopicPartition, int]:
    """All that a commit would change: the ends of the outputs, and the group's offsets."""
    reader = broker.reader([f"agents.{role}" for role in OUTPUTS])
    found = dict(reader.end_offsets())
    reader.close()
    return found


@pytest.fixture
def engines() -> Iterator[subprocess.Popen]:
    script = Path(__file__).with_name("killed_engine.py")
    environment = os.environ | {"PYTHONPATH": str(script.parents[2])}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)  # it waits for a line, or a test failed and an engine is left


def kill_one(engines: subprocess.Popen, config: Path, place: str, number: int, broker: Broker) -> bool:
    """Runs an engine until it is at ``place`` of its commit ``number``, and kills it there.

    Returns whether an open transaction was lost.
    """
    start = ends(broker)
    print(config, place, number, file=engines.stdin, flush=True)
    process, where, produced = engines.stdout.readline().split()
    before = ends(broker)
    os.kill(int(process), signal.SIGKILL)
    assert int(engines.stdout.readline()) == -signal.SIGKILL
    assert int(produced) > 0
    assert ends(broker) == before, "a killed transaction left something behind"
    if number == 1:
        # An engine that starts writes the text of its policy there, outside any batch.
        del before[TopicPartition("agents.decisions", 0)], start[TopicPartition("agents.decisions", 0)]
        assert (before == start) == (where == "open"), "part of an open transaction was there to see"
    return where == "open"


GRACE = Person("grace", "Grace", frozenset({"local:approvers", "local:security"}), (Identity("local", "grace"),))


def review(directory: Path, broker: Broker) -> None:
    """A reviewer service comes up, a person decides on some of what waits, and it goes down again."""
    store = Store(directory / "approvals.db", decisions={"agents.approvals": "agents.decisions"})
    service = Service(
        store=store,
        broker=broker,
        people=Roster([GRACE]),
        topics=["agents.approvals"],
        clock=lambda: int(time.time() * 1000),
        scrub=lambda text: text,
        poll_seconds=0,
    )
    with ExitStack() as resources:
        reader, publisher = service.connect(resources)
        while service.step(reader, publisher):
            pass
        for listed in store.waiting(limit=1000):
            choice = int(listed.review.request.position.offset) % 3
            if choice < 2:
                decision = Decision.APPROVE if choice else Decision.DENY
                request = listed.review.request
                cast = service.vote(
                    request.request_id, GRACE, decision, version=request.version, reason="seen", channel="test"
                )
                assert isinstance(cast, Review), cast
        service.publish(publisher)
    store.close()


def test_kills_lose_and_double_nothing(directory: Path, engines: subprocess.Popen) -> None:
    """At least 20 open transactions die with their process; a reader then sees each input exactly once."""
    lost = 0
    with open_broker(f"embedded:{directory}/log.db") as broker:
        for kill in range(KILLS):
            if kill % 4 == 3:
                review(directory, broker)
            # Every few deaths another worker takes over, once the dead one's lease has run out.
            config = directory / ("1.yaml" if kill % 10 == 9 else "0.yaml")
            # Never at the first commit twice running: three deaths at one place would make it go record by record.
            number = 1 + (kill + kill // len(PLACES)) % 3
            lost += kill_one(engines, config, PLACES[kill % len(PLACES)], number, broker)
        assert lost >= 20
        assert 0 < len(read(broker, "agents.sanitized")) < RECORDS * 3 / 4, "the kills are to fall amid the work"
        run_worker(load_config(directory / "0.yaml"), stop=lambda: False, drain=True)
        review(directory, broker)
        check(broker)


def check(broker: Broker) -> None:
    """Every input is in exactly one place, as its decision entry says, and the entries add up."""
    inputs = {record.position: number(record) for record in read(broker, "agents")}
    assert len(inputs) == RECORDS
    where: dict[int, list[str]] = defaultdict(list)
    released: Counter[int] = Counter()
    for record in read(broker, "agents.sanitized"):
        if ("sluicegate-released", b"approved") in record.headers:
            released[number(record)] += 1
        else:
            where[number(record)].append("sanitized")
        assert record.key == b"key-%d" % number(record)
    for record in read(broker, "agents.approvals"):
        request = decode(record.value)
        assert isinstance(request, ReviewRequest)
        where[inputs[request.position]].append("held")
    for record in read(broker, "agents.quarantine"):
        pointer = orjson.loads(record.value)
        at = Position(pointer["topic"], pointer["partition"], pointer["offset"])
        where[inputs[at]].append("quarantined")

    entries = [entry for batch in batches(broker) for entry in batch.entries]
    offsets: dict[TopicPartition, list[int]] = defaultdict(list)
    for position in inputs:
        offsets[TopicPartition(*position[:2])].append(position.offset)
    accounted = account(entries, offsets)
    assert accounted.adds_up, accounted.faults[:3]
    outcomes = {inputs[at]: entry.outcome for entry in entries for at in positions(entry, inputs)}
    for n in range(RECORDS):
        match outcomes[n]:
            case OutcomeKind.CLEAN | OutcomeKind.REDACTED:
                assert where[n] == ["sanitized"], n
            case OutcomeKind.DENIED | OutcomeKind.DROPPED:
                assert where[n] == [], n
            case kind:
                assert where[n] == [str(kind)], n
    assert Counter(outcomes.values()) == accounted.totals
    check_verdicts(broker, inputs, outcomes, released)
    assert set(accounted.totals) == set(OutcomeKind), "the stream is to have records of every kind"
    for partition in range(PARTITIONS):
        mine = [number(r) for r in read(broker, "agents.sanitized") if r.position.partition == partition]
        mine = [n for n in mine if not released[n]]
        assert mine == sorted(mine), "order within a partition"
    everything = b"".join(r.value for role in OUTPUTS for r in read(broker, f"agents.{role}"))
    assert b"jane@example.com" not in everything
    assert b"4111 1111" not in everything


def check_verdicts(
    broker: Broker, inputs: dict[Position, int], outcomes: dict[int, OutcomeKind], released: Counter[int]
) -> None:
    """A held record has one verdict at most; what was approved is released once, and nothing else ever is."""
    found = [decode(record.value) for record in read(broker, "agents.decisions")]
    verdicts = {inputs[one.position]: one for one in found if isinstance(one, Verdict)}
    assert len(verdicts) == sum(isinstance(one, Verdict) for one in found)
    assert all(outcomes[n] is OutcomeKind.HELD for n in verdicts)
    approved = {n for n, one in verdicts.items() if one.verdict is VerdictKind.APPROVED}
    assert released == Counter(approved)
    assert {one.verdict for one in verdicts.values()} >= {VerdictKind.APPROVED, VerdictKind.DENIED, VerdictKind.FOLDED}
    waiting = sum(kind is OutcomeKind.HELD for kind in outcomes.values()) - len(verdicts)
    assert waiting > 0, "some are to be left waiting"


def batches(broker: Broker) -> list[DecisionBatch]:
    found = [decode(record.value) for record in read(broker, "agents.decisions")]
    return [one for one in found if isinstance(one, DecisionBatch)]


def positions(entry: DecisionEntry, inputs: dict[Position, int]) -> list[Position]:
    span = range(entry.first_offset, entry.last_offset + 1)
    every = [Position(entry.topic, entry.partition, offset) for offset in span]
    return [position for position in every if position in inputs]


def number(record: ActivityRecord) -> int:
    """Which input this is, by the id that no rule touches."""
    text = record.value.decode()
    return int(orjson.loads(text)["id"]) if text.startswith("{") else int(text.split()[1])
