"""Compiled gates on disk, so that a process starts in a moment.

A file is named by what went into it and begins with the SHA-256 of the rest: Hyperscan loads a database whose
bytes have flipped without a word. Hyperscan itself refuses one that was made for another processor.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import hyperscan as hs

_DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """Where gates are kept: ``$XDG_CACHE_HOME/sluicegate``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sluicegate"


def load(patterns: Sequence[tuple[int, bytes]], flags: int) -> hs.Database | None:
    """The database that `save` kept for these patterns on such a machine; None if there is no sound one."""
    try:
        data = _path(patterns, flags).read_bytes()
        if hashlib.sha256(data[_DIGEST:]).digest() == data[:_DIGEST]:
            return hs.loadb(data[_DIGEST:], hs.HS_MODE_BLOCK)
    except (OSError, RuntimeError, hs.HyperscanError):
        pass  # compiling anew is always possible
    return None


def save(patterns: Sequence[tuple[int, bytes]], flags: int, database: hs.Database) -> None:
    """Keeps ``database`` for the next start; a cache that cannot be written to is no error."""
    with suppress(OSError, RuntimeError):
        path = _path(patterns, flags)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        body = hs.dumpb(database)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(body).digest() + body)
        os.replace(file.name, path)  # whole or not at all, also with several processes at once


def _path(patterns: Sequence[tuple[int, bytes]], flags: int) -> Path:
    key = hashlib.sha256(f"{version('hyperscan')} {platform.machine()} {flags} ".encode())
    for number, pattern in patterns:
        key.update(number.to_bytes(4, "big") + len(pattern).to_bytes(4, "big") + pattern)
    return cache_folder() / f"gate-{key.hexdigest()[:32]}.hsdb"
