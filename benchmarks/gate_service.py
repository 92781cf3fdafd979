"""A service with a gate as a process: ``python -m benchmarks.gate_service FOLDER``, on the log in that folder."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from approvals.server import GateSettings, Settings, build, serve
from engine.brokers import open_broker
from engine.policy.load import load_policy
from engine.sanitizer import cleaner_of

APPROVALS, DECISIONS, SANITIZED = "activity.approvals", "activity.decisions", "activity.sanitized"


def main() -> None:
    """Serves, and writes its address in one line."""
    folder = Path(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    policy = load_policy(folder / "policy.yaml")
    cleaner = cleaner_of(policy)
    settings = Settings(
        people=folder / "people.yaml",
        database=folder / "approvals.db",
        topics={APPROVALS: DECISIONS},
        port=port,
        gate=GateSettings(policy, cleaner, APPROVALS, SANITIZED, folder / "gate.key"),
    )
    with open_broker(f"embedded:{folder / 'log.db'}") as broker:
        serve(build(settings, broker, scrub=cleaner.scrub), ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
