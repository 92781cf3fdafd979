"""`sluicegate bench` as it is used from a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A run of it."""
    command = [sys.executable, "-m", "sluicegate", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def bench_json(*arguments: str | Path) -> dict[str, Any]:
    """What it writes with ``--json``."""
    done = bench(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
