"""What only the embedded broker does: one file, its errors, its clean-up, many processes on it."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import ConfigError
from engine.brokers import open_broker
from engine.brokers.base import BrokerError, BrokerUnavailable, TopicSpec
from engine.brokers.embedded import EmbeddedBroker
from engine.brokers.embedded_store import Store, pack_headers, unpack_headers
from engine.brokers.sharing import share
from engine.records import OutputRecord, TopicPartition


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def record(value: bytes, topic: str = "t", partition: int = 0) -> OutputRecord:
    return OutputRecord(topic, partition, None, value)


def read_all(broker: EmbeddedBroker, topic: str = "t") -> list[bytes]:
    reader = broker.reader([topic])
    out: list[bytes] = []
    while records := reader.poll(10_000, 0):
        out += [record.value for record in records]
    reader.close()
    return out


# --- the file


def test_file_is_private(path: Path) -> None:
    """The file holds raw activity: only its owner may read it, and the same goes for its WAL."""
    with EmbeddedBroker(path) as broker:
        broker.create_topics([TopicSpec("t", 1)])
        for name in (path, path.with_name("log.db-wal")):
            assert stat.S_IMODE(name.stat().st_mode) == 0o600


def test_commits_reach_the_disk(path: Path) -> None:
    """Every connection writes ahead and syncs at commit."""
    store = Store(path)
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_not_a_database(path: Path) -> None:
    """A file that is not a database is refused in one line that names it."""
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 10)
    with pytest.raises(BrokerError, match=r"log\.db is not a SQLite file$"):
        EmbeddedBroker(path)


def test_database_of_another_program(path: Path) -> None:
    """A database that is not ours is refused and left as it is."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (x)")
    db.close()
    before = path.read_bytes()[100:]
    with pytest.raises(BrokerError, match="another program"):
        EmbeddedBroker(path)
    assert path.read_bytes()[100:] == before


def test_newer_schema(path: Path) -> None:
    """A file that a newer version wrote is refused with both versions and what to do."""
    EmbeddedBroker(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BrokerError, match=r"newer .*its schema is 99, this one knows 1.*upgrade"):
        EmbeddedBroker(path)


def test_directory_that_does_not_exist(tmp_path: Path) -> None:
    """A path in a directory that does not exist is refused in one line."""
    with pytest.raises(BrokerError, match="No such file or directory"):
        EmbeddedBroker(tmp_path / "nowhere" / "log.db")


def test_path_is_a_directory(tmp_path: Path) -> None:
    """A directory is no log."""
    with pytest.raises(BrokerError, match="cannot be opened"):
        EmbeddedBroker(tmp_path)


def test_read_only(path: Path) -> None:
    """A write to a file that may only be read fails in one line, and the session can abort."""
    with EmbeddedBroker(path) as broker:
        broker.create_topics([TopicSpec("t", 1)])
        session = broker.join("g", ["t"], worker="0")
        session._store.db.execute("PRAGMA query_only = ON")
        session.begin()
        session.produce([record(b"x")])
        with pytest.raises(BrokerError, match="is read-only"):
            session.commit({})
        session._store.db.execute("PRAGMA query_only = OFF")
        session.abort()
        assert read_all(broker) == []
        session.close()


def test_disk_full(path: Path) -> None:
    """A commit that does not fit fails in one line and leaves nothing; smaller ones go on working."""
    with EmbeddedBroker(path) as broker:
        broker.create_topics([TopicSpec("t", 1)])
        session = broker.join("g", ["t"], worker="0")
        session._store.db.execute("PRAGMA max_page_count = 100")
        session.begin()
        session.produce([record(bytes(100_000)) for _ in range(10)])
        with pytest.raises(BrokerError, match="disk is full"):
            session.commit({TopicPartition("t", 0): 5})
        assert read_all(broker) == []
        assert session.committed() == {TopicPartition("t", 0): 0}
        session.begin()
        session.produce([record(b"small")])
        session.commit({})
        assert read_all(broker) == [b"small"]
        session.close()


def test_locked_file(path: Path) -> None:
    """A file that stays locked is BrokerUnavailable after a bounded time, then works again."""
    with EmbeddedBroker(path, busy_timeout=0.1) as broker:
        broker.create_topics([TopicSpec("t", 1)])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailable, match="locked by another process"):
            broker.append([record(b"x")])
        assert read_all(broker) == []  # readers do not wait for writers
        other.execute("ROLLBACK")
        other.close()
        broker.append([record(b"y")])
        assert read_all(broker) == [b"y"]


