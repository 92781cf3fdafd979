"""What each channel is to be told of what happened. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from approvals.channels.card import request_url
from approvals.channels.deliveries import News
from approvals.channels.settings import Channel
from approvals.rows import Listed

EVENTS: Mapping[str, str] = {
    "received": "request.created",
    "revised": "request.revised",
    "repeat": "request.repeated",
    "unfolded": "request.created",
    "escalated": "request.escalated",
    "vote approve": "request.voted",
    "vote deny": "request.voted",
    "asked": "request.clarification_asked",
    "answered": "request.clarification_answered",
    "approved": "request.approved",
    "denied": "request.denied",
    "expired": "request.expired",
    "withdrawn": "request.withdrawn",
    "folded": "request.folded",
}
"""As what a webhook is told of what the log of events calls otherwise. What is not here is told nobody."""


def news(
    channel: Channel,
    events: Sequence[Mapping[str, Any]],
    found: Mapping[str, Listed],
    *,
    names: Collection[str],
    site: str,
) -> list[News]:
    """What ``channel`` is to be told of ``events``, which are as `approvals.lookups` gives them, in order.

    ``found`` has the requests that they are about, ``names`` are those of all channels, ``site`` is where the page is.
    """
    told: dict[object, News] = {}
    for event in events:
        name, listed = EVENTS.get(event["event"]), found.get(event["request_id"])
        if name is None or listed is None or not channel.takes(listed.review.request, names):
            continue
        number, request_id = event["sequence"], event["request_id"]
        if channel.is_message:  # one for each request: the last of its events counts
            told[request_id] = News(channel.name, request_id, number)
        elif not channel.events or name in channel.events:
            told[number] = News(channel.name, request_id, number, name, body(name, event["at"], listed, site=site))
    return list(told.values())


def waiting_now(
    channel: Channel, waiting: Sequence[Listed], *, newest: int, names: Collection[str], site: str
) -> list[News]:
    """What a channel that is new is to be told: all that waits."""
    events = [
        {
            "sequence": newest,
            "request_id": one.review.request.request_id,
            "event": "received",
            "at": one.review.request.created,
        }
        for one in waiting
    ]
    found = {one.review.request.request_id: one for one in waiting}
    return [item for event in events for item in news(channel, [event], found, names=names, site=site)]


def unknown(found: Iterable[Listed], names: Collection[str]) -> set[str]:
    """The channels that the policy names for the requests in ``found``, and that are not among ``names``."""
    return {name for one in found for name in one.review.request.requirement.channels}.difference(names)


def body(name: str, at: int, listed: Listed, *, site: str) -> bytes:
    """What a webhook is told: sanitized, and enough to see whether to look. ``at`` is when it happened, in ms."""
    review, request, verdict = listed.review, listed.review.request, listed.review.verdict
    data = {
        "request_id": request.request_id,
        "version": request.version,
        "state": review.state,
        "kind": request.kind,
        "action": request.action,
        "resource": request.resource,
        "environment": request.environment,
        "risk": request.risk,
        "rule_id": request.rule_id,
        "created": request.created,
        "expires": request.expires,
        "principals": [{"role": p.role, "id": f"{p.issuer}:{p.subject}"} for p in request.principals],
        "policy": request.policy,
        "binding": request.binding,
        "view_digest": request.view_digest,
        "repeats": listed.repeats,
        "url": request_url(request.request_id, site),
        "verdict": None
        if verdict is None
        else {
            "verdict": verdict.verdict,
            "decided": verdict.decided,
            "reason": verdict.reason,
            "break_glass": verdict.break_glass,
            "votes": [
                {"id": f"{v.issuer}:{v.subject}", "decision": v.decision, "at": v.at, "channel": v.channel}
                for v in verdict.votes
            ],
        },
    }
    timestamp = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return orjson.dumps({"type": name, "timestamp": timestamp, "data": data})
