"""From what somebody in a chat wants to a vote or a question, by the same rules as everywhere.

The chat says from which account it came; who that is here, whether they may, and whether what they saw is still what
is asked, is decided here and by the service.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from approvals.channels.card import Intent, Seen, approve_on_page, outcome_word, request_url, reviewed
from approvals.lifecycle import RefusalCode, Refused, Review
from approvals.person import Identity, Person, Roster
from approvals.rights import approvals_needed, may_vote
from approvals.rows import Listed, StoreError
from approvals.service import Service
from approvals.web.api_models import changes
from approvals.web.text import short
from engine.ledger.model import Decision

_DIFFERENCES = 8
_log = logging.getLogger("sluicegate.channels")


class Answer(NamedTuple):
    """What to tell whoever did something, in plain text; ``done``: it took effect."""

    text: str
    done: bool = False


class Decider:
    """Does what people in chats want. ``people`` gives the roster as it is now, ``site`` is the address of the page."""

    def __init__(self, service: Service, people: Callable[[], Roster], site: str) -> None:
        self.service = service
        self.people = people
        self.site = site.rstrip("/")

    def person(self, identity: Identity | None) -> Person | None:
        """The person with that identity on their votes, as long as they are there."""
        people = self.people()
        self.service.people = people
        return people.get(identity) if identity is not None else None

    def look(self, request_id: str) -> Listed | None:
        """The request with exactly this id."""
        return self.service.store.get(request_id)

    def act(self, intent: Intent, person: Person, *, channel: str) -> Answer:
        """Votes or asks as ``person``, and says what came of it. ``channel`` is slack or teams."""
        listed = self.look(intent.seen.request_id)
        if listed is None:
            return Answer("There is no such request any more.")
        request = listed.review.request
        if intent.seen.version != request.version:
            return self._stale(intent.seen, listed)
        if intent.seen != reviewed(request):
            _log.warning("refused: a button in %s that does not belong to %s", channel, request.request_id)
            return Answer(
                f"That button does not belong to what is asked now. Look again: {self._url(request.request_id)}"
            )
        approves = intent.verb == "approve"
        allowed = may_vote(person, request, self.people(), self.service.clock()) is None
        if approves and allowed and listed.review.verdict is None and (why := approve_on_page(request)):
            return Answer(f"Nothing was recorded: {why}: {self._url(request.request_id)}")
        try:
            result = self._do(intent, person, channel)
        except StoreError:
            return Answer("Nothing was recorded: others are deciding on it at this moment. Try again.")
        return self._told(intent, result)

    def unknown(self, account: str) -> Answer:
        """What to tell somebody whose account nobody has linked; ``account`` says which kind it is."""
        return Answer(
            f"Nothing was recorded: this {account} account is not linked to anybody here. "
            f"Get a code at {self.site}/chat, then use Link."
        )

    def linked(self, identity: Identity | None) -> Answer:
        """What to tell after a code was typed in, which was that of ``identity``; None: it was wrong."""
        if identity is None:
            return Answer(f"That code is wrong, used, or too old. Get a new one at {self.site}/chat")
        person = self.person(identity)
        name = short(person.name, 60) if person is not None else str(identity)
        return Answer(f"Linked: what you do here counts as {name} ({identity}).", done=True)

    def _do(self, intent: Intent, person: Person, channel: str) -> Review | Refused:
        request_id, version = intent.seen.request_id, intent.seen.version
        if intent.verb == "ask":
            return self.service.ask(request_id, person, intent.words, version=version, channel=channel)
        decision = Decision.APPROVE if intent.verb == "approve" else Decision.DENY
        return self.service.vote(request_id, person, decision, version=version, reason=intent.words, channel=channel)

    def _told(self, intent: Intent, result: Review | Refused) -> Answer:
        if isinstance(result, Refused):
            listed = self.look(intent.seen.request_id)
            if result.code is RefusalCode.STALE and listed is not None:
                return self._stale(intent.seen, listed)
            return Answer(f"Nothing was recorded: {result.message}.")
        request, verdict = result.request, result.verdict
        if verdict is not None:
            return Answer(f"{outcome_word(request, verdict)}. Receipt: {self._url(request.request_id)}", done=True)
        if intent.verb == "ask":
            return Answer("Asked. The answer makes a new version, and earlier votes are void.", done=True)
        if intent.verb == "deny":
            return Answer("Your denial counts; the policy asks for more of them.", done=True)
        missing = approvals_needed(result, self.people(), self.service.clock())
        return Answer(f"Your approval counts; {missing} more needed.", done=True)

    def _stale(self, seen: Seen, listed: Listed) -> Answer:
        """That it is not any more what they looked at, and what has changed."""
        request = listed.review.request
        before = self.service.store.lookups.version(request.request_id, seen.version)
        found = changes(before, request) if before is not None else []
        lines = [
            f"• {short(one.field, 80)}: {short(one.was or 'nothing', 120)} → {short(one.now or 'nothing', 120)}"
            for one in found[:_DIFFERENCES]
        ]
        if len(found) > _DIFFERENCES:
            lines.append(f"• and {len(found) - _DIFFERENCES} more")
        said = listed.review.clarifications
        if said and not lines and said[-1].answer:
            lines.append(f"• asked: {short(said[-1].question, 200)} → {short(said[-1].answer, 200)}")
        head = f"Nothing was recorded: you saw version {seen.version}, it is version {request.version} now."
        return Answer("\n".join([head, *lines, f"Look again: {self._url(request.request_id)}"]))

    def _url(self, request_id: str) -> str:
        return request_url(request_id, self.site)
