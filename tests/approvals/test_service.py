"""From the approvals topic to the database and back into the log, whatever happens in between."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from approval_makers import ADA, GRACE, MINUTE, SANITIZED, needs, principal, request

from approvals.lifecycle import RefusalCode, Refused, Review, State
from approvals.person import Identity
from approvals.rows import StoreError
from approvals.service import Ambiguous
from engine.brokers.base import Fenced, TopicSpec
from engine.ledger.codec import encode
from engine.ledger.model import Decision, DecisionBatch, Seat, Step, VerdictKind

YES, NO = Decision.APPROVE, Decision.DENY
ON_BOTH = pytest.mark.parametrize("url", ["embedded", "kafka"], indirect=True)


def vote(site, request_id="req-0001", who=ADA, decision=YES, reason="because"):
    return site.service.vote(request_id, who, decision, version=1, reason=reason, channel="page")


def released_ids(site):
    return [dict(record.headers)["sluicegate-request"].decode() for record in site.log(SANITIZED)]


@ON_BOTH
def test_a_request_comes_in_and_its_verdict_goes_out(site):
    """An approved record reaches the sanitized topic with its verdict in the decisions topic."""
    site.put(request())
    site.step()
    assert isinstance(vote(site), Review)
    assert site.verdicts() == []
    site.step()
    (verdict,) = site.verdicts()
    assert (verdict.verdict, verdict.released) == (VerdictKind.APPROVED, True)
    (record,) = site.log(SANITIZED)
    asked = request()
    assert asked.held is not None
    assert (record.key, record.value, record.timestamp) == (
        asked.held.key,
        asked.held.value,
        asked.held.timestamp,
    )
    listed = site.store.get("req-0001")
    assert listed is not None
    assert listed.review.state is State.RELEASED


@ON_BOTH
def test_silence_becomes_a_verdict_in_the_log(site, clock):
    """What nobody decides is denied at its deadline, by the clock of the service."""
    site.put(request())
    site.step()
    clock.now += 15 * MINUTE
    site.step()
    (verdict,) = site.verdicts()
    assert (verdict.verdict, verdict.decided) == (VerdictKind.EXPIRED, clock.now)
    assert site.log(SANITIZED) == []


@pytest.mark.parametrize("behind", [60 * MINUTE, -14 * MINUTE])
def test_a_clock_other_than_the_engines(site, clock, behind):
    """A reviewer's clock an hour behind the engine's, or ahead within the time to decide: a vote counts, once."""
    clock.now -= behind
    site.put(request())
    site.step()
    cast = site.service.vote("req-0001", ADA, Decision.APPROVE, version=1, reason="seen", channel="page")
    assert isinstance(cast, Review), cast
    site.step()
    (verdict,) = site.verdicts()
    assert (verdict.verdict, verdict.decided) == (VerdictKind.APPROVED, clock.now)
    assert len(site.log(SANITIZED)) == 1


def test_a_clock_so_far_ahead_that_all_is_over(site, clock):
    """What has expired when it comes is denied by name, and never released: the held record stays where it is."""
    clock.now += 60 * MINUTE
    site.put(request())
    site.step()
    (verdict,) = site.verdicts()
    assert verdict.verdict is VerdictKind.EXPIRED
    assert isinstance(
        site.service.vote("req-0001", ADA, Decision.APPROVE, version=1, reason="seen", channel="page"), Refused
    )
    site.step()
    assert site.log(SANITIZED) == []


@ON_BOTH
def test_what_is_no_request_is_skipped_and_counted(site, caplog):
    """Garbage, a tombstone and another kind of message are logged by position only and do not stop the rest."""
    batch = encode(DecisionBatch("p", "w", 0, ()))
    site.put_raw(b"secret-garbage", None, batch)
    site.put(request())
    with caplog.at_level(logging.ERROR):
        site.step()
    assert site.store.counts().unreadable == 3
    assert site.store.counts().waiting == 1
    assert "activity.approvals/0@0" in caplog.text
    assert "secret-garbage" not in caplog.text


@pytest.mark.parametrize(
    "unfit",
    [
        request(principals=()),
        request(principals=(principal("agent:"),)),
        request("two\nlines"),
        request("nul\0"),
        request(version=0),
    ],
)
def test_what_nobody_can_decide_on_is_never_asked(site, unfit):
    """A request with missing principals, or one that no program of ours wrote, is put aside, and the next is taken."""
    site.put(unfit, request("fine"))
    site.step()
    assert site.store.counts().unreadable == 1
    assert [one.review.request.request_id for one in site.store.waiting()] == ["fine"]


@ON_BOTH
def test_a_restart_reads_on_from_where_it_was(start):
    """After a restart each record is taken in once."""
    first = start()
    first.put(request("a"))
    first.step()
    second = start()
    second.put(request("b"))
    second.step()
    assert [one.review.request.request_id for one in second.store.waiting()] == ["a", "b"]


def crash_before_publishing(site):
    """The vote is in the database; the process dies before the publisher hears of it."""
    vote(site, "a")


def crash_after_publishing(site):
    """The log has the outbox; the process dies before the database hears of that."""
    vote(site, "a")
    ((seq, records),) = site.store.outbox(after=site.publisher.last())
    site.publisher.publish(records, seq)


def crash_in_the_middle(site):
    """Two verdicts, and the process dies with the first one published."""
    vote(site, "a")
    vote(site, "b", GRACE)
    (seq, records), _ = site.store.outbox(after=site.publisher.last())
    site.publisher.publish(records, seq)


@ON_BOTH
@pytest.mark.parametrize(
    ("crash", "expected"),
    [(crash_before_publishing, ["a"]), (crash_after_publishing, ["a"]), (crash_in_the_middle, ["a", "b"])],
)
def test_a_crash_loses_and_doubles_nothing(start, crash, expected):
    """Wherever it dies between deciding and publishing, each verdict and record is in the log once."""
    first = start()
    first.put(request("a"), request("b"))
    first.step()
    crash(first)
    second = start()  # the first one's objects stay as they were: nothing was closed or flushed
    second.step()
    second.step()
    assert [v.request_id for v in second.verdicts()] == expected
    assert released_ids(second) == expected
    assert second.store.counts().unpublished == 0
    for request_id in expected:
        listed = second.store.get(request_id)
        assert listed is not None
        assert listed.review.state is State.RELEASED


@ON_BOTH
def test_a_crash_while_reading_takes_nothing_in_twice(start):
    """A batch that was read and not stored is read again, whole."""
    first = start()
    first.put(request("a"), request("b"))
    reader, _ = first.connected()
    assert reader.poll(10, 0)
    second = start()
    second.step()
    assert second.store.counts().waiting == 2


@ON_BOTH
def test_the_older_of_two_services_stops(start):
    """A second service on the same files takes over; the first one cannot publish any more."""
    first = start()
    first.put(request("a"))
    first.step()
    second = start()
    second.step()
    vote(first, "a")
    with pytest.raises(Fenced):
        first.step()
    second.step()
    assert released_ids(second) == ["a"]


@ON_BOTH
def test_a_quiet_service_is_not_forgotten(site, clock):
    """A log may forget how far an outbox got that stands still, so it moves once a day, and writes nothing."""
    site.put(request("a", expires=clock.now + 10_000 * MINUTE))
    site.step()
    last = site.publisher.last()
    clock.now += 23 * 60 * MINUTE
    site.step()
    assert site.publisher.last() == last
    clock.now += 60 * MINUTE
    site.step()
    assert (site.events(), site.publisher.last()) == (["received a"], last + 1)
    assert site.store.counts().unpublished == 0


def test_another_log_is_noticed(start, tmp_path):
    """A database that has read further than the log goes is not this log's: nothing starts."""
    first = start()
    first.put(request("a"))
    first.step()
    first.close()
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    with pytest.raises(StoreError, match="another log"):
        start().step()


