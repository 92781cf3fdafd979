"""What a chat shows of a request, in plain text, whichever chat it is. Pure.

Nothing in it is raw: it comes from the sanitized request. Characters that cannot be seen are named; markup is made
harmless by whoever writes for one chat.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import quote

from approvals.lifecycle import State
from approvals.person import Roster
from approvals.rights import counted, quorum
from approvals.rows import Listed
from approvals.web.params import param_lines
from approvals.web.text import plain
from approvals.web.words import RISK_WORDS, digest, moment, verdict_word
from engine.ledger.model import (
    ActionKind,
    Decision,
    Principal,
    PrincipalRole,
    ReviewRequest,
    Risk,
    Verdict,
    VerdictKind,
    Vote,
)

Verb = Literal["approve", "deny", "ask"]
# What is shown of each part, counted as `_size` does.
_VALUE = 300
_PARAMS = 2_400
_PART = 160
_CHAIN = 8  # principals, by number
_HIGH = (Risk.HIGH, Risk.CRITICAL)


class Seen(NamedTuple):
    """What somebody looked at: a request, its version, and a digest of what it asks and shows."""

    request_id: str
    version: int
    digest: str

    def text(self) -> str:
        """For a button; `seen_in` reads it."""
        return f"{self.version}.{self.digest}.{self.request_id}"


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody in a chat wants to do to what they saw. ``words`` is their reason or question, unscrubbed."""

    verb: Verb
    seen: Seen
    words: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A request as a chat shows it. ``outcome`` says how it ended or what it waits for; empty while it only waits.

    ``params`` are the parameters, a line each; ``hidden`` says how much of them, or of who and what, is not shown.
    ``verbs`` are the buttons beside Open.
    """

    seen: Seen
    title: str
    sentence: str
    outcome: str
    facts: tuple[tuple[str, str], ...]
    claim: str
    params: tuple[str, ...]
    hidden: str
    fingerprint: str
    url: str
    verbs: frozenset[Verb]
    is_open: bool
    why_open: str  # why it can be approved on the page only; empty if here too


def reviewed(request: ReviewRequest) -> Seen:
    """What who looks at ``request`` now has seen."""
    text = f"{request.request_id}\n{request.version}\n{request.binding}\n{request.view_digest}"
    return Seen(request.request_id, request.version, hashlib.sha256(text.encode()).hexdigest())


def seen_in(text: str) -> Seen | None:
    """What `Seen.text` wrote; None if it was not that."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})\.([0-9a-f]{64})\.(.{1,400})", text)
    return Seen(match[3], int(match[1]), match[2]) if match else None


def card(listed: Listed, people: Roster, *, now: int, site: str) -> Card:
    """What a chat shows of a request at ``now`` (ms since the epoch). ``site`` is the address of the page."""
    review, request, verdict = listed.review, listed.review.request, listed.review.verdict
    waits = verdict is None and review.state in (State.PENDING, State.CLARIFICATION_ASKED)
    params, hidden = _params(request)
    why_open = approve_on_page(request) if waits else ""
    verbs: set[Verb] = set()
    if waits and request.risk not in _HIGH:
        verbs |= {"deny"}
        if review.state is State.PENDING:
            verbs |= {"ask"} if why_open else {"approve", "ask"}
    return Card(
        seen=reviewed(request),
        title=_title(request, verdict),
        sentence=_sentence(request, people),
        outcome=_outcome(listed, people),
        facts=_facts(listed, people, now),
        claim=_cut(request.reason, 500),
        params=params,
        hidden=hidden,
        fingerprint=digest(request.binding),
        url=request_url(request.request_id, site),
        verbs=frozenset(verbs),
        is_open=waits,
        why_open=why_open,
    )


def request_url(request_id: str, site: str) -> str:
    """The address of a request's page on ``site``."""
    return f"{site.rstrip('/')}/requests/{quote(request_id, safe='')}"


def approve_on_page(request: ReviewRequest) -> str:
    """Why ``request`` can be approved on the page alone; empty if in a chat too.

    High risk wants a fresh sign-in, which a chat cannot give; and nobody approves what they were not shown.
    """
    if request.risk in _HIGH:
        return f"{request.risk} risk is approved on the page, freshly signed in"
    if _params(request)[1]:
        return "it does not fit in here, so it is approved on the page, where all of it is shown"
    return ""


def _title(request: ReviewRequest, verdict: Verdict | None) -> str:
    what = f"{_cut(request.action, 80)} ({request.risk.upper()})"
    if verdict is not None:
        return f"{outcome_word(request, verdict)}: {what}"
    return f"{'Review' if request.kind is ActionKind.FACT else 'Approval'} needed: {what}"


def outcome_word(request: ReviewRequest, verdict: Verdict) -> str:
    """How a request ended, in a few words."""
    word = verdict_word(request, verdict.verdict)
    return f"{word} by breaking the glass" if verdict.break_glass else word


def _sentence(request: ReviewRequest, people: Roster) -> str:
    """Who wants to do what, where, for whom."""
    initiators = [p for p in request.principals if p.role is PrincipalRole.INITIATOR]
    first = (initiators or list(request.principals))[0]
    behind = [p for p in request.principals if p.role is PrincipalRole.ON_BEHALF_OF and _key(p) != _key(first)]
    who = _name(first, people) + (f", for {_name(behind[0], people)}," if behind else "")
    does = "has run" if request.kind is ActionKind.FACT else "wants to run"
    to = f" on {_cut(request.resource, _PART)}" if request.resource else ""
    where = f" in {_cut(request.environment, 60)}" if request.environment else ""
    return f"{who} {does} {_cut(request.action, _PART)}{to}{where}."


