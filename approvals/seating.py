"""Seats filled by different people, as many as possible. Pure.

A vote fills a seat by one right, which its voter holds or was lent. A person takes one seat, and whoever lends a
right lends it once: so this is a largest matching of the holders of rights to seats, found by augmenting paths
(Berge 1957, https://doi.org/10.1073/pnas.43.9.842).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from approvals.person import Identity


class Right(NamedTuple):
    """That ``holder`` may fill the seat of this number, by ``via``, a group or a name."""

    seat: int
    holder: Identity
    via: str


class Offer(NamedTuple):
    """A vote that could fill any of ``seats``, by the right of ``holder``, who is the voter or lent it to them."""

    voter: Identity
    holder: Identity
    seats: tuple[int, ...]


def seated(offers: Iterable[Offer]) -> dict[int, Identity]:
    """Who takes which seat, by its number. A voter makes one offer; of those by one holder one counts."""
    reach: dict[Identity, dict[int, Identity]] = {}
    for offer in offers:
        seats = reach.setdefault(offer.holder, {})
        for seat in offer.seats:
            seats.setdefault(seat, offer.voter)
    taken: dict[int, Identity] = {}  # seat → holder

    def place(holder: Identity, seen: set[int]) -> bool:
        for seat in reach[holder]:
            if seat not in seen:
                seen.add(seat)
                if seat not in taken or place(taken[seat], seen):
                    taken[seat] = holder
                    return True
        return False

    for holder in reach:
        place(holder, set())
    return {seat: reach[holder][seat] for seat, holder in taken.items()}
