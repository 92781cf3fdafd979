"""The ``actions`` section: what is refused, and what is decided."""

from __future__ import annotations

from typing import Any, cast

import pytest
from action_records import Style, cloudtrail, generic, mcp, openai
from pydantic import BaseModel, ConfigDict

from detectors.errors import ConfigError
from detectors.yamlfile import YamlFile
from engine.actions.decide import CompiledRules, Effect, compile_rules
from engine.actions.extract import Found, asks, extract
from engine.actions.model import Action
from engine.actions.principals import Principals
from engine.actions.profile import shipped_profiles
from engine.actions.rules import Rule
from engine.actions.times import duration
from engine.actions.tree import parse
from engine.ledger.model import Requirement, Risk

HEAD = "effect: review\n    reason: Why.\n    approvers: {groups: ['local:security']}\n"


class Policy(BaseModel):
    """As a policy holds the section."""

    model_config = ConfigDict(extra="forbid")

    actions: list[Rule]


def load(text: str) -> CompiledRules:
    file = YamlFile(text, "policy.yaml")
    return compile_rules(file.validate(Policy).actions, shipped_profiles(), file)


def rules(*some: str) -> CompiledRules:
    """Rules written as ``effect: match`` in YAML flow style."""
    text = "actions:\n"
    for number, one in enumerate(some):
        effect, match = one.split(" ", 1)
        approvers = "approvers: {groups: ['local:security']}, " if effect == "review" else ""
        text += f"  - {{id: r{number}, effect: {effect}, {approvers}reason: Why., match: {match}}}\n"
    return load(text)


def actions(record: object, **headers: str) -> list[Action]:
    trees = parse(Style().write(record).encode())
    return extract(trees, shipped_profiles(), Principals.of(), headers)


def effect(compiled: CompiledRules, record: object) -> str:
    (action,) = actions(record)
    return compiled.decide(action).effect.value


EXAMPLE = """
actions:
  - id: prod-data-export
    effect: review
    match:
      action: ['*.export', 'tool:export_*']
      resource: '*prod*'
      actor: 'etl-*'
      environment: prod
      kind: proposal
      profile: generic
      params:
        rows: '> 1000'
        'destination.bucket': 'sandbox-*'
        'roles.*': '*admin*'
    risk: high
    reason: Bulk data leaves the database.
    approvers: {groups: ['local:security'], people: ['local:ada'], quorum: 1}
    expires: 15m
"""


def example(**params: object) -> dict[str, object]:
    given = {"rows": 2000, "destination": {"bucket": "sandbox-1"}, "roles": ["x", "dbadmin"]} | params
    return generic(action="users.export", resource="pg-prod-7", environment="prod", params=given)


def test_all_keys_of_a_rule_must_hold() -> None:
    """The rule decides when everything it names holds, and says why in the policy's words."""
    compiled = load(EXAMPLE)
    (action,) = actions(example())
    decision = compiled.decide(action)
    assert decision.effect is Effect.REVIEW
    assert decision.rule is not None
    assert (decision.rule.id, decision.rule.risk, decision.rule.expires_ms) == ("prod-data-export", Risk.HIGH, 900_000)
    assert decision.rule.approvers is not None
    assert decision.rule.approvers.requirement == Requirement(("local:security",), ("local:ada",), 1)
    assert "params rows is '> 1000'" in decision.why
    assert "pg-prod-7" not in decision.why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"action": "users.read"}, "action is not '*.export' or 'tool:export_*'"),
        ({"resource": "pg-dev"}, "resource is not '*prod*'"),
        ({"actor": "ada"}, "actor is not 'etl-*'"),
        ({"environment": "dev"}, "environment is not 'prod'"),
        ({"params": {"rows": 5}}, "params rows is not '> 1000'"),
    ],
)
def test_explain_says_what_did_not_hold(change: dict[str, object], why: str) -> None:
    """The first key that does not hold is named, with what the policy wanted and nothing of the record."""
    (action,) = actions(example() | change)
    (trial,) = load(EXAMPLE).explain(action)
    assert (trial.rule_id, trial.matched, trial.why) == ("prod-data-export", False, why)


