"""The bot in Teams, and one-way workflows: they send messages, and the bot does what people do to them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson

from approvals.channels.card import Card, Intent, card
from approvals.channels.decide import Decider
from approvals.channels.deliveries import Delivery
from approvals.channels.egress import Replied, post
from approvals.channels.links import Links
from approvals.channels.retry import Dead, Result, Retry, Sent
from approvals.channels.settings import Channel, TeamsSettings
from approvals.channels.teams.api import TeamsApi
from approvals.channels.teams.cards import (
    CARD_BYTES,
    CONTENT_TYPE,
    USERS,
    activity,
    announcement,
    link_form,
    personal,
    workflow,
)
from approvals.channels.teams.inbound import Press, Unusable, read, service_url
from approvals.channels.teams.tokens import ConnectorTokens, NotGenuine
from approvals.channels.webhooks import result
from approvals.person import Person
from approvals.rights import may_vote
from approvals.rows import Listed
from approvals.web.options import options

_log = logging.getLogger("sluicegate.channels")


class TeamsBot:
    """``wake`` has what changed be sent at once."""

    def __init__(
        self,
        settings: TeamsSettings,
        api: TeamsApi,
        tokens: ConnectorTokens,
        decider: Decider,
        links: Links,
        wake: Callable[[], None],
    ) -> None:
        self.settings = settings
        self._api, self._tokens = api, tokens
        self._decider, self._links, self._wake = decider, links, wake
        self._place = f"teams:{settings.tenant_id}"

    # --- Out ------------------------------------------------------------------------------------------------

    def send(self, channel: Channel, delivery: Delivery, listed: Listed) -> Result:
        """Posts the message of a request, or writes it anew."""
        content = activity(announcement(self._card(listed), verbs=True, users=self._users(listed)))
        if delivery.place:
            return self._api.update(delivery.place, content)
        return self._api.post(channel.target, content)

    def _card(self, listed: Listed) -> Card:
        decider = self._decider
        return card(listed, decider.people(), now=decider.service.clock(), site=decider.site)

    def _users(self, listed: Listed) -> list[str]:
        """Those linked people who can decide: as what Teams knows them."""
        people, now, found = self._decider.people(), self._decider.service.clock(), []
        for link in self._links.all():
            person = people.get(link.identity)
            if link.place != self._place or not link.address or person is None:
                continue
            if may_vote(person, listed.review.request, people, now) is None:
                found.append(link.address)
        return found[:USERS]

    # --- In -------------------------------------------------------------------------------------------------

    def answer(self, authorization: str, body: bytes) -> tuple[int, dict[str, Any] | None]:
        """The status and body of the answer to an activity that was posted to us."""
        try:
            sent = orjson.loads(body)
            self._tokens.check(authorization, service_url(sent))
            press = read(sent, tenant_id=self.settings.tenant_id, hosts=self.settings.service_hosts)
        except (orjson.JSONDecodeError, NotGenuine) as error:
            _log.warning(
                "refused: something for the bot that is %s", error if isinstance(error, NotGenuine) else "no JSON"
            )
            return 401, None
        except Unusable as error:
            _log.warning("refused: something from Teams that is %s", error)
            return 403, None
        if press is None:
            return 200, None
        return 200, self._done(press)

    def _done(self, press: Press) -> dict[str, Any]:
        decider = self._decider
        listed = decider.look(press.seen.request_id)
        if listed is None:
            return _said("There is no such request any more.")
        note = ""
        if press.verb == "link":
            now = decider.service.clock()
            identity = self._links.redeem(self._place, press.user, press.words, at=now, address=press.address)
            note = decider.linked(identity).text
        person = decider.person(self._links.who(self._place, press.user, address=press.address))
        if person is None:
            words = note or decider.unknown("Teams").text
            return _shown(link_form(words, self._card(listed)))
        if press.verb in ("approve", "deny", "ask"):
            note = decider.act(Intent(press.verb, press.seen, press.words), person, channel="teams").text
            self._wake()
            listed = decider.look(press.seen.request_id) or listed
        return _shown(self._personal(listed, person, note, press.address))

    def _personal(self, listed: Listed, person: Person, note: str, address: str) -> dict[str, Any]:
        people, now = self._decider.people(), self._decider.service.clock()
        can = options(listed.review, people, person, now=now)
        refusal = may_vote(person, listed.review.request, people, now)
        offered = {"approve", "deny"} if can.vote and not can.waits_for else {"deny"} if can.vote else set()
        offered |= {"ask"} if can.ask else set()
        if not note and refusal is not None and listed.review.verdict is None:
            note = f"You cannot decide on it: {refusal.message}."
        return personal(self._card(listed), offered, note, [address])


class WorkflowSender:
    """Posts cards to a workflow's webhook, which can only be told: what was posted is never written anew.

    So a request is posted when it comes, when it has changed, and when it has ended.
    """

    def __init__(self, decider: Decider, *, seconds: float = 15.0) -> None:
        self._decider, self._seconds = decider, seconds

    def send(self, channel: Channel, delivery: Delivery, listed: Listed) -> Result:
        """Posts what is new."""
        review, decider = listed.review, self._decider
        mark = f"{review.request.version} {'ended' if review.verdict is not None else 'open'}"
        if delivery.place == mark:
            return Sent(mark)
        now = decider.service.clock()
        shown = card(listed, decider.people(), now=now, site=decider.site)
        body = orjson.dumps(workflow(announcement(shown, verbs=False)))
        if len(body) > CARD_BYTES:
            return Dead("the card is larger than Teams takes")
        headers = {"content-type": "application/json", "user-agent": "sluicegate"}
        answer = post(channel.target, body, headers, allowed=channel.allowed, seconds=self._seconds)
        if not isinstance(answer, Replied):
            return answer
        came = result(answer, now=now)
        if isinstance(came, Sent):
            return Sent(mark)
        if answer.status in (401, 403, 404):
            return Dead(f"the workflow answers {answer.status}: is its URL still good?", channel=True)
        return came if isinstance(came, Retry) else Dead(came.problem, channel=True)


def _shown(made: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "type": CONTENT_TYPE, "value": made}


def _said(text: str) -> dict[str, Any]:
    return {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": text}
