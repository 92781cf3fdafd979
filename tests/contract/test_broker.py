"""What every broker promises: the words of `engine.brokers.base`, sentence by sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

import pytest

from engine.brokers import MessageTooLarge
from engine.brokers.base import BrokerError, Fenced, TopicSpec, TransactionAborted
from engine.records import ActivityRecord, OutputRecord, TopicPartition

PATIENCE = 60.0  # seconds a broker may take to settle, on a machine that is busy; the embedded one needs milliseconds
IN, OUT = TopicPartition("in", 0), TopicPartition("out", 0)


@pytest.fixture(autouse=True)
def _quiet(log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take, "quiet", log.quiet, raising=False)


def out(value: bytes | None, topic: str = "out", partition: int = 0, **more) -> OutputRecord:
    return OutputRecord(topic, partition, more.pop("key", None), value, **more)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the broker did not settle"


def take(source, count: int) -> list[ActivityRecord]:
    """Exactly ``count`` records: waits for them, and looks whether more come."""
    records: list[ActivityRecord] = []
    end = time.monotonic() + PATIENCE
    while len(records) < count and time.monotonic() < end:
        records += source.poll(count - len(records), 0.1)
    records += source.poll(10, take.quiet)
    assert len(records) == count
    return records


def values(records: Sequence[ActivityRecord]) -> list[bytes | None]:
    return [record.value for record in records]


def nexts(records: Sequence[ActivityRecord]) -> dict[TopicPartition, int]:
    """What to commit after ``records``."""
    return {TopicPartition(*r.position[:2]): r.position.offset + 1 for r in records}


def commit(session, records: Sequence[ActivityRecord], *outputs: OutputRecord) -> None:
    session.begin()
    session.produce(outputs)
    session.commit(nexts(records))


@pytest.fixture
def topics(broker) -> None:
    broker.create_topics([TopicSpec("in", 4), TopicSpec("out", 4)])


@pytest.fixture
def join(broker, topics):
    """Joins group ``g`` on topic ``in`` (of four partitions); leaves at the end."""
    sessions = []

    def join(worker: str = "0", group: str = "g", topics: Sequence[str] = ("in",)):
        sessions.append(broker.join(group, list(topics), worker=worker))
        return sessions[-1]

    yield join
    for session in sessions:
        with suppress(BrokerError):
            session.close()


@pytest.fixture
def follow(broker, topics) -> Iterator[Callable]:
    readers = []

    def follow(*names: str, start=None):
        readers.append(broker.reader(list(names) or ["out"], start=start))
        return readers[-1]

    yield follow
    for reader in readers:
        reader.close()


def settled(*sessions, partitions: int = 4) -> list[frozenset[TopicPartition]]:
    """The assignments, once all partitions are owned by exactly one of ``sessions`` and each owns some."""

    def done() -> bool:
        for session in sessions:
            session.poll(0, 0.01)
        owned = [session.assignment() for session in sessions]
        return all(owned) and sum(map(len, owned)) == len(frozenset().union(*owned)) == partitions

    until(done)
    return [session.assignment() for session in sessions]


# --- topics


def test_partitions_of_topics(broker, topics) -> None:
    """The partitions of each topic are counted; a topic that does not exist is left out."""
    assert broker.partitions(["in", "nowhere", "out"]) == {"in": 4, "out": 4}


def test_create_topics_again(broker, topics) -> None:
    """Creating what exists changes nothing; asking for other partitions is an error and creates nothing."""
    broker.create_topics([TopicSpec("in", 4)])
    with pytest.raises(BrokerError, match="in"):
        broker.create_topics([TopicSpec("new", 1), TopicSpec("in", 5)])
    assert broker.partitions(["in"]) == {"in": 4}


def test_topics_are_seen_by_others(log, broker, topics) -> None:
    """What one connection creates, another sees."""
    assert log.open().partitions(["in"]) == {"in": 4}


def test_unknown_topic(broker, join, follow) -> None:
    """A topic that does not exist cannot be joined, followed or written to."""
    with pytest.raises(BrokerError, match="nowhere"):
        join(topics=["in", "nowhere"])
    with pytest.raises(BrokerError, match="nowhere"):
        follow("nowhere")
    with pytest.raises(BrokerError, match="nowhere"):
        broker.append([out(b"x", "nowhere")])


@pytest.mark.parametrize("partition", [-1, 4])
def test_unknown_partition(broker, join, follow, partition: int) -> None:
    """A partition that does not exist cannot be written to, and what was to go with it is not written."""
    with pytest.raises(BrokerError):
        broker.append([out(b"x"), out(b"y", partition=partition)])
    session = join()
    session.begin()
    with pytest.raises(BrokerError):
        session.produce([out(b"x"), out(b"y", partition=partition)])
    session.abort()
    assert take(follow(), 0) == []


# --- records


RECORDS = {
    "plain": {"key": b"k", "value": b"v"},
    "null key": {"key": None, "value": b"v"},
    "empty key": {"key": b"", "value": b"v"},
    "empty value": {"key": b"k", "value": b""},
    "tombstone": {"key": b"k", "value": None},
    "nothing": {"key": None, "value": None},
    "binary": {"key": bytes(range(256)), "value": bytes(range(255, -1, -1))},
    "one header": {"key": b"k", "value": b"v", "headers": (("a", b"1"),)},
    "headers": {
        "key": None,
        "value": b"v",
        "headers": (("b", b"1"), ("a", None), ("b", b"1"), ("b", b""), ("", b"\x00\xff"), ("ü€", b"2")),
    },
    "early": {"key": None, "value": b"v", "timestamp": 1},  # a Kafka client takes 0 for "now"
    "late": {"key": None, "value": b"v", "timestamp": 4_102_444_800_123},
}


def test_records_are_kept_exactly(broker, join, follow) -> None:
    """Keys, values, headers (order, duplicates, null values) and timestamps come back as written, each in its turn."""
    records = [OutputRecord("in", 2, **fields) for fields in RECORDS.values()]
    broker.append(records)
    session = join()
    read = take(session, len(records))
    commit(session, read, *(record._replace(topic="out") for record in records))
    written = take(follow(), len(records))
    for name, record, *both in zip(RECORDS, records, read, written, strict=True):
        for got, topic in zip(both, ("in", "out"), strict=True):
            assert (got.position.topic, got.position.partition) == (topic, 2), name
            assert (got.key, got.value, got.headers) == (record.key, record.value, record.headers), name
            assert record.timestamp is None or got.timestamp == record.timestamp, name


def test_timestamp_set_by_broker(log, broker, follow) -> None:
    """A record without a timestamp gets the broker's time, in ms."""
    broker.append([out(b"x")])
    [record] = take(follow(), 1)
    assert abs(record.timestamp / 1000 - time.time()) < 3600