def test_what_a_reviewer_writes_is_scrubbed_before_it_is_kept(site):
    """A secret in a reason is in no table and no topic; control characters and lone surrogates are gone."""
    site.put(request())
    site.step()
    vote(site, reason="ok\x1b[31m, pass\ud800word is hunter2\u202e")
    site.step()
    (verdict,) = site.verdicts()
    assert verdict.reason == "ok[31m, password is [PASSWORD]"
    assert not any(b"hunter2" in file.read_bytes() for file in site.folder.iterdir())


def test_a_party_to_the_action_is_refused_and_it_is_logged(site, caplog):
    """A try at self-approval changes nothing and leaves a line in the log of the service."""
    asked = request()
    site.put(replace(asked, principals=(replace(asked.principals[0], issuer="k8s", subject="Ada"),)))
    site.step()
    result = vote(site)
    assert isinstance(result, Refused)
    assert result.code is RefusalCode.CONFLICT
    assert "local:ada tried to decide on req-0001" in caplog.text
    site.step()
    assert site.verdicts() == []


def test_an_id_may_be_shortened_while_it_is_clear(site):
    """The beginning of an id finds it if there is one; several, or too little of it, do not."""
    site.put(request("abcd1111"), request("abcd2222"))
    site.step()
    found = site.service.find("abcd1")
    assert found is not None
    assert not isinstance(found, Ambiguous)
    assert found.review.request.request_id == "abcd1111"
    assert site.service.find("abcd") == Ambiguous(("abcd1111", "abcd2222"))
    assert site.service.find("abc") is None
    assert site.service.find("zzzz") is None
    site.put(request("req_beef99"))
    site.step()
    assert site.service.find("beef") == site.service.find("req_beef99") is not None


