"""The gate from end to end: real clients, real HTTP, a real log."""

from __future__ import annotations

import json

import pytest
from approval_makers import SANITIZED
from gate_site import Aside, GateSite, until
from sluicegate_client import (
    Approval,
    ClarificationAsked,
    Denied,
    Expired,
    Principal,
    Question,
    Refused,
    Repeated,
    TokenRejected,
    Undecided,
    Waiting,
    Withdrawn,
    verify,
)

from approvals.person import Identity
from engine.ledger.model import PrincipalRole

ON_BOTH = pytest.mark.parametrize("url", ["embedded", "kafka"], indirect=True)
EXPORT = ("db.export", "warehouse/customers", {"rows": 41000, "to": "jane@example.com"})


@ON_BOTH
def test_an_agent_waits_until_a_person_approves(site: GateSite) -> None:
    """The block begins once somebody has approved, the approval is used up by then, and the log tells all of it."""
    gate = site.gate()
    ran = []

    def work() -> str:
        with gate.require(*EXPORT, reason="weekly report") as approval:
            ran.append(approval)
        return approval.request_id

    waiting = Aside(work)
    request_id = site.one_waits()
    assert not ran
    assert site.vote(request_id).status_code == 200
    assert waiting.result() == request_id
    assert ran[0].by == "people"
    assert [event for event, _, _ in site.events()] == ["received", "vote approve", "approved", "redeemed"]
    (released,) = site.log(SANITIZED)
    assert json.loads(released.value)["action"] == "db.export"


def test_what_the_policy_does_not_ask_about_runs_at_once(site: GateSite) -> None:
    """And is told to the log, with what was redacted from it."""
    with site.gate().require("db.read", "jane@example.com", {"rows": 1}) as approval:
        pass
    assert approval.by == "policy"
    (allowed, redeemed) = site.events()
    assert (allowed[0], redeemed[0]) == ("gate allowed", "redeemed")
    assert "jane" not in allowed[2]


def test_what_the_policy_denies_never_runs(site: GateSite) -> None:
    """The reason is the policy's."""
    with pytest.raises(Denied, match="Nobody wipes"), site.gate().require("db.wipe", "warehouse"):
        pytest.fail("it ran")
    assert [event for event, _, _ in site.events()] == ["gate denied"]


def test_what_no_rule_names_never_runs(site: GateSite) -> None:
    """Nobody has said that it may: a misspelt name is no way around the people who would be asked."""
    with pytest.raises(Denied, match="no rule of the policy allows"), site.gate().require("db.exprot", "warehouse"):
        pytest.fail("it ran")
    assert [event for event, _, _ in site.events()] == ["gate denied"]


def test_a_denial_stops_the_block(site: GateSite) -> None:
    """With the reviewer's reason."""

    def work() -> None:
        with gate.require(*EXPORT):
            pytest.fail("it ran")

    gate = site.gate()
    waiting = Aside(work)
    site.vote(site.one_waits(), "deny")
    with pytest.raises(Denied, match="as agreed"):
        waiting.result()


def test_silence_is_a_denial(site: GateSite) -> None:
    """Who waits without a limit is told when the request's own deadline has passed."""
    with pytest.raises(Expired), site.gate().require("db.quick", "warehouse"):
        pytest.fail("it ran")


def test_a_reviewer_sees_no_raw_value(site: GateSite) -> None:
    """Nor does the database or the log: parameters are sanitized, and bound by keyed digests."""
    pending = site.gate().submit(*EXPORT, reason="for jane@example.com")
    site.arrived(pending.request_id)
    request = site.request(pending.request_id)
    assert json.loads(request.params) == {"rows": 41000, "to": "[EMAIL_ADDRESS]"}
    assert [r.entity for r in request.redactions] == ["EMAIL_ADDRESS"] * 2
    files = b"".join(file.read_bytes() for file in site.folder.iterdir())
    assert b"jane@example" not in files
    assert b"41000" in files


def test_a_clarification_comes_to_the_agent_as_a_value(site: GateSite) -> None:
    """It answers, votes from before are void, and it waits on for those on the new version."""
    pending = site.gate().submit(*EXPORT)
    site.ask(pending.request_id, "Why so many?")
    asked = pending.wait()
    assert asked == Question(pending.request_id, 1, "Why so many?")
    assert isinstance(pending.answer("It is the yearly report."), Waiting)
    assert site.vote(pending.request_id, version=1).status_code == 409
    assert site.vote(pending.request_id, version=2).status_code == 200
    assert isinstance(pending.wait(), Approval)


def test_a_question_without_anybody_to_answer_it_stops_the_block(site: GateSite) -> None:
    """With ``on_question`` it is answered, without it `ClarificationAsked` carries it, and it can be answered later."""
    gate = site.gate()

    def work(**more: object) -> str:
        with gate.require(*EXPORT, idempotency_key="once", **more) as approval:  # type: ignore[arg-type]
            return approval.request_id

    waiting = Aside(work)
    request_id = site.one_waits()
    site.ask(request_id, "Why?")
    with pytest.raises(ClarificationAsked, match=r"Why\?"):
        waiting.result()
    again = Aside(lambda: work(on_question=lambda question: f"{question.text} Because."))
    until(lambda: site.request(request_id).version == 2)
    site.vote(request_id, version=2)
    assert again.result() == request_id


