"""The gate literals: whatever a rule reviews or denies, one of its patterns is in the raw bytes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from action_records import Pairs, Style, anthropic, cloudtrail, generic, kubernetes, mcp, openai
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import detectors.gate
from detectors.gate import Stage
from engine.actions.decide import CompiledRules, Effect, compile_rules
from engine.actions.defaults import compiled_defaults
from engine.actions.extract import asks, extract
from engine.actions.keyed import tells_pure
from engine.actions.literals import ForcesParse, GatePatterns, gate_patterns
from engine.actions.principals import Principals
from engine.actions.profile import shipped_profiles
from engine.actions.rules import Rule
from engine.actions.tree import parse
from engine.escapes import spell_out
from engine.layers import lookalikes

PROFILES = shipped_profiles()
WHO = Principals.of()
APPROVERS = {"groups": ["local:security"]}


class Gate:
    """The patterns as the engine compiles them, behind their words."""

    def __init__(self, announced: GatePatterns) -> None:
        patterns = [b"(?i)" + text for text in announced.patterns]
        stage = Stage([b"(?i)" + text for text in announced.words], range(len(patterns)))
        self.gate = detectors.gate.Gate(patterns, [stage]) if patterns else None
        self.keyed = announced.keyed

    def hits(self, data: bytes) -> bool:
        return any(map(self._hits, {data, lookalikes.plain(data)}))

    def _hits(self, data: bytes) -> bool:
        hit = self.gate is not None and bool(self.gate.hits(data))
        if hit and self.keyed is not None:
            assert tells_pure(data, self.keyed), "a word behind its key is wherever a pattern hits"
        return hit


def rules(*matches: dict[str, Any], effect: str = "review") -> CompiledRules:
    more: dict[str, Any] = {"approvers": APPROVERS} if effect == "review" else {}
    return compile_rules(
        [
            Rule.model_validate({"id": f"r{i}", "effect": effect, "match": match, "reason": "Why.", **more})
            for i, match in enumerate(matches)
        ],
        PROFILES,
    )


def effect(data: bytes, compiled: CompiledRules) -> Effect:
    """What is decided, which is asked twice: of whole actions, and of those that are read as far as rules ask."""
    trees = parse(data)
    decided = compiled.strictest(extract(trees, PROFILES, WHO))
    found = Effect.ALLOW if decided is None else decided[1].effect
    assert asks(trees, PROFILES, WHO, None, compiled.may_ask, compiled.asks) is (found is not Effect.ALLOW)
    return found


# Values and globs are put together from the same pieces, so that they meet often.
PIECES = [
    "export", "db.", "tool:", "prod", "rm -rf", "rm  -rf", "rm\n-rf", 'a"b', "x\\y", "https://h/p", "k8s:", "K", "é",
    "ec2", ".amazonaws.com", ":", "create", "/", "pods", "exec", ",", " ", "\t", "drop table", "admin", "{", "[", "42",
    "tool", "\u00a0", "\u2003", "\u200b", "ｐｒｏｄ", "аdmin", "exp\u00adort", "＂", "＼",
]  # fmt: skip
styles = st.builds(Style, st.sampled_from(["", " ", "\n", "\t", "\r\n  "]), st.booleans())
SHAPES = ["generic", "openai", "anthropic", "mcp", "cloudtrail", "kubernetes"]


@st.composite
def records(draw: st.DrawFn, values: st.SearchStrategy[str]) -> bytes:
    """A record of any shipped shape, in odd JSON, perhaps wrapped, with JSON in strings at any depth."""
    outer, inner = draw(styles), draw(styles)
    leaves = values | st.lists(values, min_size=2, max_size=3) | st.integers() | st.none()
    some = leaves | st.dictionaries(st.sampled_from(["a", "b"]), leaves, max_size=2)
    given_params: Any = draw(st.dictionaries(st.sampled_from(["command", "a"]), some, max_size=2))
    if draw(st.booleans()):
        given_params = {"command": inner.write(given_params)}  # JSON in a string in the parameters
    name, value, third = draw(values), draw(values), draw(values)
    shape = draw(st.sampled_from(SHAPES))
    record: dict[str, Any]
    if shape == "generic":
        record = generic(action=name, params=given_params, resource=value, environment=third)
    elif shape == "openai":
        record = openai(name, draw(st.sampled_from([inner.write(given_params), value])))
    elif shape == "anthropic":
        record = anthropic(name, given_params)
    elif shape == "mcp":
        record = mcp(name, given_params)
    elif shape == "cloudtrail":
        changes: dict[str, object] = {"resources": [{"ARN": value}, {"ARN": third}]}
        record = cloudtrail(f"{name}.amazonaws.com", value or "x", given_params, **changes)
    else:
        where = {"resource": value, "subresource": third, "namespace": third, "name": "n"}
        record = kubernetes(name, value, objectRef=where, requestObject=given_params)
    document: Any = record
    if draw(st.booleans()):  # a duplicate key, with the other value first
        document = Pairs((("action", draw(values)), ("name", draw(values)), *record.items()))
    if draw(st.booleans()):
        document = {"log": inner.write(document), "stream": "stdout"}
    return outer.write(document).encode()


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[bytes]]:
    """A rule's match, and records out of the same few pieces, so that they meet often."""
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4))
    values = st.lists(st.sampled_from(pieces), max_size=3).map("".join)
    parts = st.sampled_from([*pieces, "*", "tool:*", "k8s:*"])
    globs = st.lists(st.lists(parts, min_size=1, max_size=4).map("".join), min_size=1, max_size=2)
    keys = st.sampled_from(["action", "action", "action", "resource", "environment"])
    match: dict[str, Any] = {key: draw(globs) for key in {draw(keys), draw(keys)}}
    if draw(st.booleans()):
        match["params"] = {draw(st.sampled_from(["**", "command", "command.a", "a.*", "*"])): draw(globs)}
    return match, draw(st.lists(records(values), min_size=6, max_size=12))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_a_record_that_a_rule_holds_back_holds_one_of_its_patterns(
    case: tuple[dict[str, Any], list[bytes]],
) -> None:
    """Whenever a decision is to review, at least one pattern matches the raw bytes, however they are written."""
    match, some = case
    compiled = rules(match)
    privileged = [data for data in some if effect(data, compiled) is not Effect.ALLOW]
    event(f"privileged: {bool(privileged)}")
    if privileged:
        announced = gate_patterns(compiled, PROFILES)
        gate = Gate(announced)
        assert not announced.forced
        for data in privileged:
            assert gate.hits(data), (match, data)