def test_an_action_is_read_no_further_than_its_rules_ask() -> None:
    """Who takes part is not looked for where no rule asks, and both readings of duplicate keys count where one does."""
    twice = parse(Style().write(openai("run", {})).replace('"{}"', r'"{\"a\": \"x\", \"a\": \"y\"}"').encode())
    for compiled, asked in (
        (rules("review {params: {a: z}}"), False),
        (rules("review {params: {a: x}}"), True),
        (rules("review {params: {a: y}}"), True),
        (rules("review {action: 'tool:run', actor: 'etl-*'}"), True),
        (rules("allow {action: 'tool:run'}", "review {action: '*'}"), False),
    ):
        whole = compiled.strictest(extract(twice, shipped_profiles(), Principals.of()))
        assert whole is not None
        assert (whole[1].effect is Effect.REVIEW) is asked
        assert asks(twice, shipped_profiles(), Principals.of(), None, compiled.may_ask, compiled.asks) is asked

    compiled, nobody = rules("review {params: {a: z}}"), cast(Principals, object())

    def asked_of(found: Found) -> bool:
        assert repr(found) == "Found(proposal, openai)"
        return compiled.asks(found)

    assert not asks(twice, shipped_profiles(), nobody, None, compiled.may_ask, asked_of)


@pytest.mark.parametrize(("command", "decided"), [("ls", 2), ("curl x", 0), ("rm x", 1), ("rm x; curl x", 0)])
@pytest.mark.parametrize("first", ["", "actor: ada, ", "kind: proposal, ", "kind: fact, "])
def test_rules_about_words_are_asked_together(command: str, decided: int, first: str) -> None:
    """What none of them asks for is left at once; else the first that matches decides, by all that it asks."""
    compiled = rules(
        f"deny {{action: 'tool:*', {first.replace('kind: fact, ', '')}params: {{'**': ['*curl *', '*wget *']}}}}",
        "review {action: 'tool:run', params: {'**': ['*rm *', '*shred *']}}",
        "allow {action: '*', params: {'**': '*'}}",
        f"review {{{first}params: {{'**': '*ls*'}}}}",
    )
    for arguments in ({"command": command}, {"command": command.split(" ")}, {"more": {"text": [command]}}):
        assert effect(compiled, openai("run", arguments)) == ["deny", "review", "allow"][decided]


def test_the_first_rule_that_matches_decides() -> None:
    """Order is the policy's: an allowance above a review wins."""
    compiled = rules(
        "allow {action: db.export, resource: sandbox}", "review {action: '*.export'}", "deny {action: '*'}"
    )
    assert effect(compiled, generic(action="db.export", resource="sandbox")) == "allow"
    assert effect(compiled, generic(action="db.export", resource="prod")) == "review"
    assert effect(compiled, generic(action="db.read")) == "deny"
    (action,) = actions(generic(action="db.export"))
    assert [(t.rule_id, t.matched) for t in compiled.explain(action)] == [("r0", False), ("r1", True)]


def test_what_no_rule_matches_passes() -> None:
    """Privileged is what the policy names."""
    (action,) = actions(generic())
    decision = rules("review {action: x}").decide(action)
    assert (decision.effect, decision.rule) == (Effect.ALLOW, None)


def test_the_strictest_action_of_a_record_decides() -> None:
    """Deny is stricter than review, a higher risk than a lower one; no actions, no decision."""
    compiled = rules("deny {action: 'tool:wipe'}", "review {action: 'tool:export'}")
    calls = [openai(name, "{}")["tool_calls"][0] for name in ("read", "export", "wipe")]  # type: ignore[index]
    some = actions({"role": "assistant", "tool_calls": calls})
    for last, expected in ((1, Effect.ALLOW), (2, Effect.REVIEW), (3, Effect.DENY)):
        decided = compiled.strictest(some[:last])
        assert decided is not None
        assert decided[1].effect is expected
    assert compiled.strictest([]) is None


def test_a_deny_rule_is_about_proposals() -> None:
    """A fact has happened: it cannot be denied, so the next rule is asked."""
    compiled = rules("deny {action: '*StopLogging*'}", "review {action: '*StopLogging*'}")
    assert effect(compiled, cloudtrail("cloudtrail.amazonaws.com", "StopLogging")) == "review"
    assert effect(compiled, mcp("StopLogging", {})) == "deny"


