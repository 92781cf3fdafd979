"""`sluicegate rules`: list, check, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from detectors.catalogue import load_rules, shipped_files
from sluicegate.commands.rules import rules


def run(*arguments: str, given: str = "", code: int = 0) -> str:
    """What `sluicegate rules` writes, both streams."""
    result = CliRunner().invoke(rules, arguments, input=given)
    assert result.exit_code == code, result.output
    return result.output


def as_json(*arguments: str, given: str = "", code: int = 0) -> Any:
    return orjson.loads(run(*arguments, "--json", given=given, code=code))


def test_list_names_every_rule() -> None:
    """All rules are listed, as text and as JSON."""
    ids = {rule.id for rule in load_rules(*shipped_files())}
    assert {rule["id"] for rule in as_json("list")} == ids
    listed = run("list")
    assert [one for one in ids if one not in listed] == []


def test_list_knows_families() -> None:
    """A family narrows the list; one that does not exist is refused with those that do."""
    assert {rule["family"] for rule in as_json("list", "--family", "private-keys")} == {"private-keys"}
    assert "did you mean 'private-keys'" in run("list", "--family", "private-key", code=2)


def test_check_passes_the_shipped_rules() -> None:
    """The shipped catalogue keeps its promises, and the counts say how much was checked."""
    assert "0 failures" in run("check")


def test_check_fails_with_file_line_and_rule(tmp_path: Path) -> None:
    """A broken promise gives exit code 1 and one line that says where."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "family: mine\nrules:\n  - id: a\n    name: n\n    entity: A\n    pattern: 'abc[0-9]'\n    score: 0.5\n"
        "    references: [x]\n    examples: ['«abc1»']\n    counter_examples: ['abc2']\n",
        encoding="utf-8",
    )
    assert f"{path}:10: a: must be silent" in run("check", str(path), code=1)
    assert as_json("check", str(path), code=1)["failures"][0]["rule_id"] == "a"


@pytest.mark.parametrize("form", ["argument", "stdin"])
def test_explain_says_why(form: str) -> None:
    """A refused candidate has its reason, a confirmed one its score; the secret is not repeated."""
    text = "card 4111111111111112 password=hunter2"
    out = run("explain", text) if form == "argument" else run("explain", "-", given=text + "\n")
    assert "refused: fails credit_card" in out
    assert "[PASSWORD] by " in out
    assert "hunter2" not in out


def test_explain_reads_records() -> None:
    """In a JSON record each text is explained under its path, JSON in strings included."""
    found = as_json("explain", "-", given='{"args":"{\\"db\\":{\\"password\\":\\"hunter2\\"}}"}')
    (one,) = [text for text in found if text["findings"]]
    assert one["path"].endswith("db.password")
    assert one["findings"][0]["rule_id"] == "password-field"


def test_explain_never_fails_on_silence() -> None:
    """No finding is an answer, not an error."""
    assert "0 findings" in run("explain", "nothing here")


@pytest.mark.parametrize("command", ["list", "check", "explain"])
def test_help_shows_an_example(command: str) -> None:
    """Each command's help has an example to copy."""
    assert f"sluicegate rules {command}" in run(command, "--help")