def test_big_value(log, broker, join, follow) -> None:
    """A value just below the limit passes; one above it is refused by name of its record, and nothing is
    written.
    """
    big = os.urandom(log.limit - 1000)
    broker.append([out(big)])
    [record] = take(follow(), 1)
    assert record.value == big
    huge = out(bytes(log.limit + 1))
    with pytest.raises(MessageTooLarge) as caught:
        broker.append([out(b"x"), huge])
    assert caught.value.record is huge
    session = join()
    session.begin()
    with pytest.raises(MessageTooLarge) as caught:
        session.produce([out(b"x"), huge])
    assert caught.value.record is huge
    session.abort()
    assert take(follow(start=nexts([record])), 0) == []


def test_errors_hold_no_payload(log, broker, topics) -> None:
    """The error for a record that is too large says how large, never what."""
    secret = b"hunter2"
    with pytest.raises(MessageTooLarge) as caught:
        broker.append([out(secret * log.limit, key=secret)])
    assert "hunter2" not in str(caught.value) + repr(caught.value)


# --- order and offsets


def test_order_within_a_partition(broker, join) -> None:
    """Records of a partition come in the order they were written, however small the polls are."""
    for start in range(0, 60, 20):
        broker.append([out(b"%d" % n, "in", n % 3) for n in range(start, start + 20)])
    session = join()
    records: list[ActivityRecord] = []
    until(lambda: records.extend(session.poll(7, 0.1)) or len(records) >= 60)
    for partition in range(3):
        mine = [record for record in records if record.position.partition == partition]
        assert values(mine) == [b"%d" % n for n in range(partition, 60, 3)]
        offsets = [record.position.offset for record in mine]
        assert offsets == sorted(set(offsets))


