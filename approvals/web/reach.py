"""How far an action reaches, in words: how much, where, and whether it can be taken back. Pure.

None of it is certain: sizes are what the parameters say, and whether something can be undone is read off the
name of the action. The page says so.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from approvals.web.params import param_leaves
from approvals.web.text import plain, short
from engine.ledger.model import ActionKind, ReviewRequest

_SIZES = frozenset(
    "row rows record records count limit total size bytes amount users members files items objects "
    "replicas instances accounts customers messages recipients quantity batch max num number".split()
)
_SHOWN = 3
_DIGITS = 15  # what has more is no size
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_UNDO = (
    (
        "delete drop destroy remove purge wipe truncate erase terminate shred",
        "It deletes: there is no taking back without a copy.",
    ),
    (
        "export send share publish transfer email mail upload copy post push download dump disclose pay refund payout",
        "What has left cannot be called back.",
    ),
    (
        "grant attach create add enable allow invite assign put set update deploy restart scale rollout apply patch "
        "disable revoke stop modify change merge release",
        "It can be undone by hand.",
    ),
    ("read get list describe view query select fetch search", "It reads: nothing is changed."),
)


class Reach(NamedTuple):
    """``where``: the environment, ``sizes``: numbers that say how much, ``undo``: a sentence. Plain text."""

    where: str
    sizes: list[str]
    undo: str


def reach(request: ReviewRequest) -> Reach:
    """What can be told of how far the action of ``request`` reaches."""
    words = {word.casefold() for word in _WORD.findall(request.action[:200])}
    undo = next((say for names, say in _UNDO if words & set(names.split())), "")
    if request.kind is ActionKind.FACT:
        undo = "It has happened."
    return Reach(
        where=short(request.environment, 60) if request.environment else "an environment that it does not name",
        sizes=_sizes(request.params),
        undo=undo or "Whether it can be undone, its name does not say.",
    )


def _sizes(params: str) -> list[str]:
    found: list[tuple[int, str]] = []
    for path, value, kind in param_leaves(params):
        name = path.rsplit(".", 1)[-1]
        if kind == "list" and len(value) > 1:
            found.append((len(value), f"{len(value):,} in {short(name, 40)}"))
        elif isinstance(value, str) and kind == "literal" and _is_size(name[:80], value):
            found.append((int(value), f"{int(value):,} {plain(name[:40]).replace('_', ' ')}"))
    return [text for _, text in sorted(found, key=lambda one: -one[0])[:_SHOWN]]


def _is_size(name: str, value: str) -> bool:
    words = {word.casefold() for word in _WORD.findall(name)}
    return value.isdecimal() and len(value) <= _DIGITS and not words.isdisjoint(_SIZES)
