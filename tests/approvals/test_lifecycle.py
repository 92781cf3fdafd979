"""The life of a request: its table, and what no order of events can bring about."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from approval_makers import MINUTE, NOW, needs, person, principal, request
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from approvals.lifecycle import (
    FINAL,
    OPEN,
    TRANSITIONS,
    Event,
    RefusalCode,
    Refused,
    Review,
    State,
    advance,
    answer,
    close_repeat,
    expire,
    fold,
    may_fold,
    release,
    revise,
    unfold,
)
from approvals.person import Roster
from approvals.votes import Ballot, ask, cast
from engine.ledger.model import ActionKind, Decision, PrincipalRole, VerdictKind


def test_what_has_ended_does_not_go_on():
    """No event leads out of a final state, but for an approved one whose record is released."""
    leaving = {pair for pair in TRANSITIONS if pair[0] in FINAL}
    assert leaving == {(State.APPROVED, Event.RELEASE)}


def test_every_open_state_can_end():
    """Silence or the first request ends whatever is open: nothing waits for ever."""
    for state in OPEN:
        assert any(before is state and after in FINAL for (before, _), after in TRANSITIONS.items())


@pytest.mark.parametrize(("state", "event"), [p for p in product(State, Event) if p not in TRANSITIONS])
def test_what_the_table_does_not_name_is_refused(state, event):
    """A refusal is typed and readable, for each pair of state and event outside the table."""
    refusal = advance(state, event)
    assert isinstance(refusal, Refused)
    assert refusal.message
    assert (refusal.code is RefusalCode.DECIDED) is (state in FINAL)


def test_silence_is_a_denial_with_its_own_verdict():
    """At the deadline, not before it, a request ends as expired, unreleased."""
    review = Review(request())
    early = expire(review, at=review.request.expires - 1)
    assert isinstance(early, Refused)
    assert early.code is RefusalCode.TOO_EARLY
    done = expire(review, at=review.request.expires)
    assert isinstance(done, Review)
    assert done.state is State.EXPIRED
    assert done.verdict is not None
    assert done.verdict.verdict is VerdictKind.EXPIRED
    assert not done.verdict.released


def test_a_verdict_is_bound_to_what_was_reviewed():
    """It carries the version, position, policy, binding and view digest of the request."""
    asked = request(version=4)
    done = expire(Review(asked), at=asked.expires)
    assert isinstance(done, Review)
    verdict = done.verdict
    assert verdict is not None
    assert (verdict.version, verdict.position, verdict.policy) == (4, asked.position, asked.policy)
    assert (verdict.binding, verdict.view_digest) == (asked.binding, asked.view_digest)


def test_an_answer_makes_a_new_version_and_voids_votes():
    """A clarified request is voted on anew."""
    review = cast_by("a1", Review(request(requirement=needs(2))))
    waiting = ask(review, PEOPLE["a2"], "which table?", ROSTER, version=1, at=NOW)
    assert isinstance(waiting, Review)
    after = answer(waiting, "customers", by="agent:x", at=NOW)
    assert isinstance(after, Review)
    assert (after.state, after.request.version, after.votes) == (State.PENDING, 2, ())


def test_a_revision_voids_votes():
    """What was approved is not what is asked now."""
    review = cast_by("a1", Review(request(requirement=needs(2))))
    after = revise(review, request(version=2, requirement=needs(2)))
    assert isinstance(after, Review)
    assert (after.state, after.votes) == (State.PENDING, ())
    assert cast_by("a2", after).state is State.PENDING


@pytest.mark.parametrize("version", [0, 1, 2])
def test_only_a_newer_version_replaces(version):
    """A revision with the same or a lower version is refused with both versions."""
    result = revise(Review(request(version=2)), request(version=version))
    assert isinstance(result, Refused)
    assert (result.code, result.version, result.current) == (RefusalCode.STALE, version, 2)


def test_what_folds_into_what():
    """Only a proposal folds, only into another waiting proposal of equal likeness."""
    first, again = request("a"), request("b", likeness=request("a").likeness)
    assert may_fold(again, Review(first))
    assert not may_fold(first, Review(first))
    assert not may_fold(request("b"), Review(first))
    assert not may_fold(again, Review(first, State.APPROVED))
    assert not may_fold(again, Review(first, State.REPEAT))
    assert not may_fold(replace(again, likeness=""), Review(replace(first, likeness="")))
    fact = replace(again, kind=ActionKind.FACT, held=None)
    assert not may_fold(fact, Review(first))
    assert not may_fold(again, Review(replace(first, kind=ActionKind.FACT, held=None)))


@pytest.mark.parametrize("decision", list(Decision))
def test_a_repeat_ends_with_the_first_and_is_not_released(decision):
    """Whatever became of the first, its repeat ends as folded into it, and its record stays held."""
    first = Review(request("a"))
    repeat = fold(Review(request("b", likeness=first.request.likeness)), first)
    assert isinstance(repeat, Review)
    assert isinstance(close_repeat(repeat, first), Refused)
    done = close_repeat(repeat, cast_by("a1", first, decision))
    assert isinstance(done, Review)
    assert done.verdict is not None
    assert (done.verdict.verdict, done.verdict.folded_into) == (VerdictKind.FOLDED, "a")
    assert not done.verdict.released
    assert done.verdict.votes == ()


def test_a_fact_is_never_released():
    """There is nothing to release, so nothing says that it was."""
    done = cast_by("a1", Review(request(kind=ActionKind.FACT)))
    assert isinstance(release(done), Refused)


# --- Any order of events ------------------------------------------------------------------------------------

PEOPLE = {
    "a1": person("a1"),
    "a2": person("a2", groups=("local:security", "local:admins")),
    "initiator": person("initiator", "okta:Boss@example.com"),
    "behalf": person("behalf"),
    "delegate": person("delegate", groups=("local:security", "local:admins")),
    "owner": person("owner", "k8s:the-owner"),
    "stranger": person("stranger", groups=("oidc:security", "security")),
}
ROSTER = Roster(PEOPLE.values())
PRINCIPALS = (
    principal("email:boss@example.com"),
    principal("local:behalf", PrincipalRole.ON_BEHALF_OF),
    principal("agent:x", PrincipalRole.DELEGATE),
    principal("k8s:DELEGATE", PrincipalRole.DELEGATE),
    principal("aws:the-owner", PrincipalRole.OWNER),
)
FORBIDDEN = {"initiator", "behalf", "delegate", "owner", "stranger"}


def cast_by(who: str, review: Review, decision: Decision = Decision.APPROVE) -> Review:
    result = cast(review, PEOPLE[who], Ballot(decision, review.request.version, "r"), ROSTER, at=NOW, channel="api")
    assert isinstance(result, Review)
    return result


class Lives(RuleBasedStateMachine):
    """Two like requests, anybody voting anything at any time, questions, revisions, expiry, release.

    The model is naive: a list of who said what since the version last changed.
    """

    @initialize(quorum=st.sampled_from([2, 2, 2, 1, 0, 3]), fact=st.booleans())
    def begin(self, quorum: int, fact: bool) -> None:
        kind = ActionKind.FACT if fact else ActionKind.PROPOSAL
        asked = request("first", kind=kind, principals=PRINCIPALS, requirement=needs(quorum))
        self.quorum = max(1, quorum)
        self.review = Review(asked)
        self.repeat: Review | None = None
        self.now = NOW
        self.said: dict[str, Decision] = {}
        self.verdicts: list[VerdictKind] = []
        self.at_end: tuple[State, dict[str, Decision]] | None = None

    def take(self, result: Review | Refused) -> bool:
        """Goes on with ``result``; every verdict that is made is written down."""
        if isinstance(result, Refused):
            assert result.message
            return False
        if result.verdict is not None and result.verdict != self.review.verdict:
            self.verdicts.append(result.verdict.verdict)
            self.at_end = (result.state, dict(self.said))
        self.review = result
        return True

    @rule(
        who=st.sampled_from(sorted(PEOPLE)),
        decision=st.sampled_from([Decision.APPROVE] * 5 + [Decision.DENY]),
        version=st.integers(-1, 1),
        channel=st.sampled_from(["page", "cli", "api", "slack", "teams"]),
    )
    def vote(self, who: str, decision: Decision, version: int, channel: str) -> None:
        was = self.review
        ballot = Ballot(decision, was.request.version + version, "r")
        before = dict(self.said)
        self.said[who] = decision
        result = cast(was, PEOPLE[who], ballot, ROSTER, at=self.now, channel=channel)
        if not self.take(result):
            self.said = before
        else:
            assert version == 0
            assert who not in FORBIDDEN
            assert was.state in OPEN
            assert self.now < was.request.expires

    @rule(who=st.sampled_from(["a1", "a2"]))
    def approve(self, who: str) -> None:
        """The vote that brings lives further than chance would."""
        self.vote(who, Decision.APPROVE, 0, "page")

    @rule(who=st.sampled_from(sorted(PEOPLE)))
    def question(self, who: str) -> None:
        if self.take(ask(self.review, PEOPLE[who], "why?", ROSTER, version=self.review.request.version, at=self.now)):
            assert who not in FORBIDDEN

    @rule()
    def clarify(self) -> None:
        if self.take(answer(self.review, "so that", by="agent:x", at=self.now)):
            self.said.clear()

    @rule(step=st.sampled_from([1, 2, 0, -1]))
    def change(self, step: int) -> None:
        asked = self.review.request.version - self.review.answers  # as whoever asks counts
        newer = replace(self.review.request, version=asked + step)
        if self.take(revise(self.review, newer)):
            assert step > 0
            self.said.clear()

    @rule(minutes=st.sampled_from([0, 0, 0, 1, 14]))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @rule()
    def deadline(self) -> None:
        if self.take(expire(self.review, at=self.now)):
            assert self.now >= self.review.request.expires

    @rule()
    def publish(self) -> None:
        self.take(release(self.review))

    @precondition(lambda self: self.repeat is None)
    @rule()
    def ask_again(self) -> None:
        again = replace(self.review.request, request_id="again", version=1)
        folded = fold(Review(again), self.review)
        if isinstance(folded, Review):
            self.repeat = folded

    @precondition(lambda self: self.repeat is not None)
    @rule(who=st.sampled_from(sorted(PEOPLE)), decision=st.sampled_from(Decision))
    def vote_on_repeat(self, who: str, decision: Decision) -> None:
        assert self.repeat is not None
        if self.repeat.state in (State.REPEAT, State.FOLDED):
            ballot = Ballot(decision, self.repeat.request.version, "r")
            assert isinstance(cast(self.repeat, PEOPLE[who], ballot, ROSTER, at=self.now, channel="api"), Refused)

    @precondition(lambda self: self.repeat is not None)
    @rule(apart=st.booleans())
    def end_repeat(self, apart: bool) -> None:
        assert self.repeat is not None
        if apart and self.review.state in OPEN:
            unfolded = unfold(self.repeat)
            self.repeat = None if isinstance(unfolded, Review) else self.repeat
            return
        result = close_repeat(self.repeat, self.review)
        if isinstance(result, Review):
            assert self.review.verdict is not None
            self.repeat = result

    @invariant()
    def one_verdict(self) -> None:
        """At most one verdict, exactly one once it has ended, and it says what the state says."""
        if not hasattr(self, "review"):
            return
        assert len(self.verdicts) == (self.review.state in FINAL)
        assert (self.review.verdict is not None) == (self.review.state in FINAL)

    @invariant()
    def no_forbidden_approval(self) -> None:
        """An approval has its quorum of different people, none of whom takes part or is a stranger."""
        if not hasattr(self, "review") or self.at_end is None:
            return
        state, said = self.at_end
        verdict = self.review.verdict
        assert verdict is not None
        assert not FORBIDDEN & {vote.subject for vote in verdict.votes}
        if verdict.verdict is VerdictKind.APPROVED:
            yes = {who for who, decision in said.items() if decision is Decision.APPROVE}
            assert {vote.subject for vote in verdict.votes} == yes
            assert len(yes) >= self.quorum
            assert len(verdict.votes) == len(yes)
            assert Decision.DENY not in said.values()
        if verdict.verdict is VerdictKind.DENIED:
            assert Decision.DENY in said.values()
        assert verdict.released == (verdict.verdict is VerdictKind.APPROVED and self.review.request.held is not None)
        assert state in FINAL

    @invariant()
    def a_repeat_never_runs(self) -> None:
        """Whatever became of the first, the repeat's record is not released."""
        repeat = getattr(self, "repeat", None)
        if repeat is not None and repeat.verdict is not None:
            assert repeat.verdict.verdict is VerdictKind.FOLDED
            assert not repeat.verdict.released


Lives.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestLives = Lives.TestCase
