"""A reviewer's database with many requests in it, the service that serves it, and people who use that at once.

The service runs in a process of its own (`benchmarks.reviewer`), on a real port; people are threads with a session
each, who ask for what a browser asks for. The database is SQLite in a temporary folder, or one of the benchmark's own
on a PostgreSQL, which is dropped at the end.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx
from sqlalchemy import create_engine, insert, text
from sqlalchemy.engine import make_url

from approvals import tables as t
from approvals.database import open_engine
from approvals.lifecycle import Review, release
from approvals.person import Identity, Person, Roster
from approvals.rows import columns
from approvals.votes import Ballot, cast
from benchmarks.machine import processor_seconds
from benchmarks.measurement import MeasuringFailed
from engine.brokers import open_broker
from engine.brokers.base import TopicSpec
from engine.ledger.codec import encode
from engine.ledger.model import (
    ActionKind,
    Decision,
    HeldRecord,
    Principal,
    PrincipalRole,
    Redaction,
    Requirement,
    ReviewRequest,
    Risk,
)
from engine.records import OutputRecord, Position

GROUP = "local:approvers"
_ACTIONS = (
    "export_table",
    "iam.role.grant",
    "deploy.production",
    "crm.delete",
    "db.migrate",
    "send_mail",
    "pay.refund",
)
_CHUNK = 2_000
_DAY = 86_400_000
_PATIENCE = 60.0  # seconds
_FORM_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


def request(
    number: int, *, now: int, expires: int, rng: Random, topic: str = "activity", group: str = GROUP
) -> ReviewRequest:
    """A made-up request, about as large as real ones are."""
    request_id = f"req_{hashlib.sha256(f'{number}{rng.random()}'.encode()).hexdigest()[:16]}"
    digest = hashlib.sha256(request_id.encode()).hexdigest()
    action, table = rng.choice(_ACTIONS), f"table_{rng.randrange(400)}"
    params = {"table": table, "rows": rng.randrange(1, 100_000), "to": "[EMAIL_ADDRESS]", "note": "x" * 200}
    value = json.dumps({"tool": action, "arguments": params, "session": f"s-{number % 97}"}).encode()
    return ReviewRequest(
        request_id=request_id,
        version=1,
        kind=ActionKind.PROPOSAL,
        position=Position(topic, 0, number),
        created=now,
        expires=expires,
        action=action,
        resource=f"warehouse/{table}",
        environment=rng.choice(("production", "staging")),
        reason="weekly report for the owners of the table",
        params=json.dumps(params),
        principals=(
            Principal(PrincipalRole.INITIATOR, "agent", f"etl-{rng.randrange(40)}"),
            Principal(PrincipalRole.ON_BEHALF_OF, "email", f"p{rng.randrange(200)}@example.com"),
        ),
        rule_id=f"rule-{rng.randrange(12)}",
        rule_reason="It changes what others rely on.",
        risk=rng.choices((Risk.LOW, Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL), (50, 35, 12, 3))[0],
        requirement=Requirement((group,), (), 1),
        policy=digest,
        nonce=digest[:16],
        binding=digest,
        view_digest=digest,
        likeness=digest,
        redactions=(Redaction("$.arguments.to", 0, 17, "email", "email_address", "mask", 0.99),) * 3,
        held=HeldRecord(f"{topic}.sanitized", 0, b"k", value, (("trace", b"abc"),), now),
    )


def people(count: int) -> list[Person]:
    """``count`` people who may decide."""
    names = [f"reviewer{n:02}" for n in range(count)]
    return [Person(n, n.title(), frozenset({GROUP}), (Identity("local", n),), demo=True) for n in names]


def fill(
    database: Path | str,
    *,
    requests: int,
    waiting: int,
    now: int,
    topic: str,
    advance: Callable[[], None],
    group: str = GROUP,
) -> list[ReviewRequest]:
    """Puts ``requests`` into a new database, all but ``waiting`` of them decided over 30 days; those that wait."""
    rng = Random(7)  # noqa: S311 (nothing here is to be kept from anybody)
    roster = Roster(people(1))
    (voter,) = roster.values()
    open_requests: list[ReviewRequest] = []
    with closing_engine(database) as engine:
        for first in range(0, requests, _CHUNK):
            rows, votes, events = [], [], []
            for number in range(first, min(first + _CHUNK, requests)):
                open_ = number >= requests - waiting
                created = now if open_ else now - _DAY * 30 + (30 * _DAY * number) // requests
                expires = created + _DAY + rng.randrange(3_600_000)
                asked = request(number, now=created, expires=expires, rng=rng, topic=topic, group=group)
                review: Any = Review(asked)
                events.append(_event(asked, "received", created))
                if open_:
                    open_requests.append(asked)
                else:
                    at = created + int(rng.expovariate(1 / 240_000))
                    decision = Decision.APPROVE if rng.random() < 0.8 else Decision.DENY
                    ballot = Ballot(decision, 1, "expected, covered by a ticket")
                    review = cast(review, voter, ballot, roster, at=min(at, expires - 1), channel="page")
                    (vote,) = review.votes
                    votes.append({"request_id": asked.request_id, "version": 1, **_columns(vote)})
                    events.append(_event(asked, f"vote {decision}", at, actor=str(voter.identity)))
                    events.append(_event(asked, review.state, at))
                    released = release(review)
                    review = released if isinstance(released, Review) else review
                place = Position(f"{topic}.approvals", 0, number)._asdict()
                rows.append({**columns(review), **place, "created": created})
            with t.writing(engine) as c:
                c.execute(insert(t.requests), rows)
                if votes:
                    c.execute(insert(t.votes), votes)
                c.execute(insert(t.events), events)
            advance()
        if not isinstance(database, Path):
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as c:
                c.execute(text("VACUUM ANALYZE"))
    return open_requests


def _columns(vote: Any) -> dict[str, Any]:
    names = [column.name for column in t.votes.c if column.name not in ("request_id", "version")]
    return {name: getattr(vote, name) for name in names}


def _event(asked: ReviewRequest, event: str, at: int, *, actor: str | None = None) -> dict[str, Any]:
    return {
        "request_id": asked.request_id,
        "version": 1,
        "event": str(event),
        "at": at,
        "actor": actor,
        "channel": "page" if actor else None,
        "detail": "",
    }


@contextmanager
def closing_engine(database: Path | str) -> Iterator[Any]:
    """The reviewer's database, opened as the service opens it."""
    engine = open_engine(database)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def own_database(server: str | None, folder: Path) -> Iterator[Path | str]:
    """A new database: a file in ``folder``, or one on the PostgreSQL at ``server``, which is dropped at the end."""
    if server is None:
        yield folder / "approvals.db"
        return
    url = make_url(server)
    if url.get_backend_name() != "postgresql":
        raise MeasuringFailed("--database is the URL of a PostgreSQL, like postgresql://user@host/postgres")
    name = f"sluicegate_bench_{secrets.token_hex(4)}"
    engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", hide_parameters=True)
    try:
        with engine.connect() as c:
            c.execute(text(f"CREATE DATABASE {name}"))
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            with engine.connect() as c:
                c.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()


