"""Seats filled by different people, as many as possible. Pure.

A vote fills a seat by a right that the voter holds or was lent. A person takes one seat, and a right is used once:
this is the largest flow from voters over the holders of rights to seats, each with room for one (Ford and Fulkerson,
1956, https://doi.org/10.4153/CJM-1956-045-5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from approvals.person import Identity


class Right(NamedTuple):
    """That ``holder`` may fill the seat of this number, by ``via``, a group or a name."""

    seat: int
    holder: Identity
    via: str


_Node = tuple[str, object]
_FROM: _Node = ("from", None)
_TO: _Node = ("to", None)


def seated(offers: Iterable[tuple[Identity, Sequence[Right]]]) -> dict[int, Identity]:
    """Who takes which seat, by its number, of voters with the rights by which each could; all in order of the votes."""
    room: dict[_Node, dict[_Node, int]] = defaultdict(dict)

    def allow(one: _Node, other: _Node) -> None:
        room[one][other] = 1
        room[other].setdefault(one, 0)

    for voter, rights in offers:
        allow(_FROM, ("voter", voter))
        for right in rights:
            allow(("voter", voter), ("holder", right.holder))
            allow(("holder", right.holder), ("used", right.holder))
            allow(("used", right.holder), ("seat", right.seat))
            allow(("seat", right.seat), _TO)
    while _push(room, _FROM, set()):
        pass
    taken: dict[int, Identity] = {}
    for node, onward in list(room.items()):
        if node[0] == "voter":
            for place, left in onward.items():
                if place[0] == "holder" and left == 0:
                    seat = next(s for s, free in room["used", place[1]].items() if s[0] == "seat" and free == 0)
                    taken[int(str(seat[1]))] = Identity(*node[1])  # type: ignore[misc]
    return taken


def _push(room: dict[_Node, dict[_Node, int]], node: _Node, seen: set[_Node]) -> bool:
    """Sends one more from ``node`` to the end, if there is a way."""
    if node == _TO:
        return True
    seen.add(node)
    for onward, left in list(room[node].items()):
        if left and onward not in seen and _push(room, onward, seen):
            room[node][onward] -= 1
            room[onward][node] += 1
            return True
    return False
