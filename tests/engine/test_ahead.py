"""Where a commit waits for others, the worker looks at the next records meanwhile: never at the price of one of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from waiting import Waits
from worker_rig import Passes, Rig

from engine.attempts import Attempts
from engine.brokers.base import BrokerUnavailable, Fenced, Session, TransactionAborted
from engine.config import Batch
from engine.outcomes import Outcome
from engine.records import ActivityRecord, TopicPartition
from engine.worker import PART, EngineError, Worker

PATIENCE = 10.0  # seconds


_DEADLY = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from waiting import Waits
from waiting import Waits
from worker_rig import Passes, Rig
from engine.config import Batch

def look(records):
    if any(record.value == b"deadly" for record in records):
        os.kill(os.getpid(), signal.SIGKILL)

worker = Rig(Path(sys.argv[3])).worker(Passes(look), batch=Batch(records=10, interval_ms=0))
worker._session = Waits(worker._session)
worker.run(stop=lambda: False, drain=True)
worker._session.close()
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.broker.close()


def run(rig: Rig, core: Passes, session: Callable[[Session], Waits], **options) -> Worker:
    """A worker whose session is wrapped, until all is done."""
    options = {"batch": Batch(records=10, interval_ms=0), "sleep": lambda seconds: None} | options
    worker = rig.worker(core, **options)
    worker._session = session(worker._session)
    try:
        worker.run(stop=lambda: False, drain=True)
    finally:
        worker._session.close()
    return worker


def numbers(first: int, end: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, end)]


def once_each(rig: Rig, count: int) -> bool:
    """Whether all of so many records went out once, in order, and are accounted for."""
    return rig.values() == numbers(0, count) and rig.account().adds_up


def test_the_next_records_are_looked_at_while_a_commit_waits(rig: Rig) -> None:
    """The first commit does not return before the core has seen records that follow it; nothing else is called."""
    seen = threading.Event()

    def look(records: Sequence[ActivityRecord]) -> None:
        if any(record.value == b"15" for record in records):
            seen.set()

    def hold(number: int) -> None:
        if number == 1:
            assert seen.wait(PATIENCE)

    rig.feed(*numbers(0, 35))
    worker = run(rig, Passes(look), lambda session: Waits(session, hold))
    assert once_each(rig, 35)
    assert worker.counters.batches == 4


def test_what_comes_during_a_commit_joins_what_was_read_before_it(rig: Rig) -> None:
    """Without an interval too: or else it would wait for the commit of the next batch as well."""
    rig.feed(*numbers(0, 12))

    def more(number: int) -> None:
        if number == 1:
            rig.feed(*numbers(12, 17))

    worker = run(rig, Passes(), lambda session: Waits(session, more))
    assert rig.values() == numbers(0, 17)
    assert worker.counters.batches == 2


def test_each_record_is_looked_at_once(rig: Rig) -> None:
    """What was looked at ahead is not looked at again: parts of a batch that begin where the last look ended."""
    count, handed = 3 * PART + 500, list[int]()
    rig.feed(*numbers(0, count))
    batch = Batch(records=PART + 200, interval_ms=0)
    run(rig, Passes(lambda records: handed.extend(int(r.value or b"") for r in records)), Waits, batch=batch)
    assert handed == list(range(count))
    assert once_each(rig, count)


@pytest.mark.parametrize("error", [TransactionAborted, BrokerUnavailable])
@pytest.mark.parametrize("failing", [1, 2, 4])
def test_what_follows_a_commit_that_failed_is_read_again(rig: Rig, error: type[Exception], failing: int) -> None:
    """And so is what was to be committed: nothing is lost, nothing is written twice, order is kept."""
    handed: list[int] = []

    def fail(number: int) -> None:
        if number == failing:
            worker_session._session.abort()  # as a real session does before it says so
            raise error("away for a moment")

    def wrap(session: Session) -> Waits:
        nonlocal worker_session
        worker_session = Waits(session, fail)
        return worker_session

    worker_session: Waits = None  # type: ignore[assignment]
    rig.feed(*numbers(0, 35))
    run(rig, Passes(lambda records: handed.extend(int(r.value or b"") for r in records)), wrap)
    assert once_each(rig, 35)
    assert len(handed) > 35


def test_records_ahead_of_no_transaction_yet(rig: Rig) -> None:
    """They go back as well if the broker goes away before their transaction begins."""

    class Begins(Waits):
        begun = 0

        def begin(self) -> None:
            self.begun += 1
            if self.begun == 3:
                raise BrokerUnavailable("away for a moment")
            self._session.begin()

    rig.feed(*numbers(0, 35))
    run(rig, Passes(), Begins)
    assert once_each(rig, 35)


def test_who_is_fenced_in_a_commit_stops(rig: Rig) -> None:
    """The error of a commit in a thread of its own is the worker's."""

    def fence(number: int) -> None:
        if number == 2:
            raise Fenced("another took over")

    rig.feed(*numbers(0, 35))
    with pytest.raises(Fenced):
        run(rig, Passes(), lambda session: Waits(session, fence))
    assert rig.values() == numbers(0, 10)
    run(rig, Passes(), Waits)
    assert once_each(rig, 35)


