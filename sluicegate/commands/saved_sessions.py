"""The sessions of this terminal, in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Saved(NamedTuple):
    """A session of this terminal; ``expires`` in ms since the epoch."""

    token: str
    expires: int


def sessions_file() -> Path:
    """Where sessions are kept, readable by their owner only."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "sluicegate" / "sessions.json"


def saved(url: str) -> Saved | None:
    """The session at the service at ``url``, if there is one that is not over."""
    found = _sessions().get(url.rstrip("/"))
    if not isinstance(found, Mapping) or not isinstance(found.get("token"), str):
        return None
    expires = found.get("expires")
    return Saved(found["token"], expires) if isinstance(expires, int) and expires > time.time() * 1000 else None


def keep(url: str, session: Saved | None) -> None:
    """Keeps ``session`` as the one at ``url``; None: there is none any more."""
    sessions = {one: value for one, value in _sessions().items() if one != url.rstrip("/")}
    if session is not None:
        sessions[url.rstrip("/")] = session._asdict()
    path = sessions_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(sessions, file)
    new.replace(path)


def _sessions() -> dict[str, Any]:
    try:
        found = json.loads(sessions_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