def test_others_can_answer_for_the_agent(site: GateSite) -> None:
    """Who waits through questions is told of the decision only."""
    pending = site.gate(owner=Identity("local", "bob")).submit(*EXPORT)
    waiting = Aside(lambda: pending.wait(through_questions=True))
    site.ask(pending.request_id, "Why?")
    bob = site.server.service.people[Identity("local", "bob")]
    site.server.service.answer(pending.request_id, bob, "Because.", version=1, channel="page")
    site.vote(pending.request_id, version=2)
    assert isinstance(waiting.result(), Approval)


def test_a_program_that_was_started_again_finds_its_request(site: GateSite) -> None:
    """The same key is the same request and the same token, and never a second run."""
    gate = site.gate()
    first = gate.submit(*EXPORT, idempotency_key="nightly-2026-11-30")
    again = gate.submit(*EXPORT, idempotency_key="nightly-2026-11-30")
    assert first.request_id == again.request_id
    site.vote(first.request_id)
    one, two = first.wait(), gate.resume(first.request_id).wait()
    assert isinstance(one, Approval)
    assert one == two
    gate.redeem(one.token, *EXPORT)
    with pytest.raises(Expired, match="has been used"), gate.require(*EXPORT, idempotency_key="nightly-2026-11-30"):
        pytest.fail("it ran")


def test_a_key_is_for_one_thing(site: GateSite) -> None:
    """Another action, other parameters or other people under the same key are refused; another agent's key is its own."""
    gate = site.gate(acts_for=(Identity("okta", "*"),))
    kept = gate.submit(*EXPORT, ["okta:jane"], idempotency_key="k")
    for action, params, who in (
        ("db.read", EXPORT[2], "jane"),
        ("db.export", {"rows": 1}, "jane"),
        ("db.export", EXPORT[2], "joe"),
    ):
        with pytest.raises(Refused) as refused:
            gate.submit(action, EXPORT[1], params, [f"okta:{who}"], idempotency_key="k")
        assert (refused.value.code, refused.value.status) == ("key_reused", 422)
    assert site.gate("other").submit(*EXPORT, idempotency_key="k").request_id != kept.request_id


def test_who_takes_part_comes_from_the_credential(site: GateSite) -> None:
    """Agent, owner, the token itself and all whom it acts for by name: none of them can approve."""
    pending = site.gate(owner=Identity("local", "bob"), acts_for=(Identity("okta", "jane"),)).submit(*EXPORT)
    site.arrived(pending.request_id)
    assert [(p.role, p.issuer, p.subject) for p in site.request(pending.request_id).principals] == [
        (PrincipalRole.INITIATOR, "agent", "etl-7"),
        (PrincipalRole.OWNER, "local", "bob"),
        (PrincipalRole.ON_BEHALF_OF, "okta", "jane"),
        (PrincipalRole.DELEGATE, "machine", "etl-7"),
    ]
    assert site.vote(pending.request_id, who="bob").status_code == 403
    assert site.vote(pending.request_id, who="ada").status_code == 200


@pytest.mark.parametrize(
    "principals",
    [
        ["okta:boss"],
        [Principal("okta", "boss", "delegate")],
        [Principal("okta", "boss", "beneficiary")],
        [{"role": "initiator", "issuer": "agent", "subject": "other"}],
        [{"role": "owner", "issuer": "local", "subject": "ada"}],
    ],
    ids=str,
)
def test_an_agent_that_lies_about_whom_it_acts_for_is_refused(site: GateSite, principals: list[object]) -> None:
    """Whatever role it gives them; nothing is asked, and nothing is allowed."""
    token = site.token("liar", acts_for=(Identity("okta", "jane"),))
    named = [
        one if isinstance(one, dict) else {"role": p.role, "issuer": p.issuer, "subject": p.subject}
        for one in principals
        for p in [Principal.of(one) if isinstance(one, str) else one]
    ]
    answer = site.post(token, "/gate/requests", json={"action": "db.read", "principals": named})
    assert (answer.status_code, answer.json()["code"]) == (403, "principals")


def test_an_agent_that_may_act_for_many_says_for_whom(site: GateSite) -> None:
    """Nobody slips out of those who cannot approve by not being named."""
    gate = site.gate(acts_for=(Identity("okta", "*"),))
    with pytest.raises(Refused, match="on whose behalf"):
        gate.submit(*EXPORT)
    with pytest.raises(Refused):
        gate.submit(*EXPORT, ["google:jane"])
    pending = gate.submit(*EXPORT, ["okta:jane"])
    site.arrived(pending.request_id)
    assert "jane" in [p.subject for p in site.request(pending.request_id).principals]


def test_an_equal_request_that_waits_already_is_repeated_not_run_twice(site: GateSite) -> None:
    """The approval is for the first one alone."""
    gate = site.gate()
    first, second = gate.submit(*EXPORT), gate.submit(*EXPORT)
    site.arrived(second.request_id)
    site.vote(first.request_id)
    assert isinstance(first.wait(), Approval)
    with pytest.raises(Repeated):
        second.wait()