def test_a_core_that_breaks_its_promise_ahead(rig: Rig) -> None:
    """The worker stops, but not before the commit that waits has ended; the next one goes on behind it."""

    class Miscounts(Passes):
        def sanitize(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
            good = super().sanitize(records, now)
            return good[:-1] if records[0].value == b"10" else good

    looked = threading.Event()
    core = Miscounts(lambda records: looked.set() if records[0].value == b"10" else None)
    rig.feed(*numbers(0, 35))
    with pytest.raises(EngineError, match="did not get one outcome each"):
        run(rig, core, lambda session: Waits(session, lambda number: looked.wait(PATIENCE) and None))
    assert rig.values() == numbers(0, 10)
    run(rig, Passes(), Waits)
    assert once_each(rig, 35)


def test_a_stop_with_records_ahead(rig: Rig) -> None:
    """They were read and not worked on: the next worker begins with them."""
    rig.feed(*numbers(0, 35))
    worker = rig.worker(Passes(), batch=Batch(records=10, interval_ms=0))
    session = worker._session = Waits(worker._session)
    worker.run(stop=lambda: session.commits == 2)
    session.close()
    assert rig.values() == numbers(0, 20)
    run(rig, Passes(), Waits)
    assert once_each(rig, 35)


def test_outputs_that_grow_too_large_ahead(tmp_path: Path) -> None:
    """What cannot be written is found when it is, and quarantined when it is read again."""
    rig = Rig(tmp_path, max_message_bytes=10_000)
    rig.feed(*numbers(0, 12), b"grow 20000", *numbers(12, 30))
    run(rig, Passes(), Waits)
    assert rig.values() == numbers(0, 30)
    assert rig.pointers() == [(12, "output-too-large")]
    assert rig.account().adds_up
    rig.broker.close()


def test_no_looking_ahead_where_a_process_died(rig: Rig, tmp_path: Path) -> None:
    """Until that place is behind, so that what is in flight is what the note says."""
    note = Attempts(tmp_path / "attempts-0.json")
    note.begin({TopicPartition("agents", 0): (0, 19)}, alone=False)
    note.close()
    handed: list[list[bytes | None]] = []
    waiting = threading.Event()

    def look(records: Sequence[ActivityRecord]) -> None:
        handed.append([record.value for record in records])
        assert not waiting.is_set() or records[0].value not in numbers(0, 20)

    rig.feed(*numbers(0, 35))

    def hold(number: int) -> None:
        waiting.set()
        if number <= 2:
            assert len(handed) == number  # nothing of the next batch, however long it takes
        waiting.clear()

    run(rig, Passes(look), lambda session: Waits(session, hold))
    assert once_each(rig, 35)


def test_a_record_that_kills_ahead_is_found(rig: Rig, tmp_path: Path) -> None:
    """It dies before the commit ahead of it, at that of a later process, or in its own batch: it is found all the same."""
    rig.feed(*numbers(0, 24), b"deadly", *numbers(24, 40))
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _DEADLY, str(root), str(root / "tests" / "support"), str(tmp_path)]
    codes = [-signal.SIGKILL]
    while codes[-1] == -signal.SIGKILL and len(codes) < 12:
        codes.append(subprocess.run(command, timeout=60, check=False).returncode)
    assert codes[-1] == 0
    assert rig.pointers() == [(24, "attempts")]
    assert once_each(rig, 40)