@cache
def default_gate() -> Gate:
    """That of the shipped rules, which takes seconds."""
    return Gate(gate_patterns(compiled_defaults(), PROFILES))


NAMES = [
    "db.export",
    "db.export\u2003",
    "b\u200bash",
    "ｔｅｒｒａｆｏｒｍ",
    "bash",
    "run_sql",
    "terraform",
    "iam.create_role",
    "deploy",
    "refund",
    "http_request",
    "rollback",
]
COMMANDS = [
    "rm -rf /",
    "rm  -r x",
    "DROP\tTABLE t",
    "terraform -chdir=a apply",
    "apply",
    "curl -X DELETE h",
    "prod",
    "admin",
]


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(NAMES),
    st.sampled_from(COMMANDS),
    st.sampled_from(["command", "method", "sql", "amount"]),
    st.tuples(styles, styles),
    st.integers(0, 6),
)
def test_the_shipped_rules_never_miss(
    name: str, command: str, key: str, written: tuple[Style, Style], shape: int
) -> None:
    """What the shipped rules hold back passes the shipped gate, in every shape and as an argument vector."""
    outer, inner = written
    arguments = {key: command.split(" ") if shape % 2 else command, "amount": 900}
    shapes: list[Any] = [
        generic(action=name, params=arguments, environment="production"),
        openai(name, inner.write(arguments)),
        openai(name, inner.write(inner.write(arguments))),
        anthropic(name, arguments),
        mcp(name, arguments),
        {"request": {"messages": [openai(name, inner.write(arguments))]}},
        {"log": inner.write(openai(name, outer.write(arguments)))},
    ]
    data = outer.write(shapes[shape]).encode()
    if effect(data, compiled_defaults()) is not Effect.ALLOW:
        event("privileged")
        assert default_gate().hits(data), data


