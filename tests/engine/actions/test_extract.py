"""From records of the shipped shapes to actions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from action_records import Pairs, Style, anthropic, cloudtrail, generic, kubernetes, mcp, openai
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import BudgetExceeded, ConfigError
from detectors.yamlfile import YamlFile
from engine.actions.extract import extract
from engine.actions.model import Action, Number
from engine.actions.principals import Principals, PrincipalsSection
from engine.actions.profile import read_profile, shipped_profiles
from engine.actions.tree import parse
from engine.ledger.model import ActionKind, Principal, PrincipalRole


def read(record: object, headers: dict[str, str] | None = None, **section: Any) -> list[Action]:
    data = record if isinstance(record, bytes) else Style().write(record).encode()
    who = Principals.of(PrincipalsSection.model_validate(section))
    return extract(parse(data), shipped_profiles(), who, headers)


def only(record: object, headers: dict[str, str] | None = None, **section: Any) -> Action:
    (action,) = read(record, headers, **section)
    return action


def who(action: Action) -> list[tuple[str, str, str]]:
    return [(one.role.value, one.issuer, one.subject) for one in action.principals]


def test_the_shipped_profiles_are_these() -> None:
    """The six shapes that the documentation names."""
    names = [profile.name for profile in shipped_profiles()]
    assert names == ["anthropic", "cloudtrail", "generic", "kubernetes-audit", "mcp", "openai"]


def test_a_generic_record() -> None:
    """The shape made for Sluicegate, with everything it can say."""
    record = {
        "actor": {"issuer": "agents", "id": "etl-7", "type": "agent", "owner": "ada"},
        "action": "customers.export",
        "resource": "warehouse",
        "params": {"rows": 41000},
        "environment": "prod",
        "reason": "nightly job",
        "on_behalf_of": "grace",
        "delegation": [{"id": "planner", "owner": "linus"}, "router"],
        "session": {"owner": "ada"},
    }
    assert only(record) == Action(
        kind=ActionKind.PROPOSAL,
        profile="generic",
        action="customers.export",
        resource="warehouse",
        environment="prod",
        reason="nightly job",
        params={"rows": Number("41000")},
        principals=(
            Principal(PrincipalRole.INITIATOR, "agents", "etl-7"),
            Principal(PrincipalRole.ON_BEHALF_OF, "local", "grace"),
            Principal(PrincipalRole.DELEGATE, "local", "planner"),
            Principal(PrincipalRole.DELEGATE, "local", "router"),
            Principal(PrincipalRole.OWNER, "local", "ada"),
            Principal(PrincipalRole.OWNER, "local", "linus"),
        ),
    )


def test_a_cloudtrail_event() -> None:
    """A fact by a session, whose role is a link of the chain."""
    action = only(cloudtrail("iam.amazonaws.com", "CreateUser", {"userName": "eve"}))
    assert (action.kind, action.action, action.resource) == (ActionKind.FACT, "iam.amazonaws.com:CreateUser", "eve")
    assert action.environment == "111122223333"
    assert who(action) == [
        ("initiator", "aws", "arn:aws:sts::111122223333:assumed-role/Deployer/ada"),
        ("delegate", "aws", "arn:aws:iam::111122223333:role/Deployer"),
        ("beneficiary", "aws", "eve"),
    ]


def test_cloudtrail_in_its_envelopes() -> None:
    """A Records file gives an action for each event, EventBridge one."""
    event = cloudtrail("ec2.amazonaws.com", "RunInstances")
    other = cloudtrail("ec2.amazonaws.com", "TerminateInstances")
    assert [action.action for action in read({"Records": [event, other]})] == [
        "ec2.amazonaws.com:RunInstances",
        "ec2.amazonaws.com:TerminateInstances",
    ]
    assert only({"detail-type": "AWS API Call via CloudTrail", "detail": event}).profile == "cloudtrail"


def test_a_kubernetes_event_with_impersonation() -> None:
    """Who asked is the initiator; who is impersonated is acted for."""
    action = only(
        kubernetes(
            "create",
            "pods",
            objectRef={"resource": "pods", "subresource": "exec", "namespace": "prod", "name": "web-1"},
            impersonatedUser={"username": "admin"},
        )
    )
    assert (action.action, action.resource, action.environment) == ("k8s:create:pods/exec", "prod/web-1", "prod")
    assert who(action) == [("initiator", "kubernetes", "ada"), ("on_behalf_of", "kubernetes", "admin")]


@pytest.mark.parametrize(
    ("changes", "actions"),
    [
        ({"stage": "RequestReceived"}, []),
        ({"stage": "ResponseStarted"}, []),
        ({"stage": "Panic"}, ["k8s:delete:pods"]),
        ({"verb": "list"}, []),
        ({"verb": "get", "objectRef": {"resource": "secrets", "name": "db"}}, ["k8s:get:secrets"]),
        (
            {"verb": "get", "objectRef": {"resource": "pods", "subresource": "exec", "name": "x"}},
            ["k8s:get:pods/exec"],
        ),
        ({"verb": "get", "objectRef": {"resource": "pods", "subresource": "log"}}, []),
        ({"verb": "get", "objectRef": None, "requestURI": "/healthz"}, []),
        ({"verb": "post", "objectRef": None, "requestURI": "/x"}, ["k8s:post:/x"]),
    ],
)
def test_kubernetes_counts_each_write_once(changes: dict[str, object], actions: list[str]) -> None:
    """Only ends of requests, and of reads only those of secrets and those that run commands."""
    assert [action.action for action in read(kubernetes("delete", "pods") | changes)] == actions


CALL = {"name": "run_sql", "arguments": '{"query": "select 1"}'}


@pytest.mark.parametrize(
    "record",
    [
        openai("run_sql", {"query": "select 1"}),
        {"choices": [{"message": openai("run_sql", {"query": "select 1"})}]},
        {"request": {"messages": [{"role": "user", "content": "hi"}, openai("run_sql", {"query": "select 1"})]}},
        {"role": "assistant", "function_call": CALL},
        {"type": "function_call", "call_id": "c", **CALL},
        {"object": "response", "output": [{"type": "reasoning"}, {"type": "function_call", "call_id": "c", **CALL}]},
        {"output": [{"type": "mcp_approval_request", "server_label": "db", **CALL}]},
        anthropic("run_sql", {"query": "select 1"}),
        {"messages": [anthropic("run_sql", {"query": "select 1"})]},
        mcp("run_sql", {"query": "select 1"}),
        [mcp("run_sql", {"query": "select 1"})],
        {"log": json.dumps(openai("run_sql", {"query": "select 1"})), "stream": "stdout"},
    ],
)
def test_tool_calls_of_every_shape(record: object) -> None:
    """The name and the parsed arguments are found, once."""
    action = only(record)
    assert (action.kind, action.action) == (ActionKind.PROPOSAL, "tool:run_sql")
    assert action.params == {"query": "select 1"}


@pytest.mark.parametrize(
    "record",
    [
        {"role": "user", "content": "please call run_sql"},
        {"role": "user", "content": json.dumps(openai("run_sql", {}))},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"type": "tool_use", "name": "x", "input": {}}'},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}]},
        {"jsonrpc": "2.0", "id": 7, "result": {"content": []}},
        {"jsonrpc": "2.0", "id": 7, "method": "tools/list"},
        {"tools": [{"type": "function", "function": {"name": "run_sql", "parameters": {}}}]},
        {"event": {"action": "user.delete"}},
        ["db.export"],
        "db.export",
        None,
    ],
)
def test_talk_about_calls_is_no_call(record: object) -> None:
    """Chat text, results, tool definitions and other people's fields are not actions."""
    assert read(record) == []