class Figures(NamedTuple):
    """Times of one thing, in seconds, and the bytes of its largest answer (0: none).

    ``processor`` is what the service used for each in the mean, in seconds; None where nobody can tell.
    """

    name: str
    seconds: list[float]
    bytes: int
    limit: float | None  # seconds, at p95
    processor: float | None = None

    def at(self, quantile: float) -> float:
        """The time that ``quantile`` of them took at most."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    def as_json(self) -> dict[str, Any]:
        """For files; ``within`` is whether p95 keeps to the limit."""
        shown = {
            name: round(self.at(q) * 1000, 1) for name, q in {"p50_ms": 0.5, "p95_ms": 0.95, "max_ms": 1.0}.items()
        }
        more: dict[str, Any] = {}
        if self.limit is not None:
            more |= {"limit_ms": self.limit * 1000, "within": self.at(0.95) <= self.limit}
        if self.processor is not None:
            more |= {"processor_ms": round(self.processor * 1000, 2)}
        return {"name": self.name, "count": len(self.seconds), **shown, "bytes": self.bytes, **more}


class Visitor:
    """Somebody with a browser, signed in: keeps cookies, sends forms."""

    def __init__(self, url: str, name: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30.0)
        self._token("/sign-in")
        self._post("/sign-in", {"person": name})
        self._token("/")

    def _token(self, path: str) -> None:
        found = _FORM_TOKEN.search(self.client.get(path).text)
        if found is None:
            raise MeasuringFailed(f"{path} has no form")
        self.token = found[1]

    def _post(self, path: str, data: dict[str, str]) -> httpx.Response:
        answer = self.client.post(path, data={"csrf": self.token, **data})
        if answer.status_code != 303:
            raise MeasuringFailed(f"{path} answered {answer.status_code}")
        return answer

    def get(self, path: str) -> tuple[float, int]:
        """Seconds and bytes of a page."""
        began = time.perf_counter()
        answer = self.client.get(path)
        if answer.status_code != 200:
            raise MeasuringFailed(f"{path} answered {answer.status_code}")
        return time.perf_counter() - began, len(answer.content)

    def vote(self, asked: ReviewRequest) -> float:
        """Seconds that a vote takes until it is committed: an approval at low risk, else a denial."""
        decision = "approve" if asked.risk is Risk.LOW else "deny"
        began = time.perf_counter()
        self._post(f"/requests/{asked.request_id}/vote", {"decision": decision, "version": "1", "reason": "as agreed"})
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Reviewers:
    """The service on ``url``, the process ``pid``, over a log at ``broker`` whose topics begin with ``topic``."""

    url: str
    broker: str
    topic: str
    pid: int

    def pages(self, name: str, paths: Sequence[str], *, limit: float | None = None) -> Figures:
        """Each of ``paths``, one after the other."""
        visitor = Visitor(self.url, "reviewer00")
        before = processor_seconds(self.pid)
        took = [visitor.get(path) for path in paths]
        used = self._processor_since(before, len(took))
        return Figures(name, [seconds for seconds, _ in took], max(size for _, size in took), limit, used)

    def votes(self, asked: Sequence[ReviewRequest], *, crew: int, limit: float) -> Figures:
        """``crew`` people decide on what is ``asked`` at once, each on their share."""
        visitors = [Visitor(self.url, f"reviewer{n:02}") for n in range(crew)]
        before = processor_seconds(self.pid)
        with ThreadPoolExecutor(crew) as pool:
            took = list(pool.map(lambda n: [visitors[n].vote(one) for one in asked[n::crew]], range(crew)))
        used = self._processor_since(before, len(asked))
        return Figures(f"vote committed, {crew} at once", [s for part in took for s in part], 0, limit, used)

    def _processor_since(self, before: float | None, count: int) -> float | None:
        now = processor_seconds(self.pid)
        return None if before is None or now is None else (now - before) / count

    def live(self, count: int, *, limit: float) -> Figures:
        """From a pending record on the broker until an open page has it: told by the stream, fetched, and in it."""
        visitor = Visitor(self.url, "reviewer00")
        rng, now = Random(secrets.randbits(32)), time.time_ns() // 1_000_000  # noqa: S311
        took = []
        with (
            closing(open_broker(self.broker)) as broker,
            visitor.client.stream("GET", "/live", timeout=_PATIENCE) as stream,
            httpx.Client(base_url=self.url, cookies=visitor.client.cookies, timeout=30.0) as page,
        ):
            numbers = (line for line in stream.iter_lines() if line.startswith("data:"))
            next(numbers)
            for number in range(count):
                asked = request(10**9 + number, now=now, expires=now + 3_000_000 - number, rng=rng)
                began = time.perf_counter()
                broker.append([OutputRecord(f"{self.topic}.approvals", 0, None, encode(asked))])
                while asked.request_id not in page.get("/queue/live").text:
                    next(numbers)
                took.append(time.perf_counter() - began)
        return Figures("on the broker, then in an open page", took, 0, limit)


@contextmanager
def served(database: Path | str, broker: str | None, folder: Path, *, crew: int, topic: str) -> Iterator[Reviewers]:
    """The service in a process of its own, with ``crew`` people who may decide."""
    url = broker or f"embedded:{folder / 'log.db'}"
    topics = [f"{topic}.{role}" for role in ("approvals", "decisions", "sanitized")]
    with closing(open_broker(url)) as log:
        log.create_topics([TopicSpec(name, 1) for name in topics])
    entries = [{"id": p.id, "name": p.name, "groups": [GROUP], "demo": True} for p in people(crew)]
    (folder / "people.yaml").write_text(json.dumps({"people": entries}), encoding="utf-8")
    (folder / "secret").write_text(secrets.token_hex(32), encoding="ascii")
    given = {"database": str(database), "file": isinstance(database, Path), "broker": url, "topic": topic}
    command = [sys.executable, "-m", "benchmarks.reviewer", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        process.stdin.write(json.dumps(given) + "\n")  # not as an argument: a URL may hold a password
        process.stdin.flush()
        address = process.stdout.readline().strip()
        if not address:
            raise MeasuringFailed("the reviewer service did not start")
        _wait_until_it_answers(address)
        yield Reviewers(address, url, topic, process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()
        if broker is not None:
            _drop_topics(broker, topics)


def _wait_until_it_answers(url: str) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        time.sleep(0.05)
    raise MeasuringFailed("the reviewer service does not answer")


def _drop_topics(url: str, topics: list[str]) -> None:
    from confluent_kafka.admin import AdminClient

    servers = url.removeprefix("kafka://").partition("?")[0]
    for future in AdminClient({"bootstrap.servers": servers}).delete_topics(topics).values():
        with suppress(Exception):
            future.result(15)
