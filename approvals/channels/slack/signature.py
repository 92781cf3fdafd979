"""Whether it was Slack that sent something. Pure."""

from __future__ import annotations

from slack_sdk.signature import Clock, SignatureVerifier


class _At(Clock):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        """The time that was given."""
        return self._seconds


def genuine(secret: str, body: bytes, timestamp: str | None, signature: str | None, *, now: int) -> bool:
    """Whether ``body`` was signed with ``secret``, at most five minutes from ``now`` (ms since the epoch).

    ``body`` is as it came, byte for byte. Compared in constant time.
    """
    verifier = SignatureVerifier(secret, _At(now / 1000))
    try:
        return verifier.is_valid(body, timestamp, signature)
    except (ValueError, TypeError, OverflowError):  # a time that is no number, or none of a clock; what is no text
        return False