def test_closed_session(path: Path) -> None:
    """A session that was closed says so."""
    with EmbeddedBroker(path) as broker:
        broker.create_topics([TopicSpec("t", 1)])
        session = broker.join("g", ["t"], worker="0")
        session.close()
        with pytest.raises(BrokerError, match="closed"):
            session.poll(1, 0)


# --- many at once


def test_opened_by_many_at_once(path: Path) -> None:
    """Processes that open a file that does not exist yet agree on one schema."""
    script = "import sys; from engine.brokers.embedded import EmbeddedBroker as B; B(sys.argv[1]).close()"
    started = [subprocess.Popen([sys.executable, "-c", script, path]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4


def test_opened_while_it_is_made(tmp_path: Path) -> None:
    """What says whose file it is, and of which schema, is read as it was at one moment."""
    with ThreadPoolExecutor(6) as pool:
        for number in range(80):
            path = tmp_path / f"{number}.db"
            for broker in pool.map(EmbeddedBroker, [path] * 6):
                broker.close()


def test_appends_from_many_processes(path: Path) -> None:
    """Appends of several processes to one partition are all kept, each in its own order, without gaps."""
    script = """
import sys
from engine.brokers.embedded import EmbeddedBroker
from engine.records import OutputRecord
broker = EmbeddedBroker(sys.argv[1], busy_timeout=30)
for n in range(30):
    broker.append([OutputRecord("t", 0, None, f"{sys.argv[2]}:{n}:{i}".encode()) for i in range(10)])
"""
    with EmbeddedBroker(path) as broker:
        broker.create_topics([TopicSpec("t", 1)])
        started = [subprocess.Popen([sys.executable, "-c", script, path, str(n)]) for n in range(3)]
        assert [process.wait(120) for process in started] == [0] * 3
        reader = broker.reader(["t"])
        records = reader.poll(10_000, 0)
        reader.close()
    assert [r.position.offset for r in records] == list(range(900))
    for writer in range(3):
        mine = [r.value for r in records if r.value.startswith(b"%d:" % writer)]
        assert mine == [b"%d:%d:%d" % (writer, n, i) for n in range(30) for i in range(10)]


# --- retention


def test_retention(path: Path) -> None:
    """Records older than their topic keeps them go, those of other topics stay, and offsets never restart."""
    now = 1_000_000.0
    with EmbeddedBroker(path, clock=lambda: now) as broker:
        broker.create_topics([TopicSpec("t", 1, retention_ms=60_000), TopicSpec("kept", 1)])
        broker.append([record(b"old"), record(b"old"), record(b"old", "kept")])
        now += 50
        broker.append([record(b"new")._replace(timestamp=0)])  # age counts from when it came
        now += 20
        broker.clean()
        assert read_all(broker) == [b"new"]
        assert read_all(broker, "kept") == [b"old"]
        now += 1000
        broker.clean()
        assert read_all(broker) == []
        broker.append([record(b"next")])
        reader = broker.reader(["t"])
        [last] = reader.poll(10, 0)
        assert last.position.offset == 3
        reader.close()


def test_retention_runs_by_itself(path: Path) -> None:
    """Whoever writes cleans up now and then; a session that begins behind what is gone reads on after it."""
    now = 1_000_000.0
    with EmbeddedBroker(path, clock=lambda: now) as broker:
        broker.create_topics([TopicSpec("t", 1, retention_ms=60_000)])
        broker.append([record(b"old")] * 3)
        now += 120
        broker.append([record(b"new")])
        session = broker.join("g", ["t"], worker="0")
        assert [r.value for r in session.poll(10, 0)] == [b"new"]
        session.close()


def test_clean_up_is_bounded(path: Path) -> None:
    """A clean-up run deletes no more than it may, and says when there is more to do."""
    now = 1_000_000.0
    store = Store(path, clock=lambda: now)
    store.create([TopicSpec("t", 2, retention_ms=1)])
    with store.write():
        store.insert(store.check([record(b"x", partition=n % 2) for n in range(10)], 1000))
    now += 1
    assert store.clean(7)
    assert store.db.execute("SELECT count(*) FROM records").fetchone() == (3,)
    assert not store.clean(7)
    assert store.db.execute("SELECT count(*) FROM records").fetchone() == (0,)
    store.close()


def test_clock_set_back(path: Path) -> None:
    """A dead worker does not keep its partitions because the clock was set back."""
    now = 1_000_000.0
    with EmbeddedBroker(path, clock=lambda: now) as broker:
        broker.create_topics([TopicSpec("t", 1)])
        dead = broker.join("g", ["t"], worker="dead")
        alive = broker.join("g", ["t"], worker="zalive")
        now -= 100_000
        alive.poll(1, 0)
        assert alive.assignment() == {TopicPartition("t", 0)}
        alive.close()
        dead.close()


# --- URLs


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is relative to the working directory; options follow a question mark."""
    monkeypatch.chdir(tmp_path)
    open_broker("embedded:./x.db").close()
    open_broker("embedded:z.db").close()
    open_broker(f"embedded:{tmp_path}/y.db?session_timeout=1.5&max_message_bytes=10").close()
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["x.db", "y.db", "z.db"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("amqp://localhost:5672", "unknown broker scheme 'amqp'; this version has embedded:PATH"),
        ("redis://localhost", "unknown broker scheme 'redis'"),
        ("log.db", "this version has embedded:PATH"),
        ("", "this version has embedded:PATH"),
        ("embedded:", "needs the path"),
        ("embedded:x.db?sesion_timeout=1", "unknown option 'sesion_timeout'"),
        ("embedded:x.db?session_timeout=soon", "must be a number above 0"),
        ("embedded:x.db?session_timeout=0", "must be a number above 0"),
        ("embedded:x.db?session_timeout=nan", "must be a number above 0"),
        ("embedded:x.db?max_message_bytes=-1", "must be a number above 0"),
    ],
)
def test_bad_urls(url: str, says: str) -> None:
    """A URL that cannot be used is a ConfigError that says what there is."""
    with pytest.raises(ConfigError) as caught:
        open_broker(url)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


# --- the pure parts

_text = st.text(st.characters(codec="utf-8"))


@given(st.lists(st.tuples(_text, st.none() | st.binary())).map(tuple))
def test_headers_come_back(headers: tuple) -> None:
    """Packed headers come back exactly."""
    assert unpack_headers(pack_headers(headers)) == headers


_topics = st.sampled_from(["a", "b", "c"])


@given(
    st.dictionaries(_topics, st.integers(1, 6)),
    st.dictionaries(st.sampled_from("01234"), st.frozensets(_topics)),
    st.data(),
)
def test_shares_are_fair(counts: dict, members: dict, data: st.DataObject) -> None:
    """Each partition with a subscriber has one of them as owner; shares of a topic differ by one at most;
    sharing again moves nothing.
    """
    partitions = [TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)]
    current = {p: data.draw(st.sampled_from("01234567")) for p in partitions if data.draw(st.booleans())}
    owners = share(partitions, members, current)
    able = {topic: [w for w, subscribed in members.items() if topic in subscribed] for topic in counts}
    assert set(owners) == {p for p in partitions if able[p.topic]}
    assert all(owner in able[p.topic] for p, owner in owners.items())
    for topic, workers in able.items():
        shares = Counter(owner for p, owner in owners.items() if p.topic == topic)
        sizes = [shares[worker] for worker in workers]
        assert not sizes or max(sizes) - min(sizes) <= 1
    assert share(partitions, members, owners) == owners


def test_no_partition_moves_without_need() -> None:
    """When a third worker comes, only what it gets moves."""
    partitions = [TopicPartition("a", n) for n in range(6)]
    two = share(partitions, {"0": frozenset("a"), "1": frozenset("a")}, {})
    three = share(partitions, {w: frozenset("a") for w in "012"}, two)
    assert sum(two[p] != three[p] for p in partitions) == 2


def test_small_topics_are_spread() -> None:
    """Topics of one partition each do not all go to the same worker."""
    partitions = [TopicPartition(topic, 0) for topic in "abcd"]
    owners = share(partitions, {w: frozenset("abcd") for w in "01"}, dict.fromkeys(partitions, "0"))
    assert Counter(owners.values()) == {"0": 2, "1": 2}
