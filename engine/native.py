"""Which inner loops read records: the compiled ones (`engine/c`), or the Python ones that they must equal.

The compiled ones are used where they were built; SLUICEGATE_PURE=1 in the environment says not to. `python -m
engine.native` tells which are used.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from detectors.anchors import Scan, scan_pure
from detectors.glance import Helper


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


helper: Helper | None = Helper(compiled.glance, bool(compiled.HAS_SHAPES)) if compiled else None
"""What the gate has looked for in one glance, see `detectors.glance`; None where Hyperscan looks for it."""


def description() -> str:
    """One line for people: which are used, and why."""
    return (
        "compiled helper: in use" if compiled else f"compiled helper: not in use, same results more slowly ({_why_not})"
    )


if __name__ == "__main__":
    print(description())