def test_poll_takes_no_more_than_asked(broker, join, follow) -> None:
    """A poll gives at most ``max_records``."""
    broker.append([out(b"%d" % n, topic, n % 4) for n in range(40) for topic in ("in", "out")])
    session, reader = join(), follow()
    until(lambda: 0 < len(session.poll(3, 0.1)) <= 3)
    until(lambda: 0 < len(reader.poll(3, 0.1)) <= 3)


def test_no_partition_starves(broker, join) -> None:
    """A partition with few records is read though another always has more."""
    many = b"many" + bytes(20_000)  # 10 MB, which is more than Kafka fetches of a partition at a time
    broker.append([out(many, "in", 0)] * 500 + [out(b"few", "in", 1)])
    session = join()
    read: list[bytes | None] = []
    until(lambda: read.extend(values(session.poll(10, 0.1))) or b"few" in read)
    assert len(read) < 500


def test_offsets_begin_at_zero_and_grow_by_one(broker, follow) -> None:
    """The first record of a partition has offset 0, and records written together follow each other."""
    broker.append([out(b"x", partition=n % 2) for n in range(6)])
    positions = [record.position for record in take(follow(), 6)]
    assert sorted(p.offset for p in positions if p.partition == 0) == [0, 1, 2]
    assert sorted(p.offset for p in positions if p.partition == 1) == [0, 1, 2]


def test_end_offsets(broker, join, follow) -> None:
    """The end offset of every partition is above the last record in it, 0 where none is."""
    session, reader = join(), follow()
    assert session.end_offsets() == {TopicPartition("in", n): 0 for n in range(4)}
    assert reader.end_offsets() == {TopicPartition("out", n): 0 for n in range(4)}
    broker.append([out(b"x", topic, 1) for topic in ("in", "out") for _ in range(3)])
    for source in (session, reader):
        last = take(source, 3)[-1].position
        ends = source.end_offsets()
        assert ends[TopicPartition(last.topic, 1)] > last.offset
        assert ends[TopicPartition(last.topic, 0)] == 0


def test_at_end(broker, join) -> None:
    """A partition is at its end once all its records were given, those of others or none; and not after an abort."""
    broker.append([out(b"%d" % n, "in") for n in range(3)])
    session = join()
    assert IN not in session.at_end()
    session.begin()
    records: list[ActivityRecord] = []
    while len(records) < 3:
        assert IN not in session.at_end()
        records += session.poll(1, 0.1)
    until(lambda: session.poll(1, 0.1) or session.at_end().keys() == session.assignment() != frozenset())
    assert session.at_end() == session.end_offsets()
    session.abort()
    assert IN not in session.at_end()
    assert take(session, 3) == records
    session.begin()
    session.commit(nexts(records))
    until(lambda: session.poll(1, 0.1) or session.at_end().keys() == session.assignment())
    broker.append([out(b"more", "in")])
    until(lambda: records.extend(session.poll(1, 0.1)) or len(records) == 4)
    until(lambda: session.poll(1, 0.1) or IN in session.at_end())


def test_poll_is_empty_after_its_timeout(join, follow) -> None:
    """A poll of an idle topic comes back empty when its time-out has passed, and not long before."""
    for source in (join(), follow()):
        start = time.monotonic()
        assert not source.poll(10, 0.2)
        assert 0.15 < time.monotonic() - start < PATIENCE