@ON_BOTH
def test_the_thread_does_it_all_by_itself(site):
    """Started, the service reads and publishes without being stepped, and stops when told to."""
    site.put(request())
    site.service.start()
    try:
        _until(lambda: site.store.counts().waiting == 1)
        vote(site)
        _until(lambda: site.verdicts() != [])
        assert site.service.health.problem == ""
    finally:
        site.service.stop()
    assert not site.service.health.running


def test_a_topic_that_is_not_there_yet_is_waited_for(site):
    """The service may start before the stream processor: it says what it waits for, and goes on by itself."""
    site.service._topics = ("late.approvals",)
    site.service.start()
    try:
        _until(lambda: "no topic 'late.approvals' yet" in site.service.health.problem)
        site.broker.create_topics([TopicSpec("late.approvals", 1)])
        _until(lambda: site.service.health.problem == "")
        assert site.service.health.running
    finally:
        site.service.stop()


def test_a_service_that_must_stop_says_why(start):
    """One that another takes over again and again stops for good, and its page can say so."""
    first = start()
    first.put(request("a"), request("b"), request("c"))
    first.service.start()
    try:
        _until(lambda: first.store.counts().waiting == 3)
        for name in "abc":
            _until(lambda: not first.service.health.problem)
            start().step()
            vote(first, name)
            _until(lambda: first.service.health.problem)
        _until(lambda: not first.service.health.running)
        assert first.service.health.problem.startswith("stopped: ")
    finally:
        first.service.stop()


def test_a_service_that_was_taken_over_once_takes_its_place_back(start):
    """It may have been its own ghost: what it asked of a broker that hung is carried out later, and fences it."""
    first = start()
    first.put(request("a"))
    first.service.start()
    try:
        _until(lambda: first.store.counts().waiting == 1)
        start().step()
        vote(first, "a")
        _until(lambda: released_ids(first) == ["a"])
        assert first.service.health.running
    finally:
        first.service.stop()


def _until(condition, seconds=60.0):
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@ON_BOTH
def test_a_broken_glass_is_followed_by_a_review(site):
    """It goes out in the commit of the verdict, waits like any other, and who broke the glass cannot close it."""
    glass = Seat("break-glass", ("local:security",))
    site.put(request("a", requirement=replace(needs(2, "local:data", "local:security"), break_glass=glass)))
    site.step()
    result = site.service.vote("a", ADA, YES, version=1, reason="hunter2 is down", channel="page", break_glass=True)
    assert isinstance(result, Review)
    site.step()
    site.step()
    (verdict,) = site.verdicts()
    assert (verdict.break_glass, verdict.released, verdict.votes[0].break_glass) == (True, True, True)
    (after,) = [one.review.request for one in site.store.waiting()]
    assert (after.review_of, after.reason, after.held) == ("a", "[PASSWORD] is down", None)
    refused = site.service.vote(after.request_id, ADA, YES, version=1, reason="fine", channel="page")
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.CONFLICT
    assert len(site.log(SANITIZED)) == 1


def test_a_request_that_is_withdrawn_takes_its_repeats_along(site):
    """None of them is ever released, and each has its one verdict."""
    first = request("a")
    site.put(first, request("b", likeness=first.likeness))
    site.step()
    site.service.withdraw("a", Identity("agent", "etl-7"), "", channel="api")
    site.step()
    assert [(v.request_id, v.verdict, v.released) for v in site.verdicts()] == [
        ("a", VerdictKind.WITHDRAWN, False),
        ("b", VerdictKind.FOLDED, False),
    ]
    assert site.log(SANITIZED) == []


def test_escalation_is_told_in_its_time(site, clock):
    """Each step has an event of its own, once, and silence is a denial all the same."""
    steps = (Step(MINUTE, ("local:data",)), Step(2 * MINUTE, (), ("local:linus",), fallback=True))
    site.put(request("a", requirement=replace(needs(1), steps=steps)))
    site.step()
    for _ in range(4):
        clock.now += MINUTE
        site.step()
    told = [e.detail for e in site.store.events("a") if e.event == "escalated"]
    assert told == ["to local:data", "to local:linus, the last resort"]
    clock.now += 30 * MINUTE
    site.step()
    assert [v.verdict for v in site.verdicts()] == [VerdictKind.EXPIRED]
