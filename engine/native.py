"""Which inner loops read records: the compiled ones (`engine/c`), or the Python ones that they must equal.

The compiled ones are used where they were built; SLUICEGATE_PURE=1 in the environment says not to. `python -m
engine.native` tells which are used.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path
from types import ModuleType

from detectors.anchors import Scan, scan_pure
from detectors.glance import Helper


def _load() -> tuple[ModuleType | None, str]:
    if os.environ.get("SLUICEGATE_PURE") == "1":
        return None, "SLUICEGATE_PURE=1"
    try:
        module = importlib.import_module("engine._native")
        return (None, "engine/c has changed since it was built: run make") if _is_stale(module) else (module, "")
    except ModuleNotFoundError:
        return None, "it was not built: a C compiler or Python's headers were missing"
    except ImportError as error:
        return None, f"it cannot be loaded: {error}"


def _is_stale(module: ModuleType) -> bool:
    """Whether it was made from other sources than those beside it, and so may be called in a way it does not know."""
    folder = Path(__file__).parent / "c"
    sources = b"".join(part.read_bytes() for part in sorted(folder.iterdir())) if folder.is_dir() else b""
    return bool(sources) and f"x{hashlib.sha256(sources).hexdigest()}" != module.SOURCE_DIGEST


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