@pytest.mark.parametrize("what", ["session", "reader"])
def test_poll_wakes_up(log, live, what: str) -> None:
    """A poll that waits gives another process's record soon after it was written, not at its time-out."""
    live.create_topics([TopicSpec("in", 1)])
    source = live.join("g", ["in"], worker="0") if what == "session" else live.reader(["in"])
    with closing(source):
        source.poll(1, 1)
        writer = subprocess.Popen([sys.executable, "-c", _CHILD.format(body=_WRITES), log.url])
        start = time.monotonic()
        assert values(source.poll(1, 60)) == [b"hello"]
        assert time.monotonic() - start < 30
        writer.kill()
        writer.wait()


# --- transactions


def test_outputs_and_offsets_together(broker, join, follow) -> None:
    """A commit writes all outputs and moves the group's offsets; another session goes on behind them."""
    broker.append([out(b"%d" % n, "in") for n in range(5)])
    session = join()
    first = take(session, 5)[:3]
    commit(session, first, out(b"a"), out(b"b", partition=1))
    assert sorted(values(take(follow(), 2))) == [b"a", b"b"]
    assert session.committed()[IN] == 3
    session.close()
    assert values(take(join(), 2)) == [b"3", b"4"]


def test_committed_is_zero_at_first(join) -> None:
    """Every partition of the subscribed topics has a committed offset, 0 if the group never committed."""
    assert join().committed() == {TopicPartition("in", n): 0 for n in range(4)}


def test_groups_do_not_share_offsets(broker, join) -> None:
    """What one group has committed is still read by another."""
    broker.append([out(b"x", "in")])
    session = join()
    commit(session, take(session, 1))
    assert values(take(join(group="other"), 1)) == [b"x"]


def test_open_transaction_is_not_seen(broker, join, follow) -> None:
    """What is produced is seen by no reader before commit, and moves neither offsets nor ends."""
    broker.append([out(b"x", "in")])
    session, reader = join(), follow()
    records = take(session, 1)
    session.begin()
    session.produce([out(b"a")])
    assert take(reader, 0) == []
    assert session.committed()[IN] == 0
    session.produce([out(b"b")])
    session.commit(nexts(records))
    assert values(take(reader, 2)) == [b"a", b"b"]


def test_abort_writes_nothing_and_rewinds(broker, join, follow) -> None:
    """After abort nothing was written, and the session reads again from its last commit."""
    broker.append([out(b"%d" % n, "in") for n in range(3)])
    session, reader = join(), follow()
    records = take(session, 3)
    commit(session, records[:1], out(b"0"))
    session.begin()
    session.produce([out(b"never")])
    session.abort()
    assert IN in session.assignment()
    again = take(session, 2)
    assert values(again) == [b"1", b"2"]
    commit(session, again, *(out(record.value) for record in again))
    assert values(take(reader, 3)) == [b"0", b"1", b"2"]


def test_abort_without_a_transaction(join, broker) -> None:
    """Abort is a no-op if there is no open transaction."""
    broker.append([out(b"x", "in")])
    session = join()
    session.abort()
    records = take(session, 1)
    session.abort()
    commit(session, records)
    assert session.committed()[IN] == records[0].position.offset + 1


def test_transactions_without_begin(join) -> None:
    """Producing or committing needs an open transaction, and there is one at a time."""
    session = join()
    with pytest.raises(BrokerError):
        session.produce([out(b"x")])
    with pytest.raises(BrokerError):
        session.commit({})
    session.begin()
    with pytest.raises(BrokerError):
        session.begin()


def test_transaction_without_outputs_or_offsets(broker, join, follow) -> None:
    """Offsets can be committed without outputs, and outputs without offsets."""
    broker.append([out(b"x", "in")])
    session = join()
    commit(session, take(session, 1))
    commit(session, [], out(b"alone"))
    assert session.committed()[IN] == 1
    assert values(take(follow(), 1)) == [b"alone"]


def test_append_is_all_or_none(broker, follow) -> None:
    """An append that fails half-way writes nothing."""
    with pytest.raises(BrokerError):
        broker.append([out(b"a"), out(b"b", "nowhere")])
    assert take(follow(), 0) == []


