"""Who may vote, and when a verdict stands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from approval_makers import ADA, GRACE, LINUS, NOW, PEOPLE, needs, person, principal, request

from approvals import rights
from approvals.lifecycle import RefusalCode, Refused, Review, State
from approvals.person import Roster
from approvals.rights import conflict, counted, entitlement, may_vote, who_can
from approvals.votes import Ballot, ask, cast
from engine.ledger.model import (
    ActionKind,
    Decision,
    PrincipalRole,
    Requirement,
    Risk,
    VerdictKind,
)

YES, NO = Decision.APPROVE, Decision.DENY


def vote(review, who, decision=YES, *, version=1, reason="because", at=NOW + 1, people=PEOPLE):
    return cast(review, who, Ballot(decision, version, reason), people, at=at, channel="page")


def ok(result) -> Review:
    assert isinstance(result, Review), result
    return result


def code(result) -> RefusalCode:
    assert isinstance(result, Refused), result
    return result.code


@pytest.mark.parametrize("role", list(PrincipalRole))
@pytest.mark.parametrize("decision", list(Decision))
@pytest.mark.parametrize("channel", ["page", "cli", "api", "slack", "teams"])
def test_no_principal_decides(role, decision, channel):
    """Whoever takes part in an action, in whatever part, cannot approve or deny it by any channel."""
    asked = request(principals=(principal("agent:x"), principal("local:ada", role)))
    result = cast(Review(asked), ADA, Ballot(decision, 1, "r"), PEOPLE, at=NOW, channel=channel)
    assert code(result) is RefusalCode.CONFLICT


def test_the_conflict_names_the_part_played():
    """A refusal tells people what part they play, and comes before anything else that is wrong."""
    asked = request(principals=(principal("local:ada"),), requirement=needs(1, "local:nobody"))
    refusal = vote(Review(asked, State.DENIED), ADA, version=9)
    assert refusal == Refused(RefusalCode.CONFLICT, "you initiated this action, so you cannot decide on it")


@pytest.mark.parametrize(
    "canonical",
    [
        "email:ada@example.com",
        "email:ADA@Example.COM",
        "okta:ada@example.com",
        "aws:arn:aws:iam::123456789012:user/ada",
        "local:ADA",
        "k8s: ada ",
        "k8s:ａｄａ",
    ],
)
def test_a_conflict_is_found_generously(canonical):
    """Any identity counts, whatever the issuer, the case, the width or the blanks around it."""
    assert conflict(ADA, request(principals=(principal(canonical),))) is not None


@pytest.mark.parametrize("canonical", ["email:adam@example.com", "k8s:grace", "local:ad", "local:"])
def test_a_conflict_is_not_invented(canonical):
    """Somebody else with a similar name does not keep Ada from voting."""
    assert conflict(ADA, request(principals=(principal(canonical),))) is None


@pytest.mark.parametrize(
    ("requirement", "granted"),
    [
        (needs(1, "local:security"), "local:security"),
        (Requirement((), ("local:ada",), 1), "local:ada"),
        (Requirement((), ("email:ada@example.com",), 1), "email:ada@example.com"),
        (Requirement((), ("email:ADA@example.com",), 1), None),
        (Requirement((), ("okta:ada@example.com",), 1), None),
        (Requirement((), ("ada",), 1), None),
        (needs(1, "oidc:security"), None),
        (needs(1, "local:Security"), None),
        (needs(1, "security"), None),
        (Requirement((), (), 1), None),
    ],
)
def test_an_entitlement_is_matched_to_the_letter(requirement, granted):
    """A group or name of another issuer, or in another spelling, gives no right to vote."""
    assert entitlement(ADA, requirement) == granted


def test_one_approval_is_enough_for_a_quorum_of_one():
    """The verdict is for the version that was voted on, and says that the held record is released."""
    done = ok(vote(Review(request()), ADA))
    assert done.state is State.APPROVED
    assert done.verdict is not None
    assert done.verdict.verdict is VerdictKind.APPROVED
    assert done.verdict.released
    assert [v.subject for v in done.verdict.votes] == ["ada"]


@pytest.mark.parametrize("quorum", [0, -3])
def test_no_policy_makes_the_quorum_empty(quorum):
    """A quorum below one counts as one: nothing approves itself."""
    asked = request(requirement=needs(quorum))
    assert rights.quorum(asked) == 1
    assert Review(asked).verdict is None
    assert ok(vote(Review(asked), ADA)).state is State.APPROVED


def test_one_person_fills_one_seat():
    """Who votes twice, or is in two of the groups, still counts once."""
    twice = person("ada", groups=("local:security", "local:data"))
    review = Review(request(requirement=needs(2, "local:security", "local:data")))
    review = ok(vote(review, twice))
    review = ok(vote(review, twice, reason="again"))
    assert review.state is State.PENDING
    assert [v.reason for v in review.votes] == ["again"]
    assert ok(vote(review, LINUS)).state is State.APPROVED


def test_an_approval_can_become_a_denial_while_pending():
    """A changed vote replaces the earlier one; one denial denies."""
    review = ok(vote(Review(request(requirement=needs(2))), ADA))
    done = ok(vote(review, ADA, NO))
    assert done.verdict is not None
    assert done.verdict.verdict is VerdictKind.DENIED
    assert [v.decision for v in done.verdict.votes] == [NO]
    assert not done.verdict.released


def test_who_left_no_longer_counts():
    """The votes are counted against the people as they are when the last one is cast."""
    review = ok(vote(Review(request(requirement=needs(2))), ADA))
    without_ada = Roster([GRACE, LINUS])
    assert counted(review, without_ada, NOW) == ()
    assert ok(vote(review, GRACE, people=without_ada)).state is State.PENDING


def test_who_turns_out_to_take_part_no_longer_counts():
    """An identity that is learned later takes an earlier vote back."""
    asked = request(principals=(principal("github:lovelace"),), requirement=needs(2))
    review = ok(vote(Review(asked), ADA))
    known_better = Roster([person("ada", "github:lovelace"), GRACE])
    assert ok(vote(review, GRACE, people=known_better)).state is State.PENDING


def test_a_vote_for_another_version_is_refused_with_both():
    """A stale vote counts for nothing, and says which version it was for and which there is."""
    refusal = vote(Review(request(version=3)), ADA, version=2)
    assert code(refusal) is RefusalCode.STALE
    assert (refusal.version, refusal.current) == (2, 3)


@pytest.mark.parametrize("at", [0, 1])
def test_nobody_votes_at_or_after_the_deadline(at):
    """Silence has denied by then, even if nobody has written it down yet."""
    asked = request()
    assert code(vote(Review(asked), ADA, at=asked.expires + at)) is RefusalCode.DEADLINE_PASSED
    assert ok(vote(Review(asked), ADA, at=asked.expires - 1)).state is State.APPROVED


@pytest.mark.parametrize("state", [State.APPROVED, State.RELEASED, State.DENIED, State.EXPIRED, State.FOLDED])
def test_nobody_votes_on_what_has_ended(state):
    """There is one verdict, and it stays."""
    assert code(vote(Review(request(), state), ADA)) is RefusalCode.DECIDED


def test_nobody_votes_on_a_repeat():
    """The first request decides for its repeats."""
    assert code(vote(Review(request(), State.REPEAT), ADA)) is RefusalCode.REPEAT


def test_a_question_stops_approvals_and_not_denials():
    """While a clarification is awaited only a denial counts."""
    waiting = ok(ask(Review(request()), ADA, "why?", PEOPLE, version=1, at=NOW))
    assert code(vote(waiting, GRACE)) is RefusalCode.WRONG_STATE
    assert ok(vote(waiting, GRACE, NO)).state is State.DENIED


def test_only_who_could_vote_may_ask():
    """A principal cannot stall their own request with questions, nor can a bystander."""
    mine = Review(request(principals=(principal("local:ada"),)))
    assert code(ask(mine, ADA, "why?", PEOPLE, version=1, at=NOW)) is RefusalCode.CONFLICT
    assert code(ask(Review(request()), LINUS, "why?", PEOPLE, version=1, at=NOW)) is RefusalCode.NOT_ENTITLED


@pytest.mark.parametrize(
    ("decision", "risk", "needed"),
    [
        (NO, Risk.LOW, True),
        (NO, Risk.CRITICAL, True),
        (YES, Risk.LOW, False),
        (YES, Risk.MEDIUM, False),
        (YES, Risk.HIGH, True),
        (YES, Risk.CRITICAL, True),
    ],
)
@pytest.mark.parametrize("blank", ["", "  \n"])
def test_where_a_reason_is_required(decision, risk, needed, blank):
    """Every denial and every approval at high or critical risk says why."""
    result = vote(Review(request(risk=risk)), ADA, decision, reason=blank)
    assert (isinstance(result, Refused) and result.code is RefusalCode.REASON_REQUIRED) is needed


def test_a_reason_has_a_length():
    """A reason beyond the limit is refused, not cut."""
    assert code(vote(Review(request()), ADA, reason="x" * 2001)) is RefusalCode.REASON_TOO_LONG


def test_a_fact_is_acknowledged_or_flagged_and_releases_nothing():
    """An after-review has no held record: its verdict never says released."""
    for decision, kind in ((YES, VerdictKind.APPROVED), (NO, VerdictKind.DENIED)):
        done = ok(vote(Review(request(kind=ActionKind.FACT)), ADA, decision))
        assert done.verdict is not None
        assert done.verdict.verdict is kind
        assert not done.verdict.released


def test_who_can_decide_has_an_answer_for_everybody():
    """Each person stands with whether they can, and why or why not; those who can come first."""
    asked = request(principals=(principal("agent:x"), principal("k8s:grace", PrincipalRole.OWNER)))
    answers = [(s.person.id, s.can, s.why) for s in who_can(asked, PEOPLE, NOW)]
    assert answers == [
        ("ada", True, "is in local:security"),
        ("grace", False, "owns the agent that asks"),
        ("linus", False, "is not in local:security"),
    ]


def test_who_can_agrees_with_what_happens():
    """Whoever is said to be able can vote, and nobody else."""
    for asked in (
        request(),
        request(requirement=Requirement((), ("local:linus",), 1)),
        request(principals=(principal("k8s:linus"), principal("local:ada"))),
        replace(request(), requirement=Requirement((), (), 1)),
    ):
        for standing in who_can(asked, PEOPLE, NOW):
            assert standing.can is (may_vote(standing.person, asked, PEOPLE, NOW) is None)
            assert standing.can is isinstance(vote(Review(asked), standing.person), Review)