def test_a_request_can_be_taken_back(site: GateSite) -> None:
    """It is over then, for reviewers too."""
    gate = site.gate()
    pending = gate.submit(*EXPORT)
    site.arrived(pending.request_id)
    pending.withdraw("not needed any more")
    with pytest.raises(Withdrawn):
        pending.poll()
    assert site.vote(pending.request_id).status_code == 409
    with pytest.raises(Refused):
        gate.resume(pending.request_id).withdraw()


def test_a_limit_ends_the_waiting_not_the_request(site: GateSite) -> None:
    """It can be waited for again."""
    gate = site.gate()
    pending = gate.submit(*EXPORT)
    with pytest.raises(Undecided) as undecided:
        pending.wait(0.2)
    site.vote(pending.request_id)
    assert isinstance(gate.resume(undecided.value.request_id).wait(), Approval)


def test_nobody_sees_the_requests_of_another_agent(site: GateSite) -> None:
    """For another agent there is no such request."""
    pending = site.gate().submit(*EXPORT)
    other = site.gate("other")
    with pytest.raises(Refused) as refused:
        other.resume(pending.request_id)
    assert refused.value.status == 404


def test_a_token_that_is_revoked_while_its_agent_waits_gets_no_approval(site: GateSite) -> None:
    """Who asks is looked at again before an approval is handed out."""
    gate = site.gate()
    waiting = Aside(lambda: gate.submit(*EXPORT).wait())
    request_id = site.one_waits()
    site.server.service.store.identities.revoke_token("etl-7", at=site.server.service.clock())
    site.vote(request_id)
    with pytest.raises(Refused) as refused:
        waiting.result()
    assert refused.value.status == 401


def test_a_function_is_protected_with_its_arguments(site: GateSite) -> None:
    """Each call is approved for its own arguments, or does not happen."""
    gate = site.gate()

    @gate.protected(action="db.export", resource=lambda table, rows=10: f"warehouse/{table}")
    def export(table: str, rows: int = 10) -> str:
        return f"{rows} of {table}"

    calling = Aside(lambda: export("customers"))
    request_id = site.one_waits()
    assert json.loads(site.request(request_id).params) == {"table": "customers", "rows": 10}
    assert site.request(request_id).resource == "warehouse/customers"
    site.vote(request_id)
    assert calling.result() == "10 of customers"


# --- Executors ----------------------------------------------------------------------------------------------


def test_an_executor_redeems_what_an_agent_was_given(site: GateSite) -> None:
    """Verified offline first, then used up; the second use is refused, and both are in the log."""
    gate = site.gate(audience="warehouse")
    executor = site.gate("unused").__class__(site.http, site.token("warehouse", "redeem"))
    with gate.require("db.read", "t", {"n": 1.0}) as approval:
        token = approval.token
    call = {"action": "db.read", "resource": "t", "params": {"n": 1.0}}
    grant = verify(token, executor.keys(), audience="warehouse", **call)  # type: ignore[arg-type]
    assert grant.agent == "agent:etl-7"
    assert executor.redeem(token, "db.read", "t", {"n": 1.0}) == grant
    with pytest.raises(TokenRejected) as replayed:
        executor.redeem(token, "db.read", "t", {"n": 1.0})
    assert replayed.value.code == "token_redeemed"
    assert [event for event, _, _ in site.events()] == ["gate allowed", "redeemed", "redemption refused"]
    executor.close()


@ON_BOTH
def test_the_database_is_made_again_from_the_log(site: GateSite) -> None:
    """What waits, what was approved and what was used: an approval that was used cannot be used again."""
    gate = site.gate()
    used, given, waits = (gate.submit("db.export", f"t{n}", {"n": n}, idempotency_key=f"k{n}") for n in range(3))
    allowed = gate.submit("db.read", "t", {}, idempotency_key="allowed")
    for pending in (used, given):
        site.vote(pending.request_id)
    site.arrived(waits.request_id)
    approval = used.wait()
    assert isinstance(approval, Approval)
    gate.redeem(approval.token, "db.export", "t0", {"n": 0})
    before = [site.server.service.store.gate("").find(one.request_id) for one in (used, given, waits, allowed)]
    site.events()
    site.lose_database()
    until(lambda: site.server.service.health.leads)
    after = [site.server.service.store.gate("").find(one.request_id) for one in (used, given, waits, allowed)]
    assert [found and found[0] for found in after] == [found and found[0] for found in before]
    again = site.gate("etl-7")
    with pytest.raises(TokenRejected) as replayed:
        again.redeem(approval.token, "db.export", "t0", {"n": 0})
    assert replayed.value.code == "token_redeemed"
    fresh = again.resume(given.request_id).wait()
    assert isinstance(fresh, Approval)
    again.redeem(fresh.token, "db.export", "t1", {"n": 1})
    assert isinstance(again.resume(waits.request_id).poll(), Waiting)
    assert again.submit("db.read", "t", {}, idempotency_key="allowed").request_id == allowed.request_id
