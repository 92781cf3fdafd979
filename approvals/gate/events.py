"""What the log is told of the gate: events that move no review."""

from __future__ import annotations

ALLOWED, DENIED = "gate allowed", "gate denied"  # by the policy, at once
REDEEMED, NOT_REDEEMED = "redeemed", "redemption refused"
GATE_EVENTS = frozenset({ALLOWED, DENIED, REDEEMED, NOT_REDEEMED})