def test_actors_of_reviews_and_allowances() -> None:
    """Anybody who takes part brings a review about; only the initiator brings an allowance."""
    record = generic(actor="etl-7", on_behalf_of="ada")
    assert effect(rules("review {actor: 'local:ada'}"), record) == "review"
    assert rules("allow {actor: ada}").decide(actions(record)[0]).rule is None
    assert rules("allow {actor: 'ETL-*'}").decide(actions(record)[0]).rule is not None


def test_unknown_actors_are_held_back() -> None:
    """Who does not say who they are may be anybody: reviewed, never allowed for it."""
    record = openai("x", "{}")
    assert effect(rules("review {actor: ada}"), record) == "review"
    assert rules("allow {actor: '*'}").decide(actions(record)[0]).rule is None


@pytest.mark.parametrize(
    ("match", "arguments", "held"),
    [
        ("{params: {command: '*rm -rf*'}}", "rm -rf /", True),  # not JSON: judged as text
        ("{params: {command: 'rm -rf*'}}", '{"command": "rm -rf /', True),  # JSON that a kind reader repairs
        ("{params: {rows: '> 5'}}", "many", True),
        ("{params: {command: '*rm -rf*'}}", "ls", False),
        ("{params: {command: '*rm -rf*'}}", '{"other": "rm -rf"}', False),
        ("{params: {'**': '*rm -rf*'}}", '{"a": [{"b": "rm -rf"}]}', True),
        ("{params: {'body.role': admin}}", r'{"body": "{\"role\": \"admin\"}"}', True),
        ("{params: {'body.role': admin}}", r'{"body": "{\"role\": \"admin\", \"role\": \"user\"}"}', True),
        ("{params: {force: true}}", '{"force": true}', True),
        ("{params: {n: 5}}", '{"n": 5.0}', True),
        ("{params: {n: ['> 5', absent]}}", "{}", True),
        ("{params: {n: '> 5'}}", "{}", False),
    ],
)
def test_conditions_on_parameters(match: str, arguments: str, held: bool) -> None:
    """Arguments are looked into however they are written; what cannot be read is judged as text."""
    assert effect(rules(f"review {match}"), openai("x", arguments)) == ("review" if held else "allow")


@pytest.mark.parametrize(
    "arguments",
    ["rm", r'{"body": "{\"role\": \"admin\", \"role\": \"user\"}"}', '{"body": {"role": ["user", "admin"]}}'],
)
def test_allowances_never_guess(arguments: str) -> None:
    """What an allowance cannot be sure of, it does not allow."""
    compiled = rules(
        "allow {params: {'body.role': user}}", "allow {params: {z: absent, 'body.role': '*'}}", "deny {action: '*'}"
    )
    expected = "deny" if arguments == "rm" else "allow"
    assert effect(compiled, openai("x", arguments)) == expected
    assert effect(rules("allow {params: {'body.role': user}}", "deny {action: '*'}"), openai("x", arguments)) == "deny"


def test_missing_fields_are_empty() -> None:
    """A rule about an environment includes the actions without one only when it says so."""
    assert effect(rules("review {environment: prod}"), generic()) == "allow"
    assert effect(rules("review {environment: [prod, '']}"), generic()) == "review"


