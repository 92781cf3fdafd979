"""Tests of what announces actions, kept for the next start."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.actions import kept
from engine.actions.defaults import compiled_defaults
from engine.actions.literals import GatePatterns, gate_patterns
from engine.actions.profile import shipped_profiles


def test_what_is_kept_is_what_was_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time the same comes from the disk; other texts, or a broken file, work it out anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rules, profiles = compiled_defaults(), shipped_profiles()
    expected, asked = gate_patterns(rules, profiles), []

    def working(*given: object) -> GatePatterns:
        asked.append(given)
        return expected

    monkeypatch.setattr(kept, "gate_patterns", working)
    assert kept.kept_patterns(rules, profiles, ["one"]) == expected
    assert kept.kept_patterns(rules, profiles, ["one"]) == expected
    assert len(asked) == 1
    assert kept.kept_patterns(rules, profiles, ["two"]) == expected
    assert len(asked) == 2
    for file in (tmp_path / "sluicegate").glob("actions-*.json"):
        file.write_bytes(file.read_bytes()[:-1])
    assert kept.kept_patterns(rules, profiles, ["one"]) == expected
    assert len(asked) == 3