def _outcome(listed: Listed, people: Roster) -> str:
    review, verdict = listed.review, listed.review.verdict
    if verdict is not None:
        at = moment(verdict.decided).text
        word = outcome_word(review.request, verdict)
        if verdict.verdict in (VerdictKind.APPROVED, VerdictKind.DENIED):
            decision = Decision.APPROVE if verdict.verdict is VerdictKind.APPROVED else Decision.DENY
            votes = [vote for vote in verdict.votes if vote.decision is decision]
            by = ", ".join(_voter(vote, people) for vote in votes[:5])
            said = next((vote.reason for vote in votes if vote.reason), "")
            return f"{word}{f' by {by}' if by else ''}, {at}{f': {_cut(said, 300)}' if said else ''}"
        return f"{word}, {at}: {_cut(verdict.reason, 300)}"
    if review.state is State.CLARIFICATION_ASKED and review.clarifications:
        return f"Asked: {_cut(review.clarifications[-1].question, 500)}"
    if review.state is State.REPEAT:
        return "It repeats an older request, which decides for it"
    return ""


def _facts(listed: Listed, people: Roster, now: int) -> tuple[tuple[str, str], ...]:
    review, request = listed.review, listed.review.request
    votes = counted(review, people, now)
    needed, have = quorum(request), sum(vote.decision is Decision.APPROVE for vote in votes)
    silence = "closes as not reviewed" if request.kind is ActionKind.FACT else "is denied"
    facts = [
        ("Risk", f"{request.risk.upper()}: {RISK_WORDS[request.risk]}"),
        ("Why you are asked", _cut(f"{request.rule_id}: {request.rule_reason}", 300)),
    ]
    if review.verdict is None:
        facts.append(("Deadline", f"{moment(request.expires).text}; if nobody decides, it {silence}"))
        facts.append(("Approvals", f"{have} of {needed}"))
    if len(request.principals) > 1:
        chain = [f"{p.role.replace('_', ' ')} {_name(p, people)}" for p in request.principals[:_CHAIN]]
        facts.insert(1, ("Who is behind it", "; ".join(chain)))
    taken_out = Counter(r.entity.upper().replace("_", " ") for r in request.redactions).most_common(6)
    if taken_out:
        facts.append(("Taken out", ", ".join(f"{name} ×{count}" for name, count in taken_out)))
    if review.answers:
        last = next(one for one in reversed(review.clarifications) if one.answered_at is not None)
        facts.append(("Asked and answered", f"{_cut(last.question, 150)} → {_cut(last.answer, 150)}"))
    return tuple(facts)


def _params(request: ReviewRequest) -> tuple[tuple[str, ...], str]:
    """The parameters, a line each, and how much is not shown of them, or of what else says what would be done."""
    lines: list[str] = []
    room, total, cut = _PARAMS, 0, 0
    for path, value in param_lines(request.params):
        total += 1
        line = f"{_cut(path, 100) or 'value'} = {_cut(value, _VALUE)}"
        if _size(line) > room:
            room = 0  # a list with gaps would read as if it were whole
            continue
        cut += not (_whole(path, 100) and _whole(value, _VALUE))
        lines.append(line)
        room -= _size(line) + 1
    missing = []
    if total > len(lines):
        missing.append(f"{total - len(lines)} of {total} parameters")
    elif cut:
        missing.append(f"the whole of {cut} parameters")
    parts = ((request.action, _PART), (request.resource, _PART), (request.environment, 60))
    if not all(_whole(text, limit) for text, limit in parts):
        missing.append("all of what it is done to")
    if len(request.principals) > _CHAIN or not all(_whole(f"{p.issuer}:{p.subject}", 120) for p in request.principals):
        missing.append("all who are behind it")
    return tuple(lines), f"Not shown here: {' and '.join(missing)}" if missing else ""


def _size(text: str) -> int:
    """How much room ``text`` takes: chats limit messages in bytes, and what they send back is longer still."""
    return sum(1 if char < "\x80" else 2 if char <= "\uffff" else 4 for char in text)


def _whole(text: str, limit: int) -> bool:
    """Whether `_cut` shows all of ``text``."""
    return len(text) <= limit and _size(plain(text)) <= limit


def _cut(text: str, limit: int) -> str:
    """``text`` on one line with unseen characters named, and an ellipsis where it was cut."""
    if _whole(text, limit):
        return plain(text)
    room = limit
    while _size(said := plain(text[:room])) > limit - 2:
        room -= max(1, room // 8)
    return f"{said}…"


def _key(principal: Principal) -> tuple[str, str]:
    return principal.issuer, principal.subject


def _name(principal: Principal, people: Roster) -> str:
    """Known people by name and id, all others by id: a record cannot choose what we call somebody."""
    canonical = _cut(f"{principal.issuer}:{principal.subject}", 120)
    person = people.known_as(principal.issuer, principal.subject)
    return f"{_cut(person.name, 60)} ({canonical})" if person is not None else canonical


def _voter(vote: Vote, people: Roster) -> str:
    person = people.known_as(vote.issuer, vote.subject)
    name = _cut(person.name, 60) if person is not None else _cut(f"{vote.issuer}:{vote.subject}", 120)
    return f"{name} for {_cut(vote.acting_for, 120)}" if vote.acting_for else name
