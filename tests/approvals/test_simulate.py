"""A policy tried on past requests."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from approval_makers import MINUTE, NOW, needs, request
from click.testing import CliRunner

from approvals.simulate import Past, asked, pasts, simulate
from engine.ledger.codec import encode
from engine.ledger.model import ActionKind, Decision, Requirement, Seat, Step, Verdict, VerdictKind, Vote
from engine.policy.load import load_policy
from sluicegate.cli import main

POLICY = """
name: tried
actions:
  - {id: small, effect: allow, match: {action: db.export, params: {rows: '< 100'}}}
  - {id: dropped, effect: deny, match: {action: db.drop}, reason: Never.}
  - id: bulk-export
    effect: review
    match: {action: db.export}
    risk: medium
    reason: Data leaves in bulk.
    approvers: {groups: ['local:security']}
    expires: 15m
  - {id: roles, effect: review, match: {profile: cloudtrail, action: 'iam*'}, risk: medium, reason: r, approvers: {groups: ['local:security']}, expires: 15m}
reviews:
  - when: {environment: production, risk: [medium, high]}
    approvers:
      seats: [{name: security, groups: ['local:security']}, {name: owner, people: ['local:linus']}]
    expires: 15m
"""
PEOPLE = """
people:
  - {id: ada, name: Ada, groups: [local:security]}
  - {id: linus, name: Linus}
"""


def past(action="db.export", environment="staging", rows=41000, votes=(), **more) -> Past:
    record = {"actor": "agent:etl-7", "action": action, "environment": environment, "params": {"rows": rows}}
    one = request(action=action, environment=environment, params=record["params"], **more)
    held = one.held and replace(one.held, value=json.dumps(record).encode())
    one = replace(one, held=held)
    cast = tuple(Vote("local", who, Decision.APPROVE, "fine", NOW + 1, "page", right="local:security") for who in votes)
    verdict = Verdict(
        one.request_id, 1, VerdictKind.APPROVED, one.position, NOW + MINUTE, "fine", cast, one.policy, one.binding,
        one.view_digest, released=True,
    )  # fmt: skip
    return Past(one, verdict if votes else None)


@pytest.fixture
def policy_file(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


@pytest.mark.parametrize(
    ("one", "changes"),
    [
        (past(), ()),
        (past(rows=99), ("let pass without a review, by small",)),
        (past(action="db.drop"), ("denied at once, by dropped",)),
        (past(action="db.list"), ("let pass without a review, by no rule",)),
        (past(rule_id="older"), ("asked by bulk-export instead of older",)),
        (past(expires=NOW + 30 * MINUTE), ("waits 15 min instead of 30 min",)),
        (past(requirement=needs(1, channels=("ops",))), ("told where channels are routed instead of in ops",)),
        (
            past(environment="production"),
            ("2 of the seats security, owner instead of 1 of local:security",),
        ),
        (
            past(environment="production", votes=["ada"]),
            ("2 of the seats security, owner instead of 1 of local:security", "1 more approval would have been needed"),
        ),
        (
            past(environment="production", votes=["ada", "linus"]),
            ("2 of the seats security, owner instead of 1 of local:security",),
        ),
        (
            past(action="iam.amazonaws.com:CreateUser", kind=ActionKind.FACT),
            ("asked by roles instead of bulk-export",),
        ),
    ],
)
def test_what_would_be_different(policy_file, tmp_path, one, changes):
    """Another effect, rule, time or requirement is named; what would be the same is not."""
    from approvals.people import load_people

    people = tmp_path / "people.yaml"
    people.write_text(PEOPLE)
    assert simulate(one, load_policy(policy_file), load_people(people)).changes == changes


def test_without_people_votes_are_counted(policy_file):
    """Whether the seats could be filled is not known then; whether there are enough of them is."""
    trial = simulate(past(environment="production", votes=["ada"]), load_policy(policy_file))
    assert trial.changes[-1] == "1 approval would not have been enough"


def test_the_last_version_counts():
    """Of each request; an after-review is no request of the past."""
    newer = request("a", version=2)
    found = pasts(
        [newer, request("a"), request("b", created=NOW - 1), request("c", review_of="a", kind=ActionKind.FACT)]
    )
    assert [(one.request.request_id, one.request.version) for one in found] == [("b", 1), ("a", 2)]


def test_a_requirement_in_words():
    """Everything that a policy can ask for is said."""
    full = Requirement(
        (), (), 1, seats=(Seat("one", ("local:a",)), Seat("two", ("local:b",))), denials=2,
        steps=(Step(10 * MINUTE, ("local:c",)),), break_glass=Seat("", ("local:d",)),
    )  # fmt: skip
    assert asked(full) == "1 of the seats one, two, 2 to deny, after 10 min also local:c, or local:d in an emergency"
    assert asked(needs(2)) == "2 of local:security"


def test_the_command(policy_file, tmp_path):
    """It reads exported messages, names what changes, and sums up."""
    one, two = past(environment="production", votes=["ada"]), past(request_id="req-0002")
    messages = tmp_path / "messages.ndjson"
    written = [encode(m, "json") for m in (one.request, one.verdict, two.request) if m is not None]
    messages.write_bytes(b"\n".join(written) + b"\n")
    done = CliRunner().invoke(main, ["policy", "simulate", str(policy_file), "--messages", str(messages)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "req-0001  db.export on customers",
        "  2 of the seats security, owner instead of 1 of local:security",
        "  1 approval would not have been enough",
        "2 requests, 1 would be different: 1 reviewed otherwise",
    ]
    as_json = CliRunner().invoke(main, ["policy", "simulate", str(policy_file), "--messages", str(messages), "--json"])
    assert [len(json.loads(line)["changes"]) for line in as_json.stdout.splitlines()] == [2, 0]


def test_the_command_wants_to_know_where(policy_file):
    """Neither or both is a usage error."""
    assert CliRunner().invoke(main, ["policy", "simulate", str(policy_file)]).exit_code == 2