# --- groups


def test_one_worker_owns_everything(join) -> None:
    """A worker alone owns all partitions of all subscribed topics."""
    [owned] = settled(join(topics=["in", "out"]), partitions=8)
    assert owned == {TopicPartition(topic, n) for topic in ("in", "out") for n in range(4)}


def test_two_workers_share(broker, join) -> None:
    """Two workers of a group share the partitions fairly, and together read each record once."""
    sessions = join("0"), join("1")
    assert [len(owned) for owned in settled(*sessions)] == [2, 2]
    broker.append([out(b"%d" % n, "in", n % 4) for n in range(40)])
    read = []
    until(lambda: [read.extend(session.poll(100, 0.05)) for session in sessions] and len(read) >= 40)
    assert len({record.position for record in read}) == len(read) == 40


def test_several_topics_are_shared(log, join) -> None:
    """Fair means fair within each topic, where the log can do that; else it means as many partitions."""
    for owned in settled(join("0", topics=["in", "out"]), join("1", topics=["in", "out"]), partitions=8):
        assert len(owned) == 4
        if not log.by_topic:
            continue
        assert sorted(partition.topic for partition in owned) == ["in", "in", "out", "out"]


def test_more_workers_than_partitions(join) -> None:
    """A worker too many owns nothing and polls in peace."""
    sessions = [join(str(n)) for n in range(5)]
    until(
        lambda: [s.poll(0, 0.01) for s in sessions] and sorted(len(s.assignment()) for s in sessions) == [0, 1, 1, 1, 1]
    )


def test_a_partition_that_comes_begins_at_its_committed_offset(broker, join) -> None:
    """What a worker has committed is not read again by the one that takes the partition over; the rest is."""
    broker.append([out(b"%d" % n, "in", p) for p in range(4) for n in range(3)])
    one = join("0")
    records = take(one, 12)
    commit(one, [record for record in records if record.value in (b"0", b"1")])
    two = join("1")
    settled(one, two)
    one.close()
    settled(two)
    rest = take(two, 4)
    assert values(rest) == [b"2"] * 4
    assert {record.position.partition for record in rest} == {0, 1, 2, 3}


def test_close_leaves_at_once(broker, join) -> None:
    """When a worker leaves, the others take over without waiting for its session time-out."""
    one, two = join("0"), join("1")
    settled(one, two)
    one.close()
    one.close()  # a second time does nothing
    assert settled(two) == [frozenset(TopicPartition("in", n) for n in range(4))]


def test_silent_worker_loses_its_partitions(log, broker, join, follow) -> None:
    """A worker that does not poll for longer than its session time-out loses its partitions to the others.

    What it had in hand is aborted when it comes back, and it may go on as a member.
    """
    broker.append([out(b"%d" % n, "in", n) for n in range(4)])
    one = join("0")
    records = take(one, 4)
    one.begin()
    one.produce([out(b"late")])
    two = join("1")
    log.expire()
    settled(two)
    again = take(two, 4)
    commit(two, again, *(out(b"once") for _ in again))
    with pytest.raises(TransactionAborted):
        one.commit(nexts(records))
    assert [len(owned) for owned in settled(one, two)] == [2, 2]
    assert values(take(follow(), 4)) == [b"once"] * 4


def test_lost_partition_aborts(broker, join, follow) -> None:
    """A commit for a partition that went to another worker aborts; nothing of it is written."""
    broker.append([out(b"%d" % n, "in", n) for n in range(4)])
    one = join("0")
    records = take(one, 4)
    two = join("1")
    until(lambda: two.poll(0, 0.01) or (one.poll(0, 0.01) or len(two.assignment()) == 2))
    with pytest.raises(TransactionAborted):
        commit(one, records, *(out(b"stale") for _ in records))
    assert take(follow(), 0) == []
    settled(one, two)
    for session in (one, two):
        mine = take(session, 2)
        commit(session, mine, *(out(b"once") for _ in mine))
    assert values(take(follow(), 4)) == [b"once"] * 4


