"""Tests of compiled gates on disk: those that are dear come back, those that are not take no room there."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors import gate
from detectors.gate import Gate

WORDS = [b"first", b"second", b"third", b"fourth", b"fifth"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sluicegate"


def test_a_gate_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process that wants it reads it, and it hits as it did; a broken one is compiled anew."""
    Gate(WORDS)
    [kept] = folder.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(gate, "_compile", lambda _: pytest.fail("compiled again"))
        assert list(Gate(WORDS).hits(b"the third")) == [2]
    kept.write_bytes(kept.read_bytes()[:-1])
    assert list(Gate(WORDS).hits(b"the fifth")) == [4]


def test_a_gate_of_few_patterns_pushes_nothing_out(folder: Path) -> None:
    """A check that compiles each rule alone leaves what a start needs where it is."""
    for word in WORDS:
        assert list(Gate([word]).hits(b"the first")) == ([0] if word == b"first" else [])
    assert not folder.exists()


def test_one_long_pattern_is_kept(folder: Path) -> None:
    """It may take seconds to compile."""
    Gate([b"|".join(b"word%d" % number for number in range(600))])
    assert len([*folder.iterdir()]) == 1
