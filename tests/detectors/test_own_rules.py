"""A user's own rule files: rules are added, switched off and changed, values exempted; what cannot be used is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.catalogue import Catalogue
from detectors.check import check_files
from detectors.errors import ConfigError

SHIPPED = """\
family: base
rules:
  - id: plain-code
    name: Code
    entity: CODE
    pattern: 'code-([0-9]{4})'
    score: 0.5
    references: [https://example.org]
    examples: ['a code-«1234»']
    counter_examples: ['code-12']
  - id: other-code
    name: Other
    entity: OTHER
    pattern: 'other-[0-9]{4}'
    score: 0.5
    references: [https://example.org]
    examples: ['an «other-1234»']
    counter_examples: ['other-12']
"""
OWN = """\
family: ours
rules:
  - id: our-key
    name: Our key
    entity: OUR_KEY
    pattern: 'our_([a-z]{8})'
    score: 0.9
    references: [https://example.org]
    examples: ['use our_«abcdefgh»']
    counter_examples: ['our_abc']
disable: [other-code]
override:
  - {id: plain-code, score: 0.8, entity: SECRET_CODE}
allow:
  - {rules: [plain-code], value: '1[0-9]{3}', because: inner numbers}
"""


def read(tmp_path: Path, own: str) -> Catalogue:
    """What the two files make together. Raises ConfigError."""
    (tmp_path / "shipped.yaml").write_text(SHIPPED, encoding="utf-8")
    (tmp_path / "own.yaml").write_text(own, encoding="utf-8")
    return Catalogue.read([tmp_path / "shipped.yaml"], [tmp_path / "own.yaml"])


def test_a_file_adds_switches_off_and_changes(tmp_path: Path) -> None:
    """What an override does not name stays as it was."""
    rules = {name: one.rule for name, one in read(tmp_path, OWN).rules.items()}
    assert set(rules) == {"plain-code", "our-key"}
    assert (rules["plain-code"].score, rules["plain-code"].entity) == (0.8, "SECRET_CODE")
    assert rules["plain-code"].pattern == "code-([0-9]{4})"
    assert (rules["our-key"].family, rules["plain-code"].family) == ("ours", "base")


def test_an_exemption_covers_a_rule_and_a_whole_value(tmp_path: Path) -> None:
    """Neither another rule's finding, nor one that only begins like the value."""
    [one] = read(tmp_path, OWN).exemptions
    assert one.covers("plain-code", "SECRET_CODE", b"1234")
    assert not one.covers("our-key", "OUR_KEY", b"1234")
    assert not one.covers("plain-code", "SECRET_CODE", b"12345")
    assert (Path(one.file).name, one.line) == ("own.yaml", 15)


PATTERN = "'our_([a-z]{8})'"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        (PATTERN, "'(?=o)our_([a-z]{8})'", 6, "our-key: .*lookaround"),
        (PATTERN, "'(?<!x)our_([a-z]{8})'", 6, "our-key: .*lookaround"),
        (PATTERN, "'([a-z])\\1our_'", 6, "our-key: .*back-reference"),
        (PATTERN, "'(?:our_)*'", 6, "our-key: .*matches almost anything"),
        (PATTERN, "'a*|our_b'", 6, "our-key: .*matches"),
        (PATTERN, "'.*'", 6, "our-key: .*matches almost anything"),
        (PATTERN, "'(?s).{3,}'", 6, "our-key: matches everything"),
        (PATTERN, "'our_([a-z]{9})'", 9, "our-key: expected bytes 8 to 16, found nothing"),
        ("'our_abc'", "'our_abcdefgh'", 10, "our-key: must be silent"),
        ("score: 0.9", "score: 0.9\n    validator: lun", 8, "our-key: .*unknown validator 'lun'.*'luhn'"),
        ("score: 0.9", "score: 9", 7, "our-key: .*less than or equal to 1"),
        ("id: our-key", "id: plain-code", 3, "plain-code: .*already used in .*shipped.yaml"),
        ("[other-code]", "[other-cod]", 11, "other-cod: .*did you mean 'other-code'"),
        ("{id: plain-code, ", "{id: plain-cod, ", 13, "plain-cod: .*did you mean 'plain-code'"),
        ("{id: plain-code, ", "{", 13, "needs an id"),
        ("score: 0.8", "scores: 0.8", 13, "plain-code: .*did you mean 'score'"),
        ("score: 0.8", "pattern: 'c([0-9]+)x'", 13, "plain-code: expected bytes 7 to 11, found nothing"),
        ("{rules: [plain-code], value", "{rules: [plain-cod], value", 15, "did you mean 'plain-code'"),
        ("{rules: [plain-code], value", "{entities: [COD], value", 15, "no rule finds 'COD'"),
        ("value: '1[0-9]{3}'", "value: '1[0-9'", 15, "not a linear-time regular expression"),
        ("value: '1[0-9]{3}'", "value: '.*'", 15, "matches everything"),
        ("value: '1[0-9]{3}', ", "", 15, "exempts too much"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    """When rules load, with file, line and rule; `rules check` says the same."""
    assert old in OWN
    with pytest.raises(ConfigError, match=says) as error:
        read(tmp_path, OWN.replace(old, new))
    assert str(error.value).startswith(f"{tmp_path / 'own.yaml'}:{line}: ")
    report = check_files([tmp_path / "own.yaml"], after=Catalogue.read([tmp_path / "shipped.yaml"]))
    assert str(error.value) in [str(failure) for failure in report.failures]


def test_a_value_may_be_anything_in_its_place(tmp_path: Path) -> None:
    """An exemption that names rules and a path needs no value."""
    [one] = read(tmp_path, OWN.replace("value: '1[0-9]{3}'", "path: build.**")).exemptions
    assert one.covers("plain-code", "SECRET_CODE", b"9999")


def test_a_check_counts_what_a_file_changes(tmp_path: Path) -> None:
    """Rules that are added, switched off and changed, and exemptions."""
    read(tmp_path, OWN)
    report = check_files([tmp_path / "own.yaml"], after=Catalogue.read([tmp_path / "shipped.yaml"]))
    assert report.failures == []
    assert (report.rules, report.disabled, report.overridden, report.exemptions) == (1, 1, 1, 1)
