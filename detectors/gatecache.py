"""Compiled gates on disk, so that a process starts in a moment.

They are checked by `detectors.cachefile`: Hyperscan loads a database whose bytes have flipped without a word. Hyperscan
itself refuses one that was made for another processor.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

import hyperscan as hs

from detectors import cachefile


def load(patterns: Sequence[tuple[int, bytes]], flags: int) -> hs.Database | None:
    """The database that `save` kept for these patterns on such a machine; None if there is no sound one."""
    data = cachefile.load(_name(patterns, flags))
    if data is not None:
        with suppress(RuntimeError, hs.HyperscanError):  # compiling anew is always possible
            return hs.loadb(data, hs.HS_MODE_BLOCK)
    return None


def save(patterns: Sequence[tuple[int, bytes]], flags: int, database: hs.Database) -> None:
    """Keeps ``database`` for the next start."""
    with suppress(RuntimeError):
        cachefile.save(_name(patterns, flags), hs.dumpb(database))


def _name(patterns: Sequence[tuple[int, bytes]], flags: int) -> str:
    parts = [f"{version('hyperscan')} {platform.machine()} {flags}".encode()]
    parts += [part for number, pattern in patterns for part in (number.to_bytes(4, "big"), pattern)]
    return f"gate-{cachefile.digest(parts)}.hsdb"
