"""Whatever the policy asks for and in whatever order things happen: no approval that the rules forbid, one verdict.

The core and the database are driven side by side and must say the same. What an approval needs is worked out here a
second time, by trying every way to seat the voters.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from approval_makers import APPROVALS, DECISIONS, MINUTE, NOW, person, principal, request
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from approvals import lifecycle
from approvals.lifecycle import FINAL, OPEN, Refused, Review, State
from approvals.person import Delegation, Identity, Roster
from approvals.store import Arrival, Store
from approvals.votes import Ballot, answer, ask, cast, withdraw
from engine.ledger.codec import decode
from engine.ledger.model import (
    Decision,
    PrincipalRole,
    Requirement,
    Seat,
    Step,
    Verdict,
    VerdictKind,
)
from engine.records import Position

YES, NO = Decision.APPROVE, Decision.DENY
LATER = NOW + 10 * MINUTE
A, B, ALL = ("local:a",), ("local:b",), ("local:a", "local:b", "local:c", "local:glass")
CROWD = [
    person("a1", groups=A),
    person("a2", groups=A),
    person("b1", groups=B),
    person("ab", groups=A + B),
    person("c1", groups=("local:c",)),
    person("glass", groups=("local:glass",)),
    person("temp", groups=(), acts_for=(Delegation(Identity("local", "a1"), LATER),)),
    person("both", groups=B, acts_for=(Delegation(Identity("local", "a2"), LATER, frozenset(A)),)),
    person("admin", groups=ALL, acts_for=(Delegation(Identity("local", "owner"), NOW * 2),)),  # for a party
    person("maker", "agent:etl-7", groups=ALL),
    person("owner", groups=ALL),
    person("gainer", "aws:eve", groups=ALL),
    person("stranger", groups=("okta:a",)),
]
PEOPLE = Roster(CROWD)
PARTIES = {"admin", "maker", "owner", "gainer"}
AGENT = Identity("agent", "etl-7")
PRINCIPALS = (
    principal("agent:etl-7"),
    principal("local:owner", PrincipalRole.OWNER),
    principal("aws:EVE", PrincipalRole.BENEFICIARY),
)
names = st.sampled_from(sorted(p.id for p in CROWD))
requirements = st.builds(
    Requirement,
    st.just(()),
    st.just(()),
    st.integers(1, 2),
    seats=st.sampled_from([(Seat("a", A), Seat("b", B)), (Seat("x", A), Seat("y", A)), (Seat("any", A + B),) * 3]),
    denials=st.integers(1, 2),
    steps=st.sampled_from([(), (Step(3 * MINUTE, ("local:c",)), Step(6 * MINUTE, (), ("local:stranger",), fallback=True))]),
    break_glass=st.sampled_from([None, Seat("break-glass", ("local:glass",))]),
)  # fmt: skip


def can_be_seated(review: Review, voters: list[str], at: int) -> int:
    """How many seats ``voters`` can fill, by trying everything: one seat a person, one use of a right."""
    asked = review.request.requirement
    steps = [s for s in asked.steps if review.request.created + s.after <= at]
    said = {v.subject: v for v in review.votes}

    def fits(holder: str, seat: Seat, only: frozenset[str]) -> bool:
        groups = PEOPLE[Identity("local", holder)].groups
        groups = groups & only if only else groups
        return any(
            groups & set(pool.groups) or (not only and f"local:{holder}" in pool.people) for pool in (seat, *steps)
        )

    def ways(voter: str) -> list[tuple[int, str]]:
        one, cast_for = PEOPLE[Identity("local", voter)], said[voter].acting_for
        lent = {str(d.lender): d for d in one.acts_for if d.until > at}
        if not cast_for:
            return [(n, voter) for n, seat in enumerate(asked.seats) if fits(voter, seat, frozenset())]
        holder = cast_for.removeprefix("local:")
        if cast_for not in lent or holder in said:
            return []
        return [(n, holder) for n, seat in enumerate(asked.seats) if fits(holder, seat, lent[cast_for].groups)]

    def most(left: list[str], seats: frozenset[int], holders: frozenset[str]) -> int:
        if not left:
            return 0
        found = [most(left[1:], seats, holders)]
        found += [
            1 + most(left[1:], seats | {seat}, holders | {holder})
            for seat, holder in ways(left[0])
            if seat not in seats and holder not in holders
        ]
        return max(found)

    return most(voters, frozenset(), frozenset())


class Orders(RuleBasedStateMachine):
    """One request, under some policy; everybody tries everything at some time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "approvals.db", decisions={APPROVALS: DECISIONS})
        self.now = NOW
        self.ends = 0

    def teardown(self) -> None:
        told = [decode(r.value) for _, rows in self.store.outbox(after=0) for r in rows if r.topic == DECISIONS]
        verdicts = [one for one in told if isinstance(one, Verdict)]
        assert len(verdicts) == self.ends == (self.review.state in FINAL)
        self.store.close()
        self.folder.cleanup()

    @initialize(requirement=requirements)
    def begin(self, requirement: Requirement) -> None:
        asked = request("r", requirement=requirement, principals=PRINCIPALS, expires=NOW + 20 * MINUTE)
        self.review = Review(asked)
        self.store.ingest([Arrival(Position(APPROVALS, 0, 0), asked)], at=NOW)

    def take(self, pure: Review | Refused, stored: Review | Refused) -> bool:
        """Whether it happened; the core and the store agree on that, and on what came of it."""
        if isinstance(pure, Refused):
            assert pure == stored
            return False
        assert isinstance(stored, Review)
        was, self.review = self.review, pure
        if pure.state in FINAL:
            assert was.state in OPEN
            self.ends += 1
        return True

    @rule(who=names, decision=st.sampled_from([YES, YES, YES, NO]), stale=st.sampled_from([0, 0, 0, 0, -1, 1]))
    def vote(self, who: str, decision: Decision, stale: int) -> None:
        self.cast(who, Ballot(decision, self.review.request.version + stale, "because"))

    @rule(
        who=st.sampled_from(["glass", "glass", "a1", "temp", "maker", "owner", "admin"]),
        decision=st.sampled_from(Decision),
    )
    def break_glass(self, who: str, decision: Decision) -> None:
        self.cast(who, Ballot(decision, self.review.request.version, "prod is down", break_glass=True))

    def cast(self, who: str, ballot: Ballot) -> None:
        voter, was = PEOPLE[Identity("local", who)], self.review
        pure = cast(was, voter, ballot, PEOPLE, at=self.now, channel="page")
        stored = self.store.vote("r", voter, ballot, PEOPLE, at=self.now, channel="page")
        if not self.take(pure, stored):
            return
        assert who not in PARTIES
        assert (ballot.version, was.state in OPEN, self.now < was.request.expires) == (was.request.version, True, True)
        yes = [v.subject for v in self.review.votes if v.decision is YES]
        no = [v.subject for v in self.review.votes if v.decision is NO]
        asked = was.request.requirement
        if ballot.break_glass:
            assert (who, asked.break_glass is not None, was.state) == ("glass", True, State.PENDING)
            assert self.review.verdict is not None
            assert self.review.verdict.break_glass
        elif self.review.state is State.APPROVED:
            assert can_be_seated(self.review, yes, self.now) >= asked.quorum
            assert was.state is State.PENDING
        elif ballot.decision is YES:
            assert can_be_seated(self.review, yes, self.now) < asked.quorum
        else:
            assert (self.review.state is State.DENIED) == (len(no) >= asked.denials)

    @rule(who=names)
    def ask(self, who: str) -> None:
        voter, version = PEOPLE[Identity("local", who)], self.review.request.version
        pure = ask(self.review, voter, "why?", PEOPLE, version=version, at=self.now)
        stored = self.store.ask("r", voter, "why?", PEOPLE, version=version, at=self.now, channel="page")
        if self.take(pure, stored):
            assert who not in PARTIES

    @rule(by=st.sampled_from([AGENT, Identity("agent", "other")]), speak=st.booleans())
    def speak(self, by: Identity, speak: bool) -> None:
        version = self.review.request.version
        if speak:
            pure = answer(self.review, by, "so", PEOPLE, version=version, at=self.now)
            stored = self.store.answer("r", by, "so", PEOPLE, version=version, at=self.now, channel="api")
            if self.take(pure, stored):
                assert (self.review.votes, self.review.request.version) == ((), version + 1)
                assert by == AGENT

    @rule(sure=st.integers(0, 9))
    def withdraw(self, sure: int) -> None:
        if sure == 0:
            pure = withdraw(self.review, AGENT, "", PEOPLE, at=self.now)
            self.take(pure, self.store.withdraw("r", AGENT, "", PEOPLE, at=self.now, channel="api"))

    @rule(step=st.sampled_from([0, 1, 1]))
    def change(self, step: int) -> None:
        version = self.review.request.version - self.review.answers + step
        newer = replace(self.review.request, version=version, resource=f"other {self.now}")
        before = self.review.request.version
        pure = lifecycle.revise(self.review, newer)
        fresh = self.store.ingest([Arrival(Position(APPROVALS, 0, self.ends + self.now), newer)], at=self.now)
        assert fresh == isinstance(pure, Review)
        if isinstance(pure, Review):
            self.review = pure
            assert (pure.votes, pure.request.version > before) == ((), True)
        self.now += 1

    @rule(minutes=st.sampled_from([0, 0, 1, 3, 9]))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE
        pure = lifecycle.escalate(self.review, at=self.now)
        assert self.store.escalate_due(at=self.now) == (
            pure.escalated - self.review.escalated if isinstance(pure, Review) else 0
        )
        self.review = pure if isinstance(pure, Review) else self.review
        ended = lifecycle.expire(self.review, at=self.now)
        assert self.store.expire_due(at=self.now) == isinstance(ended, Review)
        if isinstance(ended, Review):
            self.review = ended
            self.ends += 1
            assert self.now >= ended.request.expires

    @invariant()
    def they_agree(self) -> None:
        """The database says what the core says, and there is a verdict where it has ended."""
        if hasattr(self, "review"):
            listed = self.store.get("r")
            assert listed is not None
            assert listed.review == self.review
            assert (self.review.verdict is not None) == (self.review.state in FINAL) == (self.ends == 1)
            verdict = self.review.verdict
            if verdict is not None:
                assert not PARTIES & {v.subject for v in verdict.votes}
                assert verdict.released == (verdict.verdict is VerdictKind.APPROVED)


Orders.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestOrders = Orders.TestCase