def test_partition_that_went_and_came_back_aborts(broker, join, follow) -> None:
    """What was read before a partition was lost cannot be committed after it came back: others may have read
    it.
    """
    broker.append([out(b"%d" % n, "in", n) for n in range(4)])
    one = join("0")
    records = take(one, 4)
    two = join("1")
    theirs = settled(one, two)[1]
    read = take(two, 2)
    commit(two, read, *(out(b"two") for _ in read))
    two.close()
    settled(one)
    stale = [record for record in records if TopicPartition(*record.position[:2]) in theirs]
    with pytest.raises(TransactionAborted):
        commit(one, stale, *(out(b"one") for _ in stale))
    rest = take(one, 2)
    commit(one, rest, *(out(b"one") for _ in rest))
    assert sorted(values(take(follow(), 4))) == [b"one", b"one", b"two", b"two"]


def test_a_partition_that_came_back_is_read_on(broker, join) -> None:
    """If everything was committed before a partition went and came back, its next records commit as ever."""
    broker.append([out(b"a", "in", n) for n in range(4)])
    one = join("0")
    commit(one, take(one, 4))
    two = join("1")
    settled(one, two)
    two.close()
    settled(one)
    broker.append([out(b"b", "in", n) for n in range(4)])
    records = take(one, 4)
    commit(one, records)
    assert one.committed() == nexts(records)


def test_second_session_fences_the_first(log, broker, join, follow) -> None:
    """A second session with the same worker name takes over at once; the first is fenced for good."""
    broker.append([out(b"x", "in")])
    one = join("0")
    records = take(one, 1)
    one.begin()
    one.produce([out(b"one")])
    two = join("0")
    with pytest.raises(Fenced):
        one.commit(nexts(records))
    with pytest.raises(Fenced):
        one.poll(1, 0)
    one.close()
    settled(two)
    commit(two, take(two, 1), out(b"two"))
    assert values(take(follow(), 1)) == [b"two"]


def test_fenced_while_polling(join) -> None:
    """A worker that only polls notices that it was fenced."""
    one = join("0")
    one.poll(1, 0)
    join("0")
    with pytest.raises(Fenced):
        until(lambda: bool(one.poll(1, 0.05)))


def test_name_is_fenced_even_after_its_successor_left(join) -> None:
    """A session that was fenced does not come back to life when the one that fenced it has left."""
    one = join("0")
    join("0").close()
    with pytest.raises(Fenced):
        until(lambda: bool(one.poll(1, 0.05)))


def test_names_are_per_group(join) -> None:
    """The same worker name in two groups is two workers."""
    one, two = join("0", group="a"), join("0", group="b")
    settled(one)
    settled(two)


# --- readers


def test_reader_start(broker, follow) -> None:
    """A reader begins where it is told, and at the first record of partitions that it is not told about."""
    broker.append([out(b"%d" % n, partition=p) for p in range(2) for n in range(3)])
    records = take(follow(start={OUT: 2}), 4)
    assert sorted(values([r for r in records if r.position.partition == 0])) == [b"2"]
    assert values([r for r in records if r.position.partition == 1]) == [b"0", b"1", b"2"]


def test_reader_follows_several_topics(broker, follow) -> None:
    """A reader follows all topics it was given, and goes on as records come."""
    reader = follow("in", "out")
    broker.append([out(b"a", "in"), out(b"b", "out")])
    assert sorted(values(take(reader, 2))) == [b"a", b"b"]
    broker.append([out(b"c", "in", 3)])
    assert values(take(reader, 1)) == [b"c"]


def test_readers_do_not_disturb(broker, join, follow) -> None:
    """Readers are in no group: each reads everything, and takes nothing from workers."""
    broker.append([out(b"x", "in")])
    assert values(take(follow("in"), 1)) == values(take(follow("in"), 1)) == values(take(join(), 1)) == [b"x"]


# --- publishers