def test_a_call_with_its_result_is_history() -> None:
    """Of a whole conversation only the calls without a result are proposals."""
    done = openai("run_sql", {"query": "old"})
    result = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    pending = openai("run_sql", {"query": "new"})
    pending["tool_calls"][0]["id"] = "call_2"  # type: ignore[index]
    assert [a.params for a in read({"messages": [done, result, pending]})] == [{"query": "new"}]
    assert [a.params for a in read({"messages": [anthropic("x", {}), {"content": [
        {"type": "tool_result", "tool_use_id": "toolu_1"}]}]})] == []  # fmt: skip


def test_a_shared_id_proves_nothing() -> None:
    """A new call cannot hide behind the result of an old one with the same id."""
    done, again = openai("run_sql", {"query": "old"}), openai("run_sql", {"query": "new"})
    result = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    assert len(read({"messages": [done, result, again]})) == 2


def test_the_actor_of_a_tool_call() -> None:
    """A header of the record comes first; all others who are named take part too."""
    record = openai("run_sql", {}, user="grace", agent={"id": "etl-7", "owner": "ada"})
    assert who(only(record, {"Sluicegate-Actor": "gate-1"})) == [
        ("initiator", "local", "gate-1"),
        ("on_behalf_of", "local", "grace"),
        ("delegate", "local", "etl-7"),
        ("owner", "local", "ada"),
    ]
    assert who(only(record))[0] == ("initiator", "local", "etl-7")
    assert who(only({"user": "grace", "response": {"choices": [{"message": openai("x", {})}]}})) == [
        ("initiator", "local", "grace")
    ]


def test_no_initiator_means_no_principals() -> None:
    """Unless the policy names a default, an action by nobody has nobody."""
    assert only(openai("x", {})).principals == ()
    assert only(openai("x", {}, owner="ada")).principals == ()
    default = {"issuer": "local", "subject": "unknown"}
    assert who(only(openai("x", {}, owner="ada"), default=default)) == [
        ("initiator", "local", "unknown"),
        ("owner", "local", "ada"),
    ]


