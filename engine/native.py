"""Which inner loops read records: the compiled ones (`engine/c`), or the Python ones that they must equal.

The compiled ones are used where they were built; SLUICEGATE_PURE=1 in the environment says not to. `python -m
engine.native` tells which are used.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType

from detectors.anchors import Scan, scan_pure
from detectors.runs import Cut
from detectors.shapes import FindShapes
from detectors.words import Find
from engine.actions.keyed import Tells


def _load() -> tuple[ModuleType | None, str]:
    if os.environ.get("SLUICEGATE_PURE") == "1":
        return None, "SLUICEGATE_PURE=1"
    try:
        return importlib.import_module("engine._native"), ""
    except ModuleNotFoundError:
        return None, "it was not built: a C compiler or Python's headers were missing"
    except ImportError as error:
        return None, f"it cannot be loaded: {error}"


compiled, _why_not = _load()
"""The module `engine._native`, or None where Python's own loops are used."""


scan: Scan = compiled.scan if compiled else scan_pure
"""Looks for the anchors of rules."""


has_digits: Callable[[bytes], bool] | None = compiled.has_digits if compiled else None
"""Looks for what numbers have in common, see `detectors.gateform`; None where the gate itself is as quick."""


find_words: Find | None = compiled.find_words if compiled else None
"""Looks for context words, see `detectors.words`; None where the gate itself is as quick."""


cut: Cut | None = compiled.cut if compiled else None
"""Cuts out where tokens can stand, see `detectors.runs`; None where the gate itself is as quick."""


tells: Tells | None = compiled.tells if compiled else None
"""Looks for words behind their keys, see `engine.actions.keyed`; None where the gate itself is as quick."""


find_shapes: FindShapes | None = compiled.find_shapes if compiled and compiled.HAS_SHAPES else None
"""Looks for short patterns without a literal, see `detectors.shapes`; None where the gate itself is as quick."""


def description() -> str:
    """One line for people: which are used, and why."""
    return (
        "compiled helper: in use" if compiled else f"compiled helper: not in use, same results more slowly ({_why_not})"
    )


if __name__ == "__main__":
    print(description())
