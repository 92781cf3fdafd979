"""Real reviewers that each approve one request and are killed one step later than the one before them.

    python killed_at_steps.py URL FOLDER DATABASE

A step is anything that goes to the reviewer's database or to the embedded log while one votes and publishes: each
statement, each commit. The last reviewer gets through, and how many there were is said.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import alembic.command  # noqa: F401 (loaded once, before the forks)
from approval_makers import ADA, NOW, request
from approval_site import Site
from sqlalchemy import event

from engine.ledger.model import Decision


def approve(site: Site, name: str, last_step: int) -> None:
    site.put(request(name, params={"n": name}))
    site.step()
    left = last_step

    def step(*_: object, **__: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for moment in ("before_cursor_execute", "commit"):
        event.listen(site.store._engine, moment, step)
    site.publisher._store.db.set_trace_callback(step)
    site.service.vote(name, ADA, Decision.APPROVE, version=1, reason="fine", channel="page")
    site.service.publish(site.publisher)
    os._exit(0)


if __name__ == "__main__":
    url, folder, database = sys.argv[1:]
    for number in range(1, 200):
        child = os.fork()
        if child == 0:
            approve(Site(Path(folder), lambda: NOW, url, database), f"r{number:03}", number)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(number if os.WEXITSTATUS(status) == 0 else -1)
            break
