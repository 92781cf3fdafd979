"""Several instances on one database: one verdict for each request, written down and released once, whoever dies."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from approval_makers import ADA, APPROVALS, DECISIONS, GRACE, NOW, PEOPLE, SANITIZED, needs, person, request
from approval_site import Clock, Site
from kafka_cluster.admin import Janitor
from postgres import fresh

from approvals.lease import RENEW_MS, TTL_MS, NotLeading
from approvals.lifecycle import RefusalCode, Refused, Review, State
from approvals.person import Roster
from approvals.service import Service
from approvals.store import Arrival, Store
from approvals.votes import Ballot
from engine.ledger.codec import decode
from engine.ledger.model import Decision, Verdict, VerdictKind
from engine.records import Position

YES, NO = Decision.APPROVE, Decision.DENY


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "sqlite":
        return tmp_path / "shared.db"
    return fresh(request.getfixturevalue("postgres_server"))


@pytest.fixture
def postgres(postgres_server: str) -> str:
    return fresh(postgres_server)


def stores(database, count=2):
    return [Store(database, decisions={APPROVALS: DECISIONS}) for _ in range(count)]


def test_fifty_voters_at_two_instances(postgres):
    """Fifty people at once, through two instances: each request ends once, with the votes that it needs."""
    crowd = [person(f"p{n:02}") for n in range(50)]
    people = Roster(crowd)
    names = [f"r{n}" for n in range(6)]
    one, two = stores(postgres)
    one.ingest(
        [Arrival(Position(APPROVALS, 0, n), request(r, requirement=needs(7))) for n, r in enumerate(names)], at=NOW
    )

    def decide(number: int) -> list[Review | Refused]:
        store, who = (one, two)[number % 2], crowd[number]
        decision = NO if number % 25 == 24 else YES
        return [
            store.vote(name, who, Ballot(decision, 1, "because"), people, at=NOW + number, channel="page")
            for name in (names if number % 3 else names[::-1])
        ]

    with ThreadPoolExecutor(50) as pool:
        answers = [one for voted in pool.map(decide, range(50)) for one in voted]
    assert {a.code for a in answers if isinstance(a, Refused)} == {RefusalCode.DECIDED}
    told = [decode(r.value) for _, rows in two.outbox(after=0) for r in rows if r.topic == DECISIONS and r.value]
    verdicts = [m for m in told if isinstance(m, Verdict)]
    assert sorted(v.request_id for v in verdicts) == names
    for verdict in verdicts:
        approvals = [v for v in verdict.votes if v.decision is YES]
        if verdict.verdict is VerdictKind.APPROVED:
            assert len({v.subject for v in approvals}) == len(verdict.votes) == 7
        else:
            assert len(approvals) < 7
    out = [r.headers[2][1] for _, rows in one.outbox(after=0) for r in rows if r.topic == SANITIZED]
    assert sorted(out) == sorted(v.request_id.encode() for v in verdicts if v.released)
    numbers = [seq for seq, _ in one.outbox(after=0)]
    assert numbers == sorted(set(numbers))
    for store in (one, two):
        store.close()


def test_a_number_is_seen_after_all_that_are_below_it(postgres):
    """Whoever reads the outbox while many write never sees a number before a lower one: nothing is passed over."""
    writer, reader = stores(postgres)
    names = [f"r{n:02}" for n in range(24)]
    writer.ingest([Arrival(Position(APPROVALS, 0, n), request(r)) for n, r in enumerate(names)], at=NOW)

    def decide(name: str) -> None:
        writer.vote(name, ADA, Ballot(YES, 1), PEOPLE, at=NOW, channel="page")

    seen: list[int] = []
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(decide, name) for name in names]
        while not all(one.done() for one in waiting):
            seen += [seq for seq, _ in reader.outbox(after=seen[-1] if seen else 0)]
    seen += [seq for seq, _ in reader.outbox(after=seen[-1] if seen else 0)]
    assert seen == [seq for seq, _ in writer.outbox(after=0)]
    assert len(seen) == 1 + len(names)
    for store in (writer, reader):
        store.close()


def test_the_lease_is_one_instances_at_a_time(database):
    """It is renewed by who has it, taken over when it ends or is given back, and missed by nobody else."""
    one, two = stores(database)
    assert one.lease.hold(NOW)
    assert not two.lease.hold(NOW + RENEW_MS)
    assert one.lease.hold(NOW + RENEW_MS)
    assert not two.lease.hold(NOW + TTL_MS)
    late = NOW + RENEW_MS + TTL_MS
    assert two.lease.hold(late)
    one.vote("none", ADA, Ballot(YES, 1), PEOPLE, at=late, channel="page")  # anybody may take votes
    with pytest.raises(NotLeading):
        one.ingest([Arrival(Position(APPROVALS, 0, 0), request())], at=late)
    with pytest.raises(NotLeading):
        one.mark_published(up_to=0, at=late)
    assert not one.lease.hold(late)
    two.lease.resign()
    assert one.lease.hold(late)
    for store in (one, two):
        store.close()


def test_a_clock_far_ahead_does_not_keep_the_lease_for_ever(database):
    """What ends later than a lease can is taken for a mistake, and taken over."""
    one, two = stores(database)
    assert one.lease.hold(NOW + 10 * TTL_MS)
    assert two.lease.hold(NOW)
    for store in (one, two):
        store.close()


def until(holds, seconds=90.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_two_services_on_one_database(database, tmp_path):
    """Both take votes, one carries the log; when it stops the other goes on, and nothing is written twice."""
    sites = [Site(tmp_path, Clock(), f"embedded:{tmp_path / 'log.db'}", database) for _ in range(2)]
    services: list[Service] = [site.service for site in sites]
    try:
        sites[0].put(*(request(f"r{n}") for n in range(4)))
        for service in services:
            service.start()
        until(lambda: sum(s.health.leads for s in services) == 1 and services[1].store.get("r3") is not None)
        leader, other = sorted(services, key=lambda s: not s.health.leads)
        for number, service in enumerate((leader, other)):
            service.vote(f"r{number}", ADA, YES, version=1, reason="fine", channel="page")
        until(lambda: leader.store.counts().unpublished == 0)
        leader.stop()
        until(lambda: other.health.leads)
        for number in (2, 3):
            other.vote(f"r{number}", GRACE, YES, version=1, reason="fine", channel="page")
        until(lambda: other.store.counts().unpublished == 0)
        assert [s.health.problem for s in services] == ["", ""]
        assert sorted(v.request_id for v in sites[0].verdicts()) == ["r0", "r1", "r2", "r3"]
        assert len(sites[0].log(SANITIZED)) == 4
    finally:
        for site in sites:
            site.service.stop()
            site.close()


def ended_once(site: Site, names: list[str]) -> None:
    """Every request has one verdict, in the log, with its release; in the database it stands as released."""
    assert sorted(v.request_id for v in site.verdicts()) == names
    released = [dict(r.headers)["sluicegate-request"].decode() for r in site.log(SANITIZED)]
    assert sorted(released) == names
    states = {site.store.get(name).review.state for name in names}
    assert states == {State.RELEASED}


def test_killed_between_any_two_steps(postgres, tmp_path):
    """Before each statement and each commit of a vote and its publication: never two verdicts, never one
    without its record, never a record without its release. Each of them starts where the one before was killed.
    """
    url = f"embedded:{tmp_path / 'log.db'}"
    script = [sys.executable, str(Path(__file__).with_name("killed_at_steps.py")), url, str(tmp_path), postgres]
    done = subprocess.run(script, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], timeout=120, check=True)
    count = int(done.stdout)
    assert count > 25
    site = Site(tmp_path, lambda: NOW, url, postgres)
    site.step()
    names = [f"r{n:03}" for n in range(1, count + 1)]
    pending = [listed.review.request.request_id for listed in site.store.waiting()]
    assert 0 < len(pending) < count, "some were killed before their vote was there, some after"
    for name in pending:
        site.service.vote(name, GRACE, YES, version=1, reason="fine", channel="page")
    site.step()
    ended_once(site, names)
    site.close()


@pytest.mark.parametrize("place", ["produced", "after"])
def test_killed_while_publishing_from_postgresql_to_kafka(kafka_servers, postgres, tmp_path, place):
    """Killed with its transaction open, or before the database hears that it was committed."""
    janitor, url = Janitor(kafka_servers), f"kafka://{kafka_servers}"
    site = Site(tmp_path, lambda: NOW, url, postgres)
    site.put(request("a"))
    site.close()
    victim = Path(__file__).with_name("killed_while_publishing.py")
    script = [sys.executable, str(victim), url, str(tmp_path), place, postgres]
    with subprocess.Popen(script, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    again = Site(tmp_path, lambda: NOW, url, postgres)
    again.step()
    again.step()
    ended_once(again, ["a"])
    again.close()
    janitor.clean()
