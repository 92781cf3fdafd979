"""The whole story of one request: its record, what was found, what was asked, who did what, how it ended. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from approvals.person import Roster
from approvals.rows import Listed, LoggedEvent
from approvals.web.text import clipped, short
from approvals.web.words import Moment, digest, moment

_FINDINGS = 40
_EVENTS = 150
_WORDS = {
    "received": "The reviewer service read the request",
    "revised": "What is asked changed: a new version",
    "repeat": "It repeats a request that waits, and waits with it",
    "unfolded": "It waits by itself again",
    "vote approve": "Voted to approve",
    "vote deny": "Voted to deny",
    "asked": "Asked for a clarification",
    "answered": "Answered: a new version",
    "escalated": "More people were asked",
    "refused": "An attempt was refused",
    "approved": "Approved",
    "denied": "Denied",
    "expired": "Expired: silence is a denial",
    "folded": "Ended with the request that it repeated",
    "withdrawn": "Withdrawn",
    "released": "The held record was released",
    "redeemed": "The approval was used",
    "redemption refused": "An attempt to use the approval was refused",
}


class Found(NamedTuple):
    """What one detection rule found, how it was taken out, how often, and where first."""

    entity: str
    rule_id: str
    method: str
    times: int
    path: Markup


class Happened(NamedTuple):
    """One line of the append-only log, in words."""

    seq: int
    at: Moment
    words: str
    who: Markup  # empty: the service itself
    channel: str
    version: int
    detail: Markup


class Story(NamedTuple):
    """All of it, in the order in which it happened."""

    record: str  # position of the activity record
    recorded: Moment | None
    findings: list[Found]
    more_findings: int
    created: Moment
    request_id: str
    policy: str
    binding: str
    view_digest: str
    events: list[Happened]
    more_events: int
    goes_to: str  # topic/partition of the held record; empty for a fact
    released: bool


def story(listed: Listed, events: Sequence[LoggedEvent], people: Roster) -> Story:
    """The story of a request as the database and the request itself tell it."""
    request = listed.review.request
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], str] = {}
    for one in request.redactions:
        key = (one.entity, one.rule_id, one.method)
        counts[key] += 1
        first.setdefault(key, one.path)
    shown = counts.most_common(_FINDINGS)
    held = request.held
    return Story(
        record=short(str(request.position), 200),
        recorded=moment(held.timestamp) if held else None,
        findings=[
            Found(
                short(entity.upper().replace("_", " "), 60),
                short(rule_id, 80),
                short(method, 40),
                count,
                clipped(first[entity, rule_id, method], 160)[0],
            )
            for (entity, rule_id, method), count in shown
        ],
        more_findings=len(counts) - len(shown),
        created=moment(request.created),
        request_id=request.request_id,
        policy=digest(request.policy),
        binding=digest(request.binding),
        view_digest=digest(request.view_digest),
        events=[_happened(event, people) for event in events[-_EVENTS:]],
        more_events=max(0, len(events) - _EVENTS),
        goes_to=short(f"{held.topic}/{held.partition}", 200) if held else "",
        released=any(event.event == "released" for event in events),
    )


def _happened(event: LoggedEvent, people: Roster) -> Happened:
    issuer, _, subject = (event.actor or "").partition(":")
    person = people.known_as(issuer, subject) if event.actor else None
    who = clipped(f"{person.name} ({event.actor})" if person else event.actor or "", 200)[0]
    words = _WORDS.get(event.event, event.event)
    detail = clipped(event.detail, 400)[0]
    return Happened(event.seq, moment(event.at), words, who, event.channel or "", event.version, detail)