@pytest.mark.parametrize(
    ("match", "record", "hit"),
    [
        ({"action": "*.export"}, generic(action="customers.export"), True),
        ({"action": "*.export"}, generic(action="customers.read", reason="before the .export"), False),
        ({"action": "tool:run_sql"}, openai("run_sql", {"q": "1"}), True),
        ({"action": "tool:run_sql"}, openai("run", {"name": "run_sql"}), True),  # false, but safe
        ({"action": "tool:run_sql"}, openai("run", {"name": "use run_sql"}), False),
        ({"action": "tool:run_sql"}, {"role": "user", "content": 'say "run_sql"'}, False),
        ({"action": "tool:*payment*"}, generic(action="payments.list"), False),
        ({"action": "tool:*payment*"}, mcp("payments.list", {}), True),
        ({"action": "k8s:create:pods/exec"}, kubernetes("create", "pods"), False),
        ({"action": "iam.amazonaws.com:*key*"}, cloudtrail("iam.amazonaws.com", "ListUsers"), False),
        ({"action": "tool:*bash*", "params": {"**": "*rm -rf*"}}, openai("bash", {"c": "ls"}), False),
        ({"action": "tool:*bash*", "params": {"**": "*rm -rf*"}}, openai("bash", {"c": ["rm", "-rf"]}), True),
        ({"action": "tool:*bash*", "params": {"**": "*rm -rf*"}}, generic(reason="rm -rf"), False),
    ],
)
def test_patterns_tell_records_apart(match: dict[str, Any], record: dict[str, Any], hit: bool) -> None:
    """A pattern stands behind the key that it is about, and words elsewhere do not open the gate."""
    announced = gate_patterns(rules(match), PROFILES)
    assert not announced.forced
    assert Gate(announced).hits(Style(" ").write(record).encode()) is hit


ARGUMENTS_FIRST = {"tool_calls": [{"function": {"arguments": '{"c": "rm -rf x"}', "name": "bash"}}]}
TWO_ARNS = cloudtrail("s3.amazonaws.com", "GetObject", resources=[{"ARN": "arn:one"}, {"ARN": "two:arn"}])


@pytest.mark.parametrize(
    ("match", "record"),
    [
        ({"action": "tool:bash", "params": {"**": "*rm -rf*"}}, ARGUMENTS_FIRST),
        ({"action": "tool:bash", "params": {"**": "*rm -rf*"}}, openai("bash", {"c": "rm -rf x"})),
        ({"resource": "*one,two*"}, TWO_ARNS),
        ({"action": "tool:ab\\cd*"}, mcp("ab\\cd", {})),
        ({"action": "tool:*b\\cd/e*"}, openai('a"b\\cd/e', {})),
        ({"action": "*.export"}, generic(action="customers\n\t .export")),
        ({"action": "*.export"}, generic(action='"a" "b".export')),
        ({"action": "tool:*2424*"}, mcp("x", {}) | {"params": {"name": 142424, "arguments": {}}}),
        ({"action": "tool:4242*"}, mcp("x", {}) | {"params": {"name": 424242, "arguments": {}}}),
        ({"action": "*create:pods*"}, kubernetes("create", "pods")),
        (
            {"action": "k8s:*pods/exec"},
            kubernetes("create", "x", objectRef={"resource": "pods", "subresource": "exec"}),
        ),
        ({"environment": "production"}, generic(environment=" Production ")),
    ],
)
@pytest.mark.parametrize("style", [Style(), Style(" ", slashes=True), Style("\r\n\t")])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_ways_to_write_what_a_rule_is_about(
    match: dict[str, Any], record: dict[str, Any], style: Style, layers: int
) -> None:
    """Order of keys, lists, escapes, quotes, numbers and strings in strings do not slip through."""
    compiled = rules(match)
    text = style.write(record)
    for _ in range(layers):
        text = style.write(text)
    data = style.write({"log": text}).encode() if layers else text.encode()
    announced = gate_patterns(compiled, PROFILES)
    assert not announced.forced
    assert effect(data, compiled) is Effect.REVIEW
    assert Gate(announced).hits(data)


def test_templates_with_long_separators_are_split_where_they_are_sure() -> None:
    """A literal that may be partly the template's own text is not asked of the record."""
    from detectors.yamlfile import YamlFile
    from engine.actions.profile import read_profile

    text = "name: x\ndoc: d\nkind: fact\nwhen: {alpha: present}\ncalls: [{action: 'call {alpha}-to-{beta}'}]\n"
    profile = read_profile(YamlFile(text, "x.yaml"))
    for glob in ("*on-to*", "*to-beta*", "call one*", "*all one*", "call one-to-two", "*-to-*", "*e-to-two"):
        compiled = rules({"action": glob})
        data = b'{"beta": "beta two", "alpha": "one"}' if "beta" in glob else b'{"beta": "two", "alpha": "one"}'
        decided = compiled.strictest(extract(parse(data), [profile], WHO))
        announced = gate_patterns(compiled, [profile])
        if decided is not None and decided[1].effect is Effect.REVIEW:
            assert announced.forced or Gate(announced).hits(data), glob


