"""Tests of the shipped rules that are kept for the next start: they are those of the files, or are read anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors import cachefile, derived
from detectors.catalogue import Catalogue, shipped_files
from detectors.compiled import Budget
from detectors.errors import ConfigError
from detectors.finding import Text

RULES = """
family: test
rules:
  - id: first
    name: First
    entity: FIRST
    pattern: first-([0-9]{6})
    score: 1
    references: [https://example.com]
    examples: ["first-«123456»"]
    counter_examples: [first]
    context: [number]
  - id: second
    name: Second
    entity: SECOND
    pattern: second-[a-z]{6}
    key: secret
    score: 0.5
    references: [https://example.com]
    examples: [{text: "«second-abcdef»", key: secret}]
    counter_examples: [second]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sluicegate"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def test_kept_rules_are_those_of_the_files() -> None:
    """Each shipped rule comes back as it was, its gate and where it is from included."""
    first = Catalogue.read(shipped_files())
    name = derived.name_of(path.read_bytes() for path in shipped_files())
    assert derived.load(name) is not None
    again = Catalogue.read(shipped_files())
    assert [*again.rules] == [*first.rules]
    for name, one in first.rules.items():
        kept = again.rules[name]
        assert (kept.rule, kept.gate, kept.numeric) == (one.rule, one.gate, one.numeric)
        assert kept.anchors == one.anchors
    assert again._origin == first._origin


def test_kept_rules_find_the_same(file: Path) -> None:
    """A rule whose parts are compiled late finds what one that was compiled at once does."""
    found = []
    for _ in range(2):
        rules = Catalogue.read([file]).rules.values()
        texts = [Text(b"number first-123456"), Text(b"second-abcdef", b"secret"), Text(b"second-abcdef", b"other")]
        found.append([one.findings(text, Budget()) for one in rules for text in texts])
    assert found[0] == found[1]
    assert [len(one) for one in found[0]] == [1, 0, 0, 0, 1, 0]


def test_broken_files_are_read_anew(file: Path, folder: Path) -> None:
    """Whatever became of what was kept, the rules are those of the file."""
    Catalogue.read([file])
    (kept,) = folder.glob("rules-*.json")
    kept.write_bytes(b"x" * 100)
    assert [*Catalogue.read([file]).rules] == ["first", "second"]


def test_a_changed_file_is_read_anew(file: Path) -> None:
    """What was kept of a file is not used once it has changed, whether it is sound or not."""
    Catalogue.read([file])
    file.write_text(RULES.replace("id: second", "id: third"))
    assert [*Catalogue.read([file]).rules] == ["first", "third"]
    file.write_text(RULES.replace("id: second", "id: first"))
    with pytest.raises(ConfigError, match="'first' is already used"):
        Catalogue.read([file])


def test_changed_code_reads_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other code derived is not used."""
    Catalogue.read([file])
    before = derived.name_of([b"text"])
    monkeypatch.setattr(cachefile, "code", lambda _: b"other code")
    assert derived.name_of([b"text"]) != before


def test_an_own_file_may_not_use_the_id_of_a_kept_rule(file: Path, tmp_path: Path) -> None:
    """Where a rule is from is known of kept ones too."""
    own = tmp_path / "own.yaml"
    own.write_text(RULES)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"'first' is already used in .*rules\.yaml"):
            Catalogue.read([file], [own])
