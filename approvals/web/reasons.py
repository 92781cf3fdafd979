"""Reasons that are ready to be chosen, and what a form says with them. Pure."""

from __future__ import annotations

CANNED = {
    "approve": ("Expected and checked", "Covered by a change ticket", "Known routine"),
    "deny": ("Not expected from this agent", "Wrong target", "More than it needs", "Ask me in person first"),
}
_ALL = frozenset(reason for reasons in CANNED.values() for reason in reasons)


def reason_of(canned: str, own: str) -> str:
    """The reason that a form gives: one of ours, one's own words, or both. What is forged is not taken."""
    said = [canned] if canned in _ALL else []
    return ": ".join([*said, own.strip()] if own.strip() else said)
