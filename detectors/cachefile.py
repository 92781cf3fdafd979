"""What is dear to work out at every start, kept on disk: compiled gates, and what is derived from rules.

A file is named by a digest of all that went into it, the sources of the code that derived it included, and begins
with the SHA-256 of the rest. One that belongs to somebody else, or that others may write to, is not read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

_DIGEST = hashlib.sha256().digest_size
_KEPT = 300  # files; a policy has some twenty, and shares most of them with others, so those of many edits go


def cache_folder() -> Path:
    """Where the files are: ``$XDG_CACHE_HOME/sluicegate``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sluicegate"


def digest(parts: Iterable[bytes]) -> str:
    """32 hex digits that name ``parts``, wherever one ends and the next begins."""
    key = hashlib.sha256()
    for part in parts:
        key.update(len(part).to_bytes(8, "big") + part)
    return key.hexdigest()[:32]


@cache
def code(folder: Path) -> bytes:
    """What names the code in ``folder`` and the Python that runs it: with either, what is derived changes."""
    sources = sorted(folder.glob("*.py"))
    return digest([sys.version.encode(), *(path.read_bytes() for path in sources)]).encode()


def load(name: str) -> bytes | None:
    """What `save` kept under ``name``; None if there is nothing sound."""
    path = cache_folder() / name
    try:
        with path.open("rb") as file:
            about, folder = os.fstat(file.fileno()), path.parent.stat()
            if _is_ours(about) and _is_ours(folder):
                data = file.read()
                if hashlib.sha256(data[_DIGEST:]).digest() == data[:_DIGEST]:
                    with suppress(OSError):
                        os.utime(path)  # for `_tidy`
                    return data[_DIGEST:]
    except OSError:
        pass  # working it out anew is always possible
    return None


def save(name: str, body: bytes) -> None:
    """Keeps ``body`` for the next start; a cache that cannot be written to is no error."""
    with suppress(OSError):
        path = cache_folder() / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(body).digest() + body)
        os.replace(file.name, path)  # whole or not at all, also with several processes at once
        _tidy(path.parent)


def _tidy(folder: Path) -> None:
    """Leaves what was used last; who still needs what goes here works it out anew."""
    with os.scandir(folder) as found:
        files = sorted(((one.stat().st_mtime, one.path) for one in found if one.is_file()), reverse=True)
    for _, path in files[_KEPT:]:
        os.unlink(path)


def _is_ours(about: os.stat_result) -> bool:
    return about.st_uid in (os.geteuid(), 0) and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