def test_publisher_starts_at_zero(broker) -> None:
    """A publisher that never published is at sequence 0."""
    with closing(broker.publisher("outbox")) as publisher:
        assert publisher.last() == 0


def test_publisher_exactly_once(broker, follow) -> None:
    """A batch is written with its sequence number; a number that is not higher is refused."""
    with closing(broker.publisher("outbox")) as publisher:
        publisher.publish([out(b"a"), out(b"b", partition=1)], 5)
        assert publisher.last() == 5
        for sequence in (5, 4, 0):
            with pytest.raises(ValueError, match="5"):
                publisher.publish([out(b"again")], sequence)
        publisher.publish([out(b"c", partition=1)], 6)
    assert sorted(values(take(follow(), 3))) == [b"a", b"b", b"c"]


def test_publisher_last_after_reopening(log, broker, topics) -> None:
    """After a restart, `last` says how far the outbox got."""
    with closing(broker.publisher("outbox")) as publisher:
        publisher.publish([out(b"a")], 7)
    with closing(log.open().publisher("outbox")) as publisher:
        assert publisher.last() == 7
    with closing(log.open().publisher("other")) as publisher:
        assert publisher.last() == 0


def test_publisher_is_all_or_nothing(broker, follow) -> None:
    """A batch that cannot be written does not move the sequence, and may be tried again."""
    with closing(broker.publisher("outbox")) as publisher:
        with pytest.raises(BrokerError):
            publisher.publish([out(b"a"), out(b"b", "nowhere")], 1)
        assert publisher.last() == 0
        publisher.publish([out(b"a")], 1)
    assert values(take(follow(), 1)) == [b"a"]


def test_second_publisher_fences_the_first(broker, follow) -> None:
    """Only the newest publisher of a name may write."""
    with closing(broker.publisher("outbox")) as one, closing(broker.publisher("outbox")) as two:
        with pytest.raises(Fenced):
            one.publish([out(b"one")], 1)
        two.publish([out(b"two")], 1)
    assert values(take(follow(), 1)) == [b"two"]


# --- real deaths

_CHILD = """
import sys, time
from engine.brokers import open_broker
from engine.records import OutputRecord
broker = open_broker(sys.argv[1])
{body}
print("ready", flush=True)
time.sleep(600)
"""

_DIES_IN_TRANSACTION = """
session = broker.join("g", ["in"], worker="dies")
records = []
while len(records) < 2:
    records += session.poll(10, 0.1)
session.begin()
session.produce([OutputRecord("out", 0, None, b"never")])
"""


_WRITES = "broker.append([OutputRecord('in', 0, None, b'hello')])"


@contextmanager
def child(body: str, url: str) -> Iterator[subprocess.Popen]:
    """A process that has done ``body`` and is still there; killed at the end."""
    command = [sys.executable, "-c", _CHILD.format(body=body), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def test_death_moves_partitions(log, live) -> None:
    """When a worker's process dies, its partitions go to the others after its session time-out.

    What it had read is read again, and its open transaction never happened.
    """
    live.create_topics([TopicSpec("in", 2), TopicSpec("out", 1)])
    live.append([out(b"%d" % n, "in", n) for n in range(2)])
    with child(_DIES_IN_TRANSACTION, log.url):
        pass
    with closing(live.join("g", ["in"], worker="lives")) as session:
        settled(session, partitions=2)
        records = take(session, 2)
        commit(session, records, out(b"once"))
        with closing(live.reader(["out"])) as reader:
            assert values(take(reader, 1)) == [b"once"]


def test_restart_under_the_same_name(log, live) -> None:
    """A worker that was killed and started again under its name takes over at once, without the time-out."""
    live.create_topics([TopicSpec("in", 2), TopicSpec("out", 1)])
    live.append([out(b"%d" % n, "in", n) for n in range(2)])
    with child(_DIES_IN_TRANSACTION, log.url):
        pass
    with closing(live.join("g", ["in"], worker="dies")) as session:
        settled(session, partitions=2)
        assert len(take(session, 2)) == 2
