"""The app in Slack: sends messages, and does what people do to them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import orjson

from approvals.channels.card import Seen, card
from approvals.channels.decide import Answer, Decider
from approvals.channels.deliveries import Delivery
from approvals.channels.links import Links
from approvals.channels.retry import Result, Sent
from approvals.channels.settings import Channel, SlackSettings
from approvals.channels.slack.api import SlackApi
from approvals.channels.slack.blocks import Form, fit, form, link_offer, message
from approvals.channels.slack.inbound import Did, Unusable, read
from approvals.person import Person, folded
from approvals.rows import Listed

_AT_ONCE = 4
_log = logging.getLogger("sluicegate.channels")


class SlackApp:
    """``wake`` has what changed be sent at once."""

    def __init__(
        self, settings: SlackSettings, api: SlackApi, decider: Decider, links: Links, wake: Callable[[], None]
    ) -> None:
        self.settings, self.api = settings, api
        self._decider, self._links, self._wake = decider, links, wake
        self._place = f"slack:{settings.team_id}"
        self._pool = ThreadPoolExecutor(_AT_ONCE, "slack")

    def close(self) -> None:
        """Waits for what is being done."""
        self._pool.shutdown()

    # --- Out ------------------------------------------------------------------------------------------------

    def send(self, channel: Channel, delivery: Delivery, listed: Listed) -> Result:
        """Posts the message of a request, or writes it anew."""
        content = self._message(listed)
        if delivery.place:
            return self.api.update(delivery.place, content)
        return self.api.post(channel.target, content)

    def _message(self, listed: Listed) -> dict[str, Any]:
        decider = self._decider
        return message(card(listed, decider.people(), now=decider.service.clock(), site=decider.site))

    # --- In -------------------------------------------------------------------------------------------------

    def take(self, payload: Any) -> None:
        """Does what ``payload`` asks for, later and in another thread: Slack waits for three seconds only."""
        self._pool.submit(self._safely, payload)

    def _safely(self, payload: Any) -> None:
        try:
            self.handle(payload)
        except Unusable as error:
            _log.warning("refused: something from Slack that is %s", error)
        except Exception as error:
            # Its message may hold content, so only its kind is said.
            _log.error("what somebody did in Slack failed: %s", type(error).__name__)

    def handle(self, payload: Any) -> None:
        """Does what ``payload`` asks for, once. Raises Unusable if it is not for us."""
        did = read(payload, app_id=self.settings.app_id, team_id=self.settings.team_id)
        if did.what == "nothing" or not self._links.first_time(did.key, at=self._decider.service.clock()):
            return
        if did.what == "link_form":
            self.api.open_form(did.trigger, form("link", None, did.channel, did.ts))
        elif did.what == "link":
            now = self._decider.service.clock()
            self._tell(did, self._decider.linked(self._links.redeem(self._place, did.user, did.words, at=now)))
        elif did.intent is not None and (person := self._person(did.user)) is None:
            text = self._decider.unknown("Slack").text
            self.api.whisper(did.channel, did.user, fit(text, 3_000), link_offer(text))
        elif did.intent is not None and did.what == "form":
            kind: Form = "deny" if did.intent.verb == "deny" else "ask"
            self.api.open_form(did.trigger, form(kind, did.intent.seen, did.channel, did.ts))
        elif did.intent is not None and person is not None:
            self._tell(did, self._decider.act(did.intent, person, channel="slack"))
            self._wake()
            self._bring_up_to_date(did, did.intent.seen)

    def _tell(self, did: Did, answer: Answer) -> None:
        told = self.api.whisper(did.channel, did.user, fit(answer.text, 3_000))
        if not isinstance(told, Sent):
            _log.warning("somebody in Slack could not be told what came of it: %s", told.problem)

    def _bring_up_to_date(self, did: Did, seen: Seen) -> None:
        """A message that we do not know of, since Slack's answer to it was lost, shows what there is too."""
        here, listed = json.dumps([did.channel, did.ts]), self._decider.look(seen.request_id)
        known = self._decider.service.store.deliveries.places(seen.request_id)
        if listed is not None and did.ts and here not in known:
            self.api.update(here, self._message(listed))

    def _person(self, user: str) -> Person | None:
        identity = self._links.who(self._place, user)
        if identity is not None or not self.settings.match_email:
            return self._decider.person(identity)
        email = self.api.email(user)
        if email is None:
            return None
        same = [p for p in self._decider.people().values() if _has_email(p, email)]
        return self._decider.person(same[0].identity) if len(same) == 1 else None


def _has_email(person: Person, email: str) -> bool:
    known = (*person.identities, *person.aliases)
    return any(one.issuer == "email" and folded(one.subject) == folded(email) for one in known)


def payload_of(body: bytes) -> Any:
    """The payload that Slack posts as a form. Raises Unusable."""
    try:
        fields = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=5)
        (text,) = fields["payload"]
        return orjson.loads(text)
    except (ValueError, KeyError):
        raise Unusable("not what Slack posts") from None
