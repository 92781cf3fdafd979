"""Tests of the cache on disk: what it gives back is what was kept there by this user, whole, or nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from detectors import cachefile


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sluicegate"


def test_gives_back_what_was_kept(folder: Path) -> None:
    """What was kept is there again, in a folder that is the user's alone."""
    cachefile.save("a.json", b"body")
    assert cachefile.load("a.json") == b"body"
    assert cachefile.load("b.json") is None
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("at", [0, 31, 32, 35])
def test_refuses_flipped_bytes(folder: Path, at: int) -> None:
    """A byte that flipped, in the digest or behind it, makes a file worthless."""
    cachefile.save("a.json", b"body")
    data = bytearray((folder / "a.json").read_bytes())
    data[at] ^= 1
    (folder / "a.json").write_bytes(data)
    assert cachefile.load("a.json") is None


def test_refuses_a_file_cut_short(folder: Path) -> None:
    """So does an end that is missing."""
    cachefile.save("a.json", b"body")
    (folder / "a.json").write_bytes((folder / "a.json").read_bytes()[:-1])
    assert cachefile.load("a.json") is None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_refuses_what_others_may_write(folder: Path, mode: int) -> None:
    """A sound file that somebody else may have written is not read, nor one in a folder of that kind."""
    cachefile.save("a.json", b"body")
    (folder / "a.json").chmod(mode)
    assert cachefile.load("a.json") is None
    (folder / "a.json").chmod(0o600)
    assert cachefile.load("a.json") == b"body"
    folder.chmod(0o100 | mode)
    assert cachefile.load("a.json") is None
    folder.chmod(0o700)


def test_what_was_not_used_for_long_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the cache of who edits a policy again and again does not grow for ever."""
    monkeypatch.setattr(cachefile, "_KEPT", 3)
    for number, name in enumerate("abc"):
        cachefile.save(name, b"body")
        os.utime(folder / name, (number, number))
    assert cachefile.load("a") == b"body"
    cachefile.save("d", b"body")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c", "d"]


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path) -> None:
    """Where the folder cannot be made, everything is worked out anew each time."""
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"a file")
    cachefile.save("a.json", b"body")
    assert cachefile.load("a.json") is None


def test_parts_are_told_apart() -> None:
    """A digest names the parts, not only their bytes in a row."""
    assert cachefile.digest([b"ab", b"c"]) != cachefile.digest([b"a", b"bc"])
    assert cachefile.digest([b"a"]) == hashlib.sha256(b"\0\0\0\0\0\0\0\1a").hexdigest()[:32]


def test_changed_code_is_another_thing(tmp_path: Path) -> None:
    """What names a folder's code changes with any of its sources."""
    first, second = tmp_path / "first", tmp_path / "second"
    for one, text in ((first, "x = 1"), (second, "x = 2")):
        one.mkdir()
        (one / "a.py").write_text(text)
    assert cachefile.code(first) != cachefile.code(second)
