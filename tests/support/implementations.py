"""Python's inner loops and, where it was built, the compiled helper: tests of what both must do run over each."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import NoReturn

import pytest

from detectors.anchors import Scan, scan_pure
from engine.escapes import JSON, Unescaped, raw_offset_pure, unescape_bytes_pure
from engine.jsontext import Locate, Place, locate_pure
from engine.touched import Touching, completed, touched_pure


@dataclass(frozen=True)
class Loops:
    """One implementation of the functions that there are two of."""

    locate: Locate
    unescape_bytes: Callable[[bytes], bytes]
    raw_offset: Callable[[bytes, int, bool], int]
    scan: Scan
    touched: Touching

    def unescape(self, raw: bytes) -> Unescaped:
        """`engine.escapes.unescape` with these."""
        return Unescaped(self.unescape_bytes(raw), raw, JSON, self.raw_offset)


def _load() -> ModuleType | None:  # whatever SLUICEGATE_PURE says
    return importlib.import_module("engine._native") if importlib.util.find_spec("engine._native") else None


def without_helper() -> NoReturn:
    """What a test does that needs the helper where there is none: it fails in CI, and is skipped elsewhere."""
    message = "THE COMPILED HELPER IS NOT TESTED: it was not built; it needs a C compiler and Python's headers"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


PYTHON = Loops(locate_pure, unescape_bytes_pure, raw_offset_pure, scan_pure, touched_pure)
HELPER = _load()
COMPILED = HELPER and Loops(
    partial(HELPER.locate, Place), HELPER.unescape_bytes, HELPER.raw_offset, HELPER.scan, completed(HELPER.touched)
)

each_implementation = pytest.mark.parametrize(
    "loops",
    [pytest.param(PYTHON, id="python"), *([pytest.param(COMPILED, id="compiled")] if COMPILED else [])],
)
"""Runs a test with ``loops`` as Python's, and as the compiled ones where there are some."""
