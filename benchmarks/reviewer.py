"""The reviewer service as a process: ``python -m benchmarks.reviewer FOLDER``; what to serve comes by stdin."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from approvals.server import Settings, build, serve
from engine.brokers import open_broker


def main() -> None:
    """Serves what `benchmarks.reviews.served` says, and writes its address in one line."""
    folder, given = Path(sys.argv[1]), json.loads(sys.stdin.readline())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(
        people=folder / "people.yaml",
        database=Path(given["database"]) if given["file"] else given["database"],
        topics={f"{given['topic']}.approvals": f"{given['topic']}.decisions"},
        port=port,
        secret_file=folder / "secret",
    )
    with open_broker(given["broker"]) as broker:
        server = build(settings, broker, scrub=str)
        serve(server, ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
