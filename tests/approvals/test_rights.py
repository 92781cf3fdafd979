"""Seats, escalation, hours, delegation and broken glass: who may decide by them, and who still may not."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from approval_makers import ADA, GRACE, LINUS, MINUTE, NOW, needs, person, principal, request
from hypothesis import given
from hypothesis import strategies as st

from approvals.after_review import DUE_MS, after_review
from approvals.lifecycle import RefusalCode, Refused, Review, State, escalate
from approvals.person import Delegation, Identity, Roster
from approvals.rights import may_break_glass, may_vote, taken, who_can
from approvals.seating import Offer, seated
from approvals.votes import Ballot, answer, ask, cast, withdraw
from engine.ledger.model import (
    ActionKind,
    Decision,
    PrincipalRole,
    Requirement,
    Risk,
    Seat,
    Step,
    VerdictKind,
    Window,
)

YES, NO = Decision.APPROVE, Decision.DENY
MINA = person("mina", groups=("local:managers",))
OTTO = person("otto", groups=("local:incident",))
BOTH = person("both", groups=("local:security", "local:data"))
TEMP = person("temp", groups=(), acts_for=(Delegation(ADA.identity, NOW + 60 * MINUTE),))
PEOPLE = Roster([ADA, GRACE, LINUS, MINA, OTTO, BOTH, TEMP])
SEATS = (Seat("security", ("local:security",)), Seat("data", ("local:data",)))
TWO_SEATS = Requirement((), (), 2, seats=SEATS)


def vote(review, who, decision=YES, *, at=NOW + 1, people=PEOPLE, reason="because", glass=False):
    ballot = Ballot(decision, review.request.version, reason, glass)
    return cast(review, who, ballot, people, at=at, channel="page")


def ok(result) -> Review:
    assert isinstance(result, Review), result
    return result


def code(result) -> RefusalCode:
    assert isinstance(result, Refused), result
    return result.code


def names(review, at=NOW + 2):
    return [(one.seat, one.vote and one.vote.subject) for one in taken(review, PEOPLE, at)]


# --- Seats --------------------------------------------------------------------------------------------------


def test_each_seat_takes_another_person():
    """Who could take either seat takes the one that nobody else can; alone, they fill one."""
    review = ok(vote(Review(request(requirement=TWO_SEATS)), BOTH))
    assert review.state is State.PENDING
    assert names(review) == [("security", "both"), ("data", None)]
    review = ok(vote(review, ADA))
    assert review.state is State.APPROVED
    assert names(review) == [("security", "ada"), ("data", "both")]
    assert [v.right for v in review.votes] == ["local:security", "local:security"]


def test_two_of_one_group_do_not_fill_the_others_seat():
    """Approvals that no seat is left for do not count, however many there are."""
    review = ok(vote(ok(vote(Review(request(requirement=TWO_SEATS)), ADA)), GRACE))
    assert review.state is State.PENDING
    assert ok(vote(review, LINUS)).state is State.APPROVED


def test_a_quorum_of_the_seats():
    """Where one of two seats is enough, one is."""
    assert ok(vote(Review(request(requirement=replace(TWO_SEATS, quorum=1))), LINUS)).state is State.APPROVED


who = st.integers(0, 4).map(lambda n: Identity("local", f"p{n}"))
offers = st.lists(
    st.builds(Offer, who, who, st.lists(st.integers(0, 3), max_size=4, unique=True).map(tuple)),
    max_size=6,
    unique_by=lambda offer: offer.voter,
)


@given(offers)
def test_as_many_seats_as_can_be_are_filled(offers):
    """As many as trying everything finds; one person to a seat, one right used once, by who may."""

    def most(left, seats, holders):
        if not left:
            return 0
        one, *rest = left
        ways = [most(rest, seats, holders)]
        if one.holder not in holders:
            ways += [1 + most(rest, seats | {s}, holders | {one.holder}) for s in one.seats if s not in seats]
        return max(ways)

    found = seated(offers)
    assert len(found) == most(offers, frozenset(), frozenset())
    by_voter = {offer.voter: offer for offer in offers}
    assert all(seat in by_voter[voter].seats for seat, voter in found.items())
    assert len({by_voter[voter].holder for voter in found.values()}) == len(found)


@pytest.mark.parametrize("order", list(permutations([ADA, BOTH, LINUS])))
def test_the_order_of_votes_does_not_matter(order):
    """Three seats are filled whoever comes first."""
    seats = (*SEATS, Seat("either", ("local:security", "local:data")))
    review = Review(request(requirement=Requirement((), (), 3, seats=seats)))
    for who in order:
        review = ok(vote(review, who))
    assert review.state is State.APPROVED


# --- Denials, hours, escalation -----------------------------------------------------------------------------


def test_a_threshold_of_denials():
    """Fewer denials than the policy asks for leave it open, and do not count as approvals."""
    review = Review(request(requirement=replace(needs(2), denials=2)))
    review = ok(vote(review, ADA, NO))
    assert review.state is State.PENDING
    review = ok(vote(review, GRACE))
    assert review.state is State.PENDING
    assert ok(vote(review, GRACE, NO)).state is State.DENIED


def test_an_approval_waits_for_its_hours_and_a_denial_does_not():
    """NOW is a Sunday: what is approved on workdays only can be denied all the same."""
    hours = (Window(("mon", "tue", "wed", "thu", "fri"), 9 * 60, 18 * 60, "Europe/Berlin"),)
    asked = request(requirement=replace(needs(1), hours=hours))
    assert code(vote(Review(asked), ADA)) is RefusalCode.OUTSIDE_HOURS
    assert ok(vote(Review(asked), ADA, NO)).state is State.DENIED
    assert "outside the hours" in who_can(asked, PEOPLE, NOW)[0].why
    unknown = replace(asked, requirement=replace(needs(1), hours=(Window(("sun",), 0, 1440, "Nowhere/Else"),)))
    assert code(vote(Review(unknown), ADA)) is RefusalCode.OUTSIDE_HOURS


STEPS = (Step(5 * MINUTE, ("local:managers",)), Step(10 * MINUTE, (), ("local:otto",), fallback=True))


def test_escalation_asks_others_after_a_time():
    """Not before it, and they are told from when on."""
    asked = request(requirement=replace(needs(1), steps=STEPS))
    early = vote(Review(asked), MINA)
    assert early == Refused(
        RefusalCode.NOT_ENTITLED, "you are asked from 2026-11-22 06:45 UTC on, if nobody has decided until then"
    )
    assert code(vote(Review(asked), OTTO, at=NOW + 5 * MINUTE)) is RefusalCode.NOT_ENTITLED
    assert ok(vote(Review(asked), MINA, at=NOW + 5 * MINUTE)).state is State.APPROVED
    assert ok(vote(Review(asked), OTTO, at=NOW + 10 * MINUTE)).state is State.APPROVED
    assert [s.person.id for s in who_can(asked, PEOPLE, NOW + 10 * MINUTE) if s.can] == [
        "ada", "both", "grace", "mina", "otto", "temp",
    ]  # fmt: skip


def test_each_step_is_told_once():
    """A step is taken at its time; who comes late tells all that are due."""
    review = Review(request(requirement=replace(needs(1), steps=STEPS)))
    assert code(escalate(review, at=NOW + 5 * MINUTE - 1)) is RefusalCode.TOO_EARLY
    first = escalate(review, at=NOW + 5 * MINUTE)
    assert ok(first).escalated == 1
    assert code(escalate(ok(first), at=NOW + 5 * MINUTE)) is RefusalCode.TOO_EARLY
    assert ok(escalate(review, at=NOW + 11 * MINUTE)).escalated == 2


# --- Delegation ---------------------------------------------------------------------------------------------


def test_a_delegate_acts_until_the_end():
    """The vote says whose right it used; after the end there is none, and an earlier vote counts no more."""
    review = ok(vote(Review(request(requirement=needs(2))), TEMP))
    assert (review.votes[0].right, review.votes[0].acting_for) == ("local:security", "local:ada")
    asked = replace(review.request, expires=NOW + 120 * MINUTE)
    late = NOW + 60 * MINUTE
    assert code(vote(Review(asked), TEMP, at=late)) is RefusalCode.NOT_ENTITLED
    assert ok(vote(replace(review, request=asked), GRACE, at=late)).state is State.PENDING


def test_a_right_is_used_once():
    """Who lends a right and votes as well fills one seat with it, whoever comes first."""
    for first, second in ((ADA, TEMP), (TEMP, ADA)):
        review = ok(vote(ok(vote(Review(request(requirement=needs(2))), first)), second))
        assert review.state is State.PENDING
        assert ok(vote(review, GRACE)).state is State.APPROVED


def test_only_what_was_lent():
    """A delegation of one group gives nothing else, and no right to lend on."""
    lender = person("lender", groups=("local:security", "local:data"))
    some = person("some", groups=(), acts_for=(Delegation(lender.identity, NOW * 2, frozenset({"local:data"})),))
    further = person("further", groups=(), acts_for=(Delegation(some.identity, NOW * 2),))
    people = Roster([lender, some, further])
    assert may_vote(some, request(requirement=needs(1, "local:data")), people, NOW) is None
    for who, group in ((some, "local:security"), (further, "local:data")):
        assert code(may_vote(who, request(requirement=needs(1, group)), people, NOW)) is RefusalCode.NOT_ENTITLED


def test_a_delegate_of_a_party_is_a_party():
    """Even by a right of their own, and even if the one who lent it is gone from the people."""
    own = replace(TEMP, groups=frozenset({"local:security"}))
    asked = request(principals=(principal("local:ada"),))
    for people in (PEOPLE, Roster([own])):
        assert code(vote(Review(asked), own, people=people)) is RefusalCode.CONFLICT
    standing = {s.person.id: s for s in who_can(asked, Roster([ADA, own]), NOW)}
    assert (standing["temp"].can, standing["temp"].why) == (False, "acts for local:ada, who takes part in it")


# --- Whom it is for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["ada", "local:ada", "arn:aws:iam::123456789012:user/ada", "users/ADA"])
def test_nobody_grants_rights_to_themselves(target):
    """Where the target of the action is a person, that person does not decide."""
    assert code(vote(Review(request(resource=target)), ADA)) is RefusalCode.CONFLICT
    assert ok(vote(Review(request(resource=target)), GRACE)).state is State.APPROVED


def test_a_beneficiary_is_a_party():
    """So is whoever the record names as the one a grant is for."""
    asked = request(principals=(principal("agent:x"), principal("aws:ada", PrincipalRole.BENEFICIARY)))
    assert vote(Review(asked), ADA) == Refused(
        RefusalCode.CONFLICT, "you are the one it is for, so you cannot decide on it"
    )


# --- Broken glass -------------------------------------------------------------------------------------------

GLASS = replace(needs(2), break_glass=Seat("break-glass", ("local:incident",)))


def test_breaking_the_glass_needs_its_own_permission_and_a_reason():
    """Neither those who are asked, nor a delegate, nor one without a reason, nor somebody with a denial."""
    asked = request(requirement=GLASS)
    lent = person("lent", groups=(), acts_for=(Delegation(OTTO.identity, NOW * 2),))
    people = Roster([*PEOPLE.values(), lent])
    for who in (ADA, lent):
        assert code(vote(Review(asked), who, glass=True, people=people)) is RefusalCode.NOT_ENTITLED
    assert code(vote(Review(asked), OTTO, glass=True, reason=" ")) is RefusalCode.REASON_REQUIRED
    assert code(vote(Review(asked), OTTO, NO, glass=True)) is RefusalCode.WRONG_STATE
    assert code(vote(Review(request(requirement=needs(1))), OTTO, glass=True)) is RefusalCode.NOT_ENTITLED
    assert code(vote(Review(asked), OTTO)) is RefusalCode.NOT_ENTITLED
    done = ok(vote(Review(asked), OTTO, glass=True))
    assert done.verdict is not None
    assert (done.state, done.verdict.break_glass, done.votes[0].break_glass) == (State.APPROVED, True, True)


@pytest.mark.parametrize("role", list(PrincipalRole))
def test_no_party_breaks_the_glass(role):
    """Whatever permission they have."""
    asked = request(requirement=GLASS, principals=(principal("agent:x"), principal("local:otto", role)))
    assert code(vote(Review(asked), OTTO, glass=True)) is RefusalCode.CONFLICT
    assert code(may_break_glass(OTTO, asked, PEOPLE, NOW)) is RefusalCode.CONFLICT


def test_what_has_happened_needs_no_emergency():
    """A fact cannot be let through any more."""
    asked = request(requirement=GLASS, kind=ActionKind.FACT)
    assert code(vote(Review(asked), OTTO, glass=True)) is RefusalCode.WRONG_STATE


def test_a_broken_glass_is_reviewed_afterwards():
    """By those who would have been asked, and never by who broke it."""
    asked = request(requirement=replace(GLASS, groups=("local:security", "local:incident")))
    done = ok(vote(Review(asked), OTTO, glass=True, reason="prod is down"))
    after = after_review(done, NOW + 1)
    assert (after.kind, after.held, after.review_of, after.expires) == (
        ActionKind.FACT, None, asked.request_id, NOW + 1 + DUE_MS,
    )  # fmt: skip
    assert after.request_id != asked.request_id
    assert code(vote(Review(after), OTTO)) is RefusalCode.CONFLICT
    assert code(vote(Review(after), OTTO, glass=True)) is RefusalCode.CONFLICT
    assert ok(vote(ok(vote(Review(after), ADA)), GRACE)).state is State.APPROVED


# --- Asking, answering, taking back -------------------------------------------------------------------------

ETL = Identity("agent", "etl-7")


def test_an_answer_changes_what_was_shown():
    """The version goes up, the votes are void, a stale vote is told both versions, the digest covers the answer."""
    review = ok(vote(Review(request(requirement=needs(2))), ADA))
    asked = ok(ask(review, GRACE, "which customers?", PEOPLE, version=1, at=NOW + 2))
    assert code(vote(asked, LINUS, NO)) is RefusalCode.NOT_ENTITLED
    assert code(vote(asked, GRACE)) is RefusalCode.WRONG_STATE
    told = ok(answer(asked, ETL, "those of 2019", PEOPLE, version=1, at=NOW + 3))
    assert (told.request.version, told.votes, told.state) == (2, (), State.PENDING)
    assert told.request.view_digest != review.request.view_digest
    assert told.request.binding == review.request.binding
    stale = cast(told, ADA, Ballot(YES, 1), PEOPLE, at=NOW + 4, channel="page")
    assert isinstance(stale, Refused)
    assert (stale.code, stale.version, stale.current) == (RefusalCode.STALE, 1, 2)
    one = told.clarifications[0]
    assert (one.version, one.question, one.asked_by, one.answer, one.answered_by) == (
        1, "which customers?", "local:grace", "those of 2019", "agent:etl-7",
    )  # fmt: skip


def test_only_a_party_speaks_for_an_action():
    """Whoever would decide on it does not answer for it, if a party to it is known here; a stranger never does."""
    principals = (principal("agent:x"), principal("local:linus", PrincipalRole.OWNER))
    asked = ok(ask(Review(request(principals=principals)), ADA, "why?", PEOPLE, version=1, at=NOW))
    for who in (ADA, MINA, Identity("agent", "y")):
        assert code(answer(asked, who, "so", PEOPLE, version=1, at=NOW)) is RefusalCode.NOT_ENTITLED
        assert code(withdraw(asked, who, "", PEOPLE, at=NOW)) is RefusalCode.NOT_ENTITLED
    assert ok(answer(asked, LINUS, "so", PEOPLE, version=1, at=NOW)).state is State.PENDING
    done = ok(withdraw(asked, LINUS, "not needed", PEOPLE, at=NOW))
    assert done.verdict is not None
    assert (done.state, done.verdict.verdict, done.verdict.released) == (
        State.WITHDRAWN, VerdictKind.WITHDRAWN, False,
    )  # fmt: skip
    assert code(vote(done, ADA)) is RefusalCode.DECIDED


@pytest.mark.parametrize("text", ["", "  \n", "x" * 2_001])
def test_a_question_and_an_answer_have_words(text):
    """Nothing at all is neither; nor is a novel."""
    asked = request(risk=Risk.HIGH)
    assert code(ask(Review(asked), ADA, text, PEOPLE, version=1, at=NOW)) in (
        RefusalCode.REASON_REQUIRED, RefusalCode.REASON_TOO_LONG,
    )  # fmt: skip
    waiting = ok(ask(Review(asked), ADA, "why?", PEOPLE, version=1, at=NOW))
    assert isinstance(answer(waiting, ETL, text, PEOPLE, version=1, at=NOW), Refused)
