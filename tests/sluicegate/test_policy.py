"""`sluicegate policy`, and how errors of any command look."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from detectors.yamlfile import YamlFile
from sluicegate import cli
from sluicegate.cli import main


def run(*arguments: str | Path, given: str = "", code: int = 0) -> str:
    """What the command writes."""
    done = CliRunner().invoke(main, [str(a) for a in arguments], input=given)
    assert done.exit_code == code, done.output
    return done.output


def test_check_says_what_a_policy_does() -> None:
    """Digest, rules, methods, and what is privileged, in the order in which it is tried."""
    out = run("policy", "check")
    assert "the shipped policy: fine" in out
    assert "sha256:" in out
    assert out.index(" data-export ") < out.index(" rollback ")


def test_check_says_what_a_policy_costs(tmp_path: Path) -> None:
    """A rule that nothing in the bytes announces makes each record be parsed."""
    path = tmp_path / "policy.yaml"
    path.write_text("paths: {always: [{path: '*', entity: ALL}]}\n")
    assert "every record is parsed, since paths.always: '*' names nothing" in run("policy", "check", path)


def test_check_refuses_with_one_line_and_exit_code_two(tmp_path: Path) -> None:
    """File, line, key, and what was probably meant."""
    path = tmp_path / "policy.yaml"
    path.write_text("name: x\nredacton: {}\n")
    out = run("policy", "check", path, code=2)
    assert out == f"sluicegate: {path}:2: redacton: unknown key 'redacton' (did you mean 'redaction'?)\n"


def test_the_schema_is_one() -> None:
    """Editors check a policy with it; the shipped one passes."""
    schema = json.loads(run("policy", "schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(YamlFile(run("policy", "show", "default"), "default").data, schema)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (
            '{"actor":"etl-7","action":"db.export"}',
            ["generic proposal: db.export", "→ data-export", "review by data-export"],
        ),
        ('{"actor":"etl-7","action":"db.read"}', ["allow: no rule matches"]),
        ('{"action":"db.export"}', ["nobody is named as its initiator"]),
        ('{"a":1}', ["no profile reads an action"]),
    ],
)
def test_explain_tells_each_rule_that_was_tried(record: str, says: list[str]) -> None:
    """The order of rules can be followed to the one that decided."""
    out = run("policy", "explain", given=record)
    assert all(one in out for one in says), out


def test_an_unforeseen_error_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its message nor a traceback: they may hold what a record held."""

    def broken(*_: object) -> None:
        raise RuntimeError("jane@corp.example")

    monkeypatch.setattr("engine.policy.load_policy", broken)
    out = run("policy", "check", code=1)
    assert "internal error: RuntimeError in test_policy.py" in out
    assert "jane" not in out
    assert "Traceback" not in out


def test_help_names_each_command_without_loading_it() -> None:
    """And each command's help has an example."""
    out = run("--help")
    for name in cli.COMMANDS:
        assert f"\n  {name} " in out
        assert "xample" in run(name, "--help") or name in ("policy", "rules")
