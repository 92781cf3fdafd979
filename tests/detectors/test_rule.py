"""Rule files: whatever cannot be used is refused by name, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.catalogue import load_rules
from detectors.errors import ConfigError
from detectors.rule import Example

GOOD = """\
family: test
rules:
  - id: one
    name: One
    entity: ONE
    pattern: 'one_([a-z]{8})'
    score: 0.9
    references: [https://example.org]
    examples: ['use one_«abcdefgh»']
    counter_examples: ['one_abc']
"""


def refused(tmp_path: Path, text: str) -> str:
    """The one line that says why ``text`` is refused."""
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_rules(path)
    message = str(error.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    return message.removeprefix(f"{path}:")


def test_a_good_file_is_a_list_of_rules(tmp_path: Path) -> None:
    """The family of the file is noted on each of its rules."""
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    [rule] = load_rules(path)
    assert (rule.id, rule.family) == ("one", "test")


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("score: 0.9", "scores: 0.9", 7, "did you mean 'score'"),
        ("score: 0.9", "score: 2", 7, "less than or equal to 1"),
        ("entity: ONE", "entity: one", 5, "entity"),
        ("'one_([a-z]{8})'", "'(?<=x)one_'", 6, "lookaround"),
        ("'one_([a-z]{8})'", "'(?=o)one_[a-z]+'", 6, "lookaround"),
        ("'one_([a-z]{8})'", "'[a-z]*'", 6, "matches"),
        ("'one_([a-z]{8})'", "'one_(['", 6, "not a"),
        ("score: 0.9", "score: 0.9\n    validator: luhm", 8, "did you mean 'luhn'"),
        ("score: 0.9", "score: 0.9\n    score: 0.8", 8, "duplicate key"),
        ("'use one_«abcdefgh»'", "'use one_abcdefgh'", 9, "marks nothing"),
        ("    references: [https://example.org]\n", "", 3, "is required"),
        ("rules:", "rule:", 2, "did you mean 'rules'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    """A typing error costs a look, not a search."""
    message = refused(tmp_path, GOOD.replace(old, new))
    assert message.startswith(f"{line}:"), message
    assert says in message


def test_an_id_is_used_once(tmp_path: Path) -> None:
    """Also over several files."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD)
    second.write_text(GOOD)
    with pytest.raises(ConfigError, match=r"b\.yaml:3: .*'one' is already used"):
        load_rules(first, second)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load_rules(tmp_path / "none.yaml")


def test_marks_become_byte_spans() -> None:
    """Offsets count bytes of the text without its marks."""
    example = Example.model_validate("é «ab» and «ü»")
    assert example.plain == "é ab and ü".encode()
    assert [example.plain[a:b].decode() for a, b in example.spans] == ["ab", "ü"]