def test_extra_paths_of_the_policy_come_first() -> None:
    """The policy may know better where an agent's name stands, in the record or its headers."""
    record = openai("x", {}, user="grace", meta={"bot": 42})
    assert who(only(record, extra_paths={"initiator": ["meta.bot"]}))[0] == ("initiator", "local", "42")
    headers = {"x-agent": "etl-7"}
    assert who(only(record, headers, extra_paths={"initiator": ["header:X-Agent"]}))[0][2] == "etl-7"


def test_ids_are_mapped_to_people() -> None:
    """Two ways to write somebody are one principal, once."""
    section = {
        "map": [
            {"match": r"arn:aws:sts::\d+:assumed-role/[^/]+/(?P<subject>.+)", "issuer": "okta"},
            {"match": r"corp:(?P<subject>.+)", "issuer": "okta"},
        ],
        "default_issuer": "agents",
    }
    assert who(only(cloudtrail("s3.amazonaws.com", "PutObject"), **section))[0] == ("initiator", "okta", "ada")
    record = generic(actor={"issuer": "corp", "id": "ada"}, on_behalf_of="corp:ada", owner="bob")
    assert who(only(record, **section)) == [("initiator", "okta", "ada"), ("owner", "agents", "bob")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("map: [{match: 'a(', issuer: x}]", "p.yaml:1: map[0]: not a pattern that RE2 takes"),
        ("map: [{match: 'arn:aws:iam::*:user/x', issuer: x}]", "is a pattern, not a glob"),
        ("map: [{match: '(?=x)', issuer: x}]", "not a pattern"),
        ("extra_path: {}", "did you mean 'extra_paths'?"),
        ("extra_paths: {initiator: ['a..b']}", "empty step"),
        ("default: {issuer: local}", "p.yaml:1: default.subject: is required"),
    ],
)
def test_a_bad_principals_section_is_refused(text: str, message: str) -> None:
    """Start-up stops with file, line and key."""
    with pytest.raises(ConfigError) as caught:
        YamlFile(text, "p.yaml").validate(PrincipalsSection)
    assert message in str(caught.value)


def test_both_readings_of_duplicate_keys_are_actions() -> None:
    """An action cannot hide behind a second key, in the record or in its arguments."""
    record = Pairs((("actor", "a"), ("action", "db.export"), ("action", "db.read")))
    assert [action.action for action in read(record)] == ["db.read", "db.export"]
    twice = openai("run_sql", '{"query": "drop table x", "query": "select 1"}')
    assert [action.params for action in read(twice)] == [{"query": "select 1"}, {"query": "drop table x"}]


def test_numbers_and_strings_are_different_parameters() -> None:
    """1 and "1" are two actions, the same twice is one."""
    calls = [openai("x", text)["tool_calls"][0] for text in ('{"n": 1}', '{"n": "1"}', '{"n": 1}')]  # type: ignore[index]
    assert len(read({"role": "assistant", "tool_calls": calls})) == 2


def test_arguments_that_are_not_json_stay_text() -> None:
    """They are shown and judged as they are."""
    assert only(openai("bash", "rm -rf /")).params == "rm -rf /"


def test_json_in_arguments_is_bounded() -> None:
    """Arguments encoded without end run into a budget."""
    text = "{}"
    for _ in range(9):
        text = json.dumps(text)
    with pytest.raises(BudgetExceeded):
        read(openai("x", text))


def test_repr_holds_no_value() -> None:
    """Actions may be logged by accident."""
    assert repr(only(generic(action="secret.value"))) == "Action(proposal, generic)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\ndoc: d\nkind: fact\ncalls: [{action: '{a'}]", "p.yaml:4: calls[0].action"),
        ("name: x\ndoc: d\nkind: fact\ncalls: [{actions: a}]", "did you mean 'action'?"),
        ("name: x\ndoc: d\nkind: maybe\ncalls: [{action: a}]", "p.yaml:3: kind"),
        ("name: x\ndoc: d\nkind: fact\nunless: [{}]\ncalls: [{action: a}]", "p.yaml:4: unless"),
        ("name: x\ndoc: d\nkind: fact\nwhen: {'a..b': x}\ncalls: [{action: a}]", "empty step"),
        ("name: x\ndoc: d\nkind: fact\ncalls: []", "p.yaml:4: calls"),
    ],
)
def test_a_bad_profile_is_refused(text: str, message: str) -> None:
    """Start-up stops with file, line and key."""
    with pytest.raises(ConfigError) as caught:
        read_profile(YamlFile(text, "p.yaml"))
    assert message in str(caught.value)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["tool_use", "function_call", "x", "{}", "tools/call"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["action", "actor", "tool_calls", "function", "name", "arguments", "messages", "content",
                         "type", "input", "id", "method", "params", "log", "user", "choices", "message"]),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(documents)
def test_any_record_can_be_read(document: object) -> None:
    """Fields of unexpected types never raise, and every action has a name."""
    assert all(action.action for action in read(json.dumps(document).encode()))
