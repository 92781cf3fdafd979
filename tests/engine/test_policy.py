"""Policy files: strict, explained by file, line and key, and named by a digest of all they do."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from detectors.errors import ConfigError
from detectors.yamlfile import YamlFile
from engine.policy import load_policy
from engine.policy.load import DEFAULT_POLICY
from engine.policy.model import PolicyFile
from engine.policy.paths import PathPattern, joined, written

RULES = """
family: test
rules:
  - {id: mail, name: m, entity: EMAIL_ADDRESS, pattern: '[a-z]{2,9}@[a-z]{2,9}', score: 0.9, references: [x],
     examples: ['«ab@cd»'], counter_examples: [x]}
"""
HEAD = "name: test\nrules: {shipped: false, files: [rules.yaml]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a rule file."""
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "short").write_text("too-short")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    """A policy file with ``text`` after two lines of its own."""
    path = folder / "policy.yaml"
    path.write_text(HEAD + text)
    return path


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("redactions: {}", 3, "redactions: unknown key 'redactions' (did you mean 'redaction'?)"),
        ("redaction:\n  defualt: mask", 4, "redaction.defualt: unknown key 'defualt' (did you mean 'default'?)"),
        ("redaction:\n  default: obscure", 4, "redaction.default: Input should be 'replace'"),
        ("redaction:\n  entities:\n    EMAIL_ADRESS: mask", 5, "no rule finds 'EMAIL_ADRESS' (did you mean 'EMAIL_ADDRESS'?)"),
        ("redaction:\n  default: hash", 4, "redaction.default: the method 'hash' needs a key"),
        ("redaction:\n  entities:\n    EMAIL_ADDRESS: tokenize", 5, "redaction.entities.EMAIL_ADDRESS: the method 'tokenize' needs a key"),
        ("paths:\n  always:\n    - path: a\n      method: tokenize", 6, "paths.always[0].method: the method 'tokenize' needs a key"),
        ("redaction: {default: hash}\nkeys:\n  - {env: NOT_SET_AT_ALL}", 5, "keys[0]: the environment variable NOT_SET_AT_ALL is not set"),
        ("redaction: {default: hash}\nkeys: [{file: no.key}]", 4, "openssl rand -hex 32"),
        ("keys:\n  - {file: rules.yaml}\n  - {id: k2, file: short}", 5, "keys[1]: a key needs at least 16 bytes"),
        ("keys:\n  - {id: a, file: rules.yaml}\n  - {id: a, file: rules.yaml}", 5, "keys[1].id: two keys are called 'a'"),
        ("keys: [{env: A, file: b}]", 3, "give either env or file"),
        ("keys: [{id: 'a b', file: b}]", 3, "keys[0].id: String should match pattern"),
        ("tenant: {}", 3, "tenant: give either field or topic"),
        ("tenant:\n  field: a.*", 3, "tenant: the path 'a.*' must name one field"),
        ("tenant: {topic: '('}", 3, "tenant: not a pattern that RE2 takes"),
        ("paths:\n  never:\n    - {path: a..b}", 5, "has an empty name"),
        ("paths:\n  only:\n    - {path: a, entities: [NOPE]}", 5, "no rule finds 'NOPE'"),
        ("topics:\n  - {match: a, profiles: [cloudtrial]}", 4, "no profile is called 'cloudtrial' (did you mean 'cloudtrail'?)"),
        ("topics:\n  - {match: a, on_unparsable: quarantine}", 4, "needs format: json"),
        ("limits:\n  bytes: 0", 4, "greater than 0"),
        ("expires: 1w", 3, "is not a duration"),
        ("actions:\n  - id: a\n    effect: reviwe\n    match: {action: x}", 5, "Input should be 'review'"),
        ("actions:\n  - id: a\n    effect: allow\n    match: {acton: x}", 6, "did you mean 'action'?"),
        ("actions:\n  - {id: a, effect: allow, match: {action: x}}\n  - {id: a, effect: allow, match: {action: y}}", 5, "the id 'a' is that of rule 1 too"),
        ("name: twice", 3, "duplicate key 'name'"),
        ("version: 2", 3, "Input should be 1"),
        ("limits: [", 4, "did not find"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(folder: Path, text: str, line: int, says: str) -> None:
    """One line that says file, line, key, and what was probably meant."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as error:
        load_policy(path, environ={})
    message = str(error.value)
    assert message.startswith(f"{path}:{line}"), message
    assert says in message
    assert "\n" not in message


def test_an_unknown_rule_cannot_be_disabled(folder: Path) -> None:
    """It may have been renamed: its owner must know that it is on."""
    path = folder / "policy.yaml"
    path.write_text("rules:\n  shipped: false\n  files: [rules.yaml]\n  disable: [mial]\n")
    with pytest.raises(ConfigError, match=r"4: rules.disable\[0\]: no rule is called 'mial' \(did you mean 'mail'\?\)"):
        load_policy(path)


def test_the_digest_names_all_that_the_policy_does(folder: Path) -> None:
    """A changed rule file changes it, though the policy file is the same."""
    path = write(folder, "")
    before = load_policy(path).digest
    assert load_policy(path).digest == before
    (folder / "rules.yaml").write_text(RULES.replace("0.9", "0.8"))
    assert load_policy(path).digest != before


def test_the_text_behind_the_digest_holds_the_files(folder: Path) -> None:
    """So that it can be shown later."""
    policy = load_policy(write(folder, "# why: audit 12"))
    text = json.loads(policy.text)
    assert "# why: audit 12" in text["policy"]
    assert text["rules"]["rules.yaml"] == RULES


def test_a_key_never_stands_in_the_text(folder: Path) -> None:
    """Nor in the repr."""
    (folder / "key").write_text("f00dfeedf00dfeedf00dfeed")
    policy = load_policy(write(folder, "redaction: {default: hash}\nkeys: [{file: key}]"))
    assert "f00dfeed" not in policy.text
    assert "f00dfeed" not in repr(policy)


def test_the_shipped_policy_loads_and_fits_its_schema() -> None:
    """The schema that editors get accepts what the loader accepts."""
    policy = load_policy()
    assert policy.reads_all == ()
    assert len(policy.detector.rules) >= 40
    jsonschema.validate(YamlFile.read(DEFAULT_POLICY).data, PolicyFile.model_json_schema())


def test_the_schema_describes_every_key() -> None:
    """An editor shows what a key is for."""
    schema = PolicyFile.model_json_schema()
    own = [schema, *(part for name, part in schema["$defs"].items() if name in ("Redaction", "Limits", "Topic"))]
    undescribed = [
        key
        for part in own
        for key, value in part.get("properties", {}).items()
        if "description" not in value and "$ref" not in value and key not in ("version", "name", "topics", "format")
    ]
    assert undescribed == []


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.b", (b"a", b"b"), True),
        ("a.b", (b"a", b"b", b"c", 0), True),
        ("a.b", (b"a",), False),
        ("a.b", (b"a", b"bc"), False),
        ("a.*.c", (b"a", 3, b"c"), True),
        ("a.*.c", (b"a", b"c"), False),
        ("**.c", (b"c",), True),
        ("**.c", (b"x", b"y", b"c"), True),
        ("a.**.c", (b"a", b"c"), True),
        ("a\\.b", (b"a.b",), True),
        ("a\\.b", (b"a", b"b"), False),
        ("a.0", (b"a", 0), True),
        ("*", (), False),
    ],
)
def test_path_patterns(pattern: str, path: tuple[bytes | int, ...], *, matches: bool) -> None:
    """A place or what is below it."""
    assert PathPattern(pattern).matches(joined(path)) is matches


def test_a_written_path_is_a_pattern_for_itself() -> None:
    """What a decision record says can be copied into a policy."""
    path = (b"a.b", 0, b"c", "ü".encode())
    assert PathPattern(written(path)).matches(joined(path))
