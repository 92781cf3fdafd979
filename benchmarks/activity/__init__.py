"""Activity records of AI agents, made up by seed: what the demo plays and the benchmarks measure on.

A small company lets six agents work: they answer tickets, export tables, handle incidents, change access,
deploy, write code and settle invoices, in 16 sessions at a time. Their records come in nine shapes (`SHAPES`).

- **Sensitive values** are in about 40 % of the records (``sensitive``), made at run time (see `values`) and
  listed in `Activity.planted`, so that a test can show that none survives. The e-mail addresses of the people
  that agents act for are listed apart (`Activity.identities`): they leave the clean stream as well, but in a
  review request a reviewer sees who asks. All other records have neither.
- **Privileged actions** are about 1 % of the records (``privileged``), each with sensitive values: proposals
  whose action is one of `PRIVILEGED_ACTIONS`, and facts of `PRIVILEGED_FACTS`. Now and then an agent loops and
  asks for the same one 4 to 17 times more. No session involves both ada and grace, so one of them may decide.
- **Sizes** of the values, in 100,000 records of seed 1: median 447 B, mean 488 B, half of them 375 to 583 B,
  nine tenths 324 to 723 B, the largest 814 B.

The same arguments always give the same records, however many are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

from benchmarks.activity.climaxes import PRIVILEGED_ACTIONS, PRIVILEGED_FACTS
from benchmarks.activity.stories import STORIES
from benchmarks.activity.values import pick
from benchmarks.activity.world import AGENTS, MAIL_DOMAIN, PEOPLE, SHAPES, Activity, Session, World

__all__ = [
    "AGENTS",
    "MAIL_DOMAIN",
    "PEOPLE",
    "PRIVILEGED_ACTIONS",
    "PRIVILEGED_FACTS",
    "SHAPES",
    "Activity",
    "generate",
]

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_OPEN_SESSIONS = 16


def generate(
    seed: int,
    count: int | None = None,
    *,
    sensitive: float = 0.4,
    privileged: float = 0.01,
    start: int = START,
) -> Iterator[Activity]:
    """``count`` records (endlessly many for None), in the order of their times.

    ``sensitive`` and ``privileged`` are shares of all records, 0 to 1; privileged records hold sensitive
    values, so these are never fewer. ``start`` is when the first record may come, in ms since the epoch.
    Raises ValueError for shares outside 0 to 1 or a negative count.
    """
    if not (0 <= sensitive <= 1 and 0 <= privileged <= 1):
        raise ValueError("shares lie between 0 and 1")
    return islice(_endless(seed, sensitive, privileged, start), count)


def _endless(seed: int, sensitive: float, privileged: float, start: int) -> Iterator[Activity]:
    rng = Random(seed)  # noqa: S311 (nothing here is to be kept from anybody)
    world = World(rng, start=start, sensitive=sensitive, privileged=privileged)
    sessions = [_session(world) for _ in range(_OPEN_SESSIONS)]
    while True:
        which = int(rng.random() * _OPEN_SESSIONS)
        activity = next(sessions[which], None)
        if activity is None:
            sessions[which] = _session(world)
        else:
            yield activity


def _session(world: World) -> Iterator[Activity]:
    story = pick(world.rng, STORIES)
    agent = AGENTS[pick(world.rng, story.agents)]
    return story.tell(world, Session(world.rng, agent, story.name))