def test_a_rule_without_literals_falls_back_to_the_shape_of_the_record() -> None:
    """A rule about everything still needs the keys of the profile, so that chat is not parsed."""
    announced = gate_patterns(rules({"action": "*"}), PROFILES)
    assert not announced.forced
    gate = Gate(announced)
    assert gate.hits(Style().write(mcp("x", {})).encode())
    assert not gate.hits(b'{"role": "user", "content": "hello"}')


def test_a_profile_without_keys_forces_a_parse_and_says_so() -> None:
    """Where nothing is necessary, the rule and the profile are named, for `policy check` to tell."""
    from detectors.yamlfile import YamlFile
    from engine.actions.profile import read_profile

    text = "name: any\ndoc: Anything.\nkind: fact\ncalls: [{action: ['{*}']}]\n"
    profile = read_profile(YamlFile(text, "any.yaml"))
    announced = gate_patterns(rules({"actor": "etl-*"}), [profile])
    assert (announced.patterns, announced.forced) == ([], [ForcesParse("r0", "any")])


def test_rules_that_cannot_match_a_profile_need_nothing() -> None:
    """A glob for Kubernetes gives no pattern for tool calls, and an allow rule gives none at all."""
    tools = [profile for profile in PROFILES if profile.name in ("openai", "anthropic", "mcp")]
    assert gate_patterns(rules({"action": "k8s:*:secrets"}), tools) == ([], [], [], [], [])
    assert gate_patterns(rules({"action": "tool:*"}, effect="allow"), PROFILES) == ([], [], [], [], [])
    assert gate_patterns(rules({"action": "*.export", "kind": "fact"}), tools) == ([], [], [], [], [])


def test_a_policy_of_many_and_long_globs_compiles() -> None:
    """Patterns are split before they are too long for Hyperscan, and each part still works."""
    some = [f"*.{'x' * 300}", *(f"*.action-{number}" for number in range(300))]
    compiled = rules({"action": some, "params": {"**": [f"*value-{n}*" for n in range(80)]}})
    announced = gate_patterns(compiled, PROFILES)
    assert not announced.forced
    gate = Gate(announced)
    assert gate.hits(Style().write(generic(action="a.action-299", params={"a": "value-79"})).encode())
    assert gate.hits(Style().write(generic(action=f"a.{'x' * 300}", params={"a": "value-0"})).encode())
    assert not gate.hits(Style().write(generic(action="a.action", params={"a": "value-79"})).encode())


def test_the_shipped_rules_force_no_parse_and_compile_small() -> None:
    """The shipped rules all have literals, in few patterns."""
    announced = gate_patterns(compiled_defaults(), PROFILES)
    assert not announced.forced
    assert len(announced.patterns) < 90
    assert not any(token in pattern for pattern in announced.patterns for token in (b"(?=", b"(?!", b"(?<"))


@pytest.mark.parametrize("white", ["", " ", r"\n", r"\t \r", r"\u000a", r"\u000b\u0020"])
@pytest.mark.parametrize("layers", [0, 1])
def test_a_glob_that_ends_with_a_word_asks_for_the_end_of_a_scalar(white: str, layers: int) -> None:
    """White space at the end is ignored, as globs do, however it is written; more of a text is another thing."""
    compiled = rules({"action": "k8s:delete*:namespaces"})
    gate = Gate(gate_patterns(compiled, PROFILES))
    text = Style().write(kubernetes("delete", "namespaces")).replace('"namespaces"', f'"namespaces{white}"')
    other = text.replace("namespaces", "namespaces/prod/pods")
    for _ in range(layers):
        text, other = json.dumps({"log": text}), json.dumps({"log": other})
    assert effect(text.encode(), compiled) is Effect.REVIEW
    assert gate.hits(spell_out(text.encode()))
    assert not gate.hits(spell_out(other.encode()))
