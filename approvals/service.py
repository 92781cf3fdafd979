"""The reviewer service: from the approvals topics into the database, and verdicts back into the log.

One thread owns everything that touches the broker. It does the same step again and again: read, expire,
publish. Votes come from other threads, straight into the database; the next step publishes what they decided.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.exc import OperationalError

from approvals.lease import NotLeading
from approvals.lifecycle import RefusalCode, Refused, Review
from approvals.person import Identity, Person, Roster
from approvals.rebuild import Rebuild, arrival
from approvals.rows import Listed, StoreError
from approvals.store import Store
from approvals.votes import Ballot
from detectors.errors import SluicegateError
from engine.brokers.base import Broker, BrokerUnavailable, Fenced, Publisher, Reader, TransactionAborted
from engine.ledger.model import Decision

PUBLISHER = "sluicegate-approvals"
ID_PREFIX = "req_"  # what request ids begin with; nobody has to type it
REMINDER_MS = 86_400_000  # Kafka forgets after a week how far a publisher got that publishes nothing
STAND_BY_SECONDS = 1.0
FENCES = 3  # in a row, each within a minute: two services of two databases would go on like that for ever
SOON_MS = 60_000
MIN_PREFIX = 4  # characters of a request id that are enough, if only one id begins with them

_log = logging.getLogger("sluicegate.approvals")


def unchanged(text: str) -> str:
    """A scrubber that scrubs nothing, for tests: a service that people use gets a real one."""
    return text


class Ambiguous(NamedTuple):
    """Several requests begin with what was given; ``ids`` are some of them."""

    ids: tuple[str, ...]


@dataclass(slots=True)
class Health:
    """How the broker thread fares, for the page. ``problem`` is empty while all is well; never content."""

    running: bool = False
    leads: bool = False  # whether this instance carries the log, of several on one database
    last_step: int = 0  # ms since the epoch
    problem: str = ""


class Service:
    """Requests in, votes, verdicts out.

    ``topics`` are the approvals topics. ``clock`` gives ms since the epoch. ``scrub`` takes secrets and
    personal data out of what reviewers write; nothing they write is kept before it ran.
    """

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        people: Roster,
        topics: Sequence[str],
        clock: Callable[[], int],
        scrub: Callable[[str], str],
        poll_seconds: float = 0.2,
    ) -> None:
        self.store = store
        self.people = people
        self.clock = clock
        self.health = Health()
        self._broker = broker
        self._topics = tuple(topics)
        self._scrub = scrub
        self._poll_seconds = poll_seconds
        self._last_publication = 0  # ms since the epoch
        self._scrubbing = threading.Lock()  # a detector's scratch memory is for one thread at a time
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def broker(self) -> Broker:
        """The log, for reading what is in it."""
        return self._broker

    # --- The broker thread ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the broker thread."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="approvals", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Stops the broker thread after its present step."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def connect(self, resources: ExitStack) -> tuple[Reader, Publisher]:
        """A reader from where the database got to, and the publisher; both closed with ``resources``.

        An empty database is first made again from what the topics say. Raises StoreError if the database and the
        log do not belong together, Contradiction if the log contradicts itself, BrokerUnavailable while a topic
        does not exist yet: whoever starts first waits for the other.
        """
        topics = (*self._topics, *self.store.decisions_topics(self._topics))
        missing = sorted(set(topics) - self._broker.partitions(topics).keys())
        if missing:
            raise BrokerUnavailable(f"there is no topic '{missing[0]}' yet; 'sluicegate run' can create it")
        publisher = resources.enter_context(closing(self._broker.publisher(PUBLISHER)))
        if self.store.is_empty():
            rebuild = Rebuild(self.store, self._broker, self._topics, clock=self.clock, stopping=self._stopping)
            rebuild.run(publisher)
        self.store.mark_published(up_to=publisher.last(), at=self.clock())
        self._last_publication = self.clock()
        start = {p: offset for p, offset in self.store.positions().items() if p.topic in self._topics}
        reader = resources.enter_context(closing(self._broker.reader(self._topics, start=start)))
        ends = reader.end_offsets()
        for place, offset in start.items():
            if offset > ends.get(place, 0):
                raise StoreError(
                    f"{place.topic}/{place.partition} ends before what the database has read: "
                    "this is another log, or the topic was made anew"
                )
        return reader, publisher

    def step(self, reader: Reader, publisher: Publisher) -> int:
        """Reads once, expires what is due, publishes what was decided; how many records it read."""
        records = reader.poll(500, self._poll_seconds)
        if records:
            self.store.ingest([arrival(record) for record in records], at=self.clock())
        while self.store.escalate_due(at=self.clock()):
            pass
        while self.store.expire_due(at=self.clock()):
            pass
        self.publish(publisher)
        self.health.last_step = self.clock()
        return len(records)

    def publish(self, publisher: Publisher) -> None:
        """Publishes the outbox from where the log says it got to."""
        if self.clock() - self._last_publication >= REMINDER_MS:
            self.store.remind()
        while batch := self.store.outbox(after=publisher.last()):
            newest = batch[-1][0]
            publisher.publish([record for _, records in batch for record in records], newest)
            self.store.mark_published(up_to=newest, at=self.clock())
            self._last_publication = self.clock()

    def _run(self) -> None:
        self.health.running = True
        pause, connected_at, fences = 0.5, 0, 0
        while not self._stop.is_set():
            try:
                if not self._leads():
                    self._stand_by()
                    continue
                with ExitStack() as resources:
                    reader, publisher = self.connect(resources)
                    self.health.leads, self.health.problem, pause = True, "", 0.5
                    connected_at = self.clock()
                    while not self._stop.is_set() and self._leads():
                        self.step(reader, publisher)
            except (BrokerUnavailable, TransactionAborted, OperationalError) as error:
                away = "the database does not answer" if isinstance(error, OperationalError) else str(error)
                self._trouble(f"{away}; trying again")
                self._stop.wait(pause)
                pause = min(pause * 2, 30.0)
            except (Fenced, NotLeading) as error:
                if not self._surely_leads():
                    continue
                # No instance of this database. It may have been us: a broker that hung can still carry out what was
                # asked of it before the outage, and that fences the publisher that was made after.
                fences = fences + 1 if self.clock() - connected_at < SOON_MS else 1
                if fences == FENCES:
                    self._trouble(f"stopped: {error}")
                    break
                self._trouble(f"{error}; taking it back")
                self._stop.wait(pause)
            except SluicegateError as error:
                self._trouble(f"stopped: {error}")
                break
            except Exception as error:
                # Its message may hold content, so only its kind is said.
                self._trouble(f"stopped by an unexpected {type(error).__name__}")
                break
        self.health.running = self.health.leads = False
        with suppress(OperationalError):
            self.store.lease.resign()

    def _leads(self) -> bool:
        return self.store.lease.hold(self.clock())

    def _surely_leads(self) -> bool:
        self.store.lease.doubt()
        with suppress(OperationalError):
            return self._leads()
        return False

    def _stopping(self) -> bool:
        """For what takes long while leading: whether to give up. Asking renews the lease."""
        return self._stop.is_set() or (self.health.running and not self._leads())

    def _stand_by(self) -> None:
        """Another instance carries the log; votes are taken here all the same."""
        if self.health.leads:
            _log.warning("another instance carries the log from now on; this one stands by")
        self.health.leads, self.health.problem, self.health.last_step = False, "", self.clock()
        self._stop.wait(STAND_BY_SECONDS)

    def _trouble(self, problem: str) -> None:
        self.health.problem = problem
        _log.error("%s", problem)

    # --- What people do -------------------------------------------------------------------------------------

    def find(self, given: str) -> Listed | Ambiguous | None:
        """The request whose id is ``given``, or the only one that begins with it."""
        exact = self.store.get(given)
        if exact is not None or len(given) < MIN_PREFIX:
            return exact
        ids = self.store.matching(given) or self.store.matching(f"{ID_PREFIX}{given}")
        if len(ids) > 1:
            return Ambiguous(tuple(ids))
        return self.store.get(ids[0]) if ids else None

    def vote(
        self,
        request_id: str,
        person: Person,
        decision: Decision,
        *,
        version: int,
        reason: str,
        channel: str,
        break_glass: bool = False,
    ) -> Review | Refused:
        """Casts a vote now. ``reason`` is scrubbed before anything is done with it.

        Raises StoreError if others keep changing the request at the same moment.
        """
        ballot = Ballot(decision, version, self._scrubbed(reason), break_glass)
        result = self.store.vote(request_id, person, ballot, self.people, at=self.clock(), channel=channel)
        return self._told(result, person.identity, request_id)

    def ask(self, request_id: str, person: Person, question: str, *, version: int, channel: str) -> Review | Refused:
        """Asks for a clarification now; scrubbed, and raises, as `vote`."""
        text, now = self._scrubbed(question), self.clock()
        result = self.store.ask(request_id, person, text, self.people, version=version, at=now, channel=channel)
        return self._told(result, person.identity, request_id)

    def answer(
        self, request_id: str, by: Person | Identity, text: str, *, version: int, channel: str
    ) -> Review | Refused:
        """Answers what was asked: a new version, and the votes are void. Scrubbed, and raises, as `vote`."""
        said, now = self._scrubbed(text), self.clock()
        return self.store.answer(request_id, by, said, self.people, version=version, at=now, channel=channel)

    def withdraw(self, request_id: str, by: Person | Identity, reason: str, *, channel: str) -> Review | Refused:
        """Takes a request back now, for a party to it. Scrubbed, and raises, as `vote`."""
        said, now = self._scrubbed(reason), self.clock()
        return self.store.withdraw(request_id, by, said, self.people, at=now, channel=channel)

    def _scrubbed(self, text: str) -> str:
        # Lone surrogates and control characters cannot be written to the log, or only mislead there.
        legible = "".join(c for c in text if c.isprintable() or c == "\n").strip()
        with self._scrubbing:
            return self._scrub(legible) if legible else ""

    def _told(self, result: Review | Refused, who: Identity, request_id: str) -> Review | Refused:
        if isinstance(result, Refused) and result.code is RefusalCode.CONFLICT:
            _log.warning("refused: %s tried to decide on %s, a party to it", who, request_id)
        return result