RULE = "actions:\n  - id: a\n    match: {action: x}\n    "
ALLOW = "actions:\n  - id: a\n    effect: allow\n    match: "
REVIEW = f"{RULE}effect: review\n    reason: Why.\n    approvers: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{RULE}{HEAD}    risks: high", "policy.yaml:7: actions[0].risks: unknown key 'risks' (did you mean 'risk'?)"),
        (f"{RULE}effect: revue", "policy.yaml:4: actions[0].effect"),
        (f"{RULE}effect: review\n    reason: Why.", "a review needs approvers"),
        (f"{RULE}effect: deny", "needs a reason"),
        (f"{RULE}effect: deny\n    reason: Why.\n    expires: 5m", "mean nothing where the effect is 'deny'"),
        (f"{REVIEW}{{}}", "policy.yaml:6: actions[0].approvers: names nobody"),
        (
            f"{REVIEW}{{people: ['local:ada'], quorum: 2}}",
            "a quorum of 2 cannot be reached by 1 people",
        ),
        (f"{REVIEW}{{people: [ada]}}", "write 'issuer:id', like 'local:ada'"),
        (f"{REVIEW}{{people: ['l:a', 'l:a']}}", "names somebody twice"),
        (f"{REVIEW}{{groups: ['l:a'], quorum: 0}}", "approvers.quorum"),
        (f"{RULE}{HEAD}    expires: 15 minutes", "policy.yaml:7: actions[0].expires: '15 minutes' is not a duration"),
        (f"{RULE}{HEAD}    expires: 31d", "30 days at most"),
        (f"{RULE}{HEAD}    risk: huge", "policy.yaml:7: actions[0].risk"),
        (f"{RULE}{HEAD}  - id: a\n    match: {{kind: fact}}\n    {HEAD}", "7: actions[1].id: the id 'a' is"),
        ("actions:\n  - id: A b\n    match: {action: x}\n    effect: allow", "policy.yaml:2: actions[0].id"),
        ("actions:\n  - id: a\n    match: {}\n    effect: allow", "policy.yaml:3: actions[0].match: says nothing"),
        ("actions:\n  - id: a\n    match: {acton: x}\n    effect: allow", "(did you mean 'action'?)"),
        ("actions:\n  - id: a\n    match: {action: []}\n    effect: allow", "give at least one glob"),
        (f"{ALLOW}{{profile: openia}}", "match.profile: no profile is called 'openia' (did you mean 'openai'?)"),
        (f"{ALLOW}{{params: {{rows: '> many'}}}}", "policy.yaml:4: actions[0].match"),
        ("actions:\n  - id: a\n    match: {params: {rows: 0.1}}\n    effect: allow", "quote it"),
        ("actions:\n  - id: a\n    match: {params: {'a..b': x}}\n    effect: allow", "empty step"),
        ("actions:\n  - id: a\n    match: {kind: fact}\n    effect: deny\n    reason: W.", "cannot be denied"),
    ],
)  # fmt: skip
def test_a_bad_section_is_refused(text: str, message: str) -> None:
    """Start-up stops with file, line and key, and says what to write."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("policy.yaml:")


@pytest.mark.parametrize(("text", "ms"), [("1s", 1000), ("15m", 900_000), ("2h", 7_200_000), ("1d", 86_400_000)])
def test_durations(text: str, ms: int) -> None:
    """Numbers with a unit, in milliseconds."""
    assert duration(text) == ms


@pytest.mark.parametrize("text", ["", "0m", "-1m", "1.5h", "15", "m", "1w"])
def test_bad_durations(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="15m"):
        duration(text)


@pytest.mark.parametrize(
    ("earlier", "later", "shadowed"),
    [
        ("review {action: '*.export'}", "review {action: db.export}", True),
        ("review {action: '*.export'}", "deny {action: ['db.export', 'x.export'], resource: y}", False),
        ("review {action: '*.export', kind: proposal}", "deny {action: db.export}", True),
        ("review {action: '*.export'}", "review {action: ['db.export', 'x.read']}", False),
        ("review {action: '*', resource: a}", "review {action: '*'}", False),
        ("review {action: '*', params: {a: '> 5'}}", "review {action: x, params: {a: '> 5', b: y}}", True),
        ("allow {action: '*', params: {a: x}}", "review {action: x, params: {a: x}}", False),
        ("allow {action: '*'}", "review {action: x}", True),
        ("deny {action: '*'}", "review {action: x}", False),
    ],
)
def test_rules_that_never_decide_are_reported(earlier: str, later: str, shadowed: bool) -> None:
    """An earlier rule that matches the same and more leaves the later one nothing to do."""
    expected = ["r1: never decides, since r0 above it matches the same and more"] if shadowed else []
    if "deny {action: ['db.export'" in later:
        expected = ["r1: never decides, since r0 above it matches the same and more"]
    assert rules(earlier, later).lint() == expected


def test_comparisons_through_the_whole_way() -> None:
    """From bytes to decision no digit is lost."""
    compiled = rules("review {params: {rows: '> 9007199254740993'}}")
    record: dict[str, Any] = generic(params={"rows": 9007199254740993})
    assert effect(compiled, record) == "allow"
    record["params"]["rows"] += 1
    assert effect(compiled, record) == "review"
