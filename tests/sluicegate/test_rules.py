"""`sluicegate rules`: list, check, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from detectors.catalogue import load_rules, shipped_files
from detectors.rule import Rule
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


FEW = ("devices.yaml", "packages.yaml")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[Rule]:
    """The rules of a catalogue that ships with a few families only: what each command does to all of them takes long."""
    paths = [path for path in shipped_files() if path.name in FEW]
    monkeypatch.setattr("detectors.catalogue.shipped_files", lambda: paths)
    return load_rules(*paths)


def test_check_passes_the_shipped_rules(few: list[Rule]) -> None:
    """Without files, those of the catalogue: they keep their promises, and the counts say how much was checked.

    That all of it does is a test of the catalogue.
    """
    examples, silent = sum(len(rule.examples) for rule in few), sum(len(rule.counter_examples) for rule in few)
    told = run("check")
    assert f"2 files, {len(few)} rules: {examples} examples, {silent} counter-examples, " in told
    assert told.endswith("; 0 failures\n")


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


OWN = """\
rules:
  - {id: acme-key, name: n, entity: ACME_KEY, pattern: 'acme_[a-z]{8}', score: 0.9, references: [x],
     examples: ['«acme_abcdefgh»'], counter_examples: [acme_a]}
disable: [us-itin]
override: [{id: email-address, score: 0.3}]
allow:
  - {entities: [IP_ADDRESS], path: 'build.**', because: addresses of the build net}
  - {value: '[a-z]+:pw7@ours', because: not what was found}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A rule file of a user's own, named by a policy beside it."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    (tmp_path / "policy.yaml").write_text("rules: {files: [own.yaml]}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("by", ["policy", "rules"])
def test_own_rules_are_known_everywhere(own: Path, by: str) -> None:
    """By the policy that names their file, or by the file itself."""
    given = ["--policy", str(own.with_name("policy.yaml"))] if by == "policy" else ["--rules", str(own)]
    listed = {rule["id"]: rule for rule in as_json("list", *given)}
    assert listed["acme-key"]["family"] == "own"
    assert listed["email-address"]["score"] == 0.3
    assert "us-itin" not in listed
    report = as_json("check", *given)
    assert (report["rules"], report["disabled"], report["overridden"], report["exemptions"]) == (1, 1, 1, 2)
    record = (
        '{"build":{"ip":"10.1.2.3"},"ip":"10.1.2.3","k":"acme_abcdefgh","to":"a@b.example","u":"db://ann:pw7@ours"}'
    )
    found = {text["path"]: text for text in as_json("explain", *given, "-", given=record)}
    assert [f["rule_id"] for f in found["k"]["findings"]] == ["acme-key"]
    assert found["ip"]["findings"]
    assert not found["build.ip"]["findings"]
    assert "own.yaml:7 (addresses of the build net)" in found["build.ip"]["candidates"][0]["refused"]
    assert "below the policy's 0.40" in found["to"]["candidates"][0]["refused"]
    assert "URL_PASSWORD" in {f["entity"] for f in found["u"]["findings"]}


def test_explain_says_why_one_wins() -> None:
    """What lost an overlap names the rule that covers it, and what decided."""
    given = "password=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"
    lost = [c for text in as_json("explain", given) for c in text["candidates"] if c["score"] and not c["won"]]
    assert {c["lost_to"] for c in lost} == {"github-token"}
    assert all("surer" in c["because"] for c in lost)
    assert "covered by github-token: it is surer" in run("explain", given)


def test_check_measures_rules_on_logs(few: list[Rule], tmp_path: Path) -> None:
    """The own cost of each, one's own rules and those that are shipped, how often it hits and finds; the dearest first."""
    own, logs = tmp_path / "own.yaml", tmp_path / "logs.ndjson"
    own.write_text(OWN.partition("disable")[0], encoding="utf-8")
    logs.write_text('{"k":"acme_abcdefgh"}\n{"a":1}\nplain acme_abcdefgh\n', encoding="utf-8")
    result = CliRunner().invoke(rules, ["check", "--json", str(own), "--logs", str(logs)])
    assert "3 records" in result.stderr
    report = orjson.loads(result.stdout)
    by_id = {cost["rule_id"]: cost for cost in report["costs"]}
    assert set(by_id) == {"acme-key", *(rule.id for rule in few)}
    assert (by_id["acme-key"]["hits"], by_id["acme-key"]["findings"]) == (2, 2)
    totals = [cost["total_ms"] for cost in report["costs"]]
    assert totals == sorted(totals, reverse=True)
    assert min(totals) >= 0
