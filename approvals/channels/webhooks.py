"""Events out to a URL, in the form of Standard Webhooks: signed, dated, with an id. See standardwebhooks.com."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from standardwebhooks import Webhook

from approvals.channels.deliveries import Delivery
from approvals.channels.egress import Replied, post
from approvals.channels.retry import Dead, Result, Retry, Sent, retry_after_ms
from approvals.channels.settings import Channel
from approvals.rows import Listed

_GONE = 410


class WebhookSender:
    """Posts events. ``clock`` gives ms since the epoch."""

    def __init__(self, clock: Callable[[], int], *, seconds: float = 15.0) -> None:
        self._clock, self._seconds = clock, seconds

    def send(self, channel: Channel, delivery: Delivery, _listed: Listed) -> Result:
        """Posts one event; each attempt is signed anew, with the same id."""
        now, body = self._clock(), delivery.body or b"{}"
        headers = signed(channel.key, delivery.id, body, now)
        answer = post(channel.target, body, headers, allowed=channel.allowed, seconds=self._seconds)
        return result(answer, now=now) if isinstance(answer, Replied) else answer


def signed(key: bytes, message_id: str, body: bytes, now: int) -> dict[str, str]:
    """The headers of a webhook that is sent at ``now`` (ms since the epoch)."""
    at = datetime.fromtimestamp(now // 1000, UTC)
    return {
        "content-type": "application/json",
        "user-agent": "sluicegate",
        "webhook-id": message_id,
        "webhook-timestamp": str(now // 1000),
        "webhook-signature": Webhook(key).sign(message_id, at, body.decode("utf-8")),
    }


def result(answer: Replied, *, now: int) -> Result:
    """What the status of an answer means. Only 2xx is a yes; who is gone says so, all others may come back."""
    if 200 <= answer.status < 300:
        return Sent("told")
    if answer.status == _GONE:
        return Dead("it answered 410: it wants no more of these", channel=True)
    wish = retry_after_ms(answer.retry_after, now=now) if answer.status in (429, 503) else None
    return Retry(f"it answered {answer.status}", wish)
