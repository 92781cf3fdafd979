"""What Slack sends when somebody presses a button or sends a form: read strictly. Pure.

Who did it is ``user`` of the payload, which Slack has signed; nothing else in it says who somebody is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from approvals.channels.card import Intent, Seen, seen_in
from approvals.channels.slack.blocks import ASK, DENY, FIELD_ID, LINK, WORDS, form_context


class Unusable(Exception):
    """It is not for us, or not what Slack sends; the message says which, without content."""


class _Lax(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Id(_Lax):
    id: str


class _User(_Lax):
    id: str
    team_id: str | None = None


class _Message(_Lax):
    ts: str


class _Action(_Lax):
    action_id: str
    value: str = ""
    action_ts: str


class _View(_Lax):
    id: str
    callback_id: str
    private_metadata: str = ""
    state: dict[str, Any] = {}


class _Payload(_Lax):
    type: Literal["block_actions", "view_submission"]
    api_app_id: str
    team: _Id | None = None
    user: _User
    trigger_id: str = ""
    channel: _Id | None = None
    message: _Message | None = None
    container: dict[str, Any] = {}
    actions: list[_Action] = []
    view: _View | None = None


@dataclass(frozen=True, slots=True)
class Did:
    """What somebody did. ``key`` is the same if Slack sends it twice. ``channel`` and ``ts`` say to which message.

    ``what``: ``act`` for an intent that is complete, ``form`` for one whose words are still to be asked for by
    ``trigger``, ``link`` for a code in ``words``, ``link_form``, ``nothing`` for what leads to the page by itself.
    """

    what: Literal["act", "form", "link", "link_form", "nothing"]
    user: str
    channel: str
    ts: str
    key: str
    trigger: str = ""
    intent: Intent | None = None
    words: str = ""


def read(payload: Any, *, app_id: str, team_id: str) -> Did:
    """What somebody of our workspace did to a message of our app. Raises Unusable."""
    try:
        found = _Payload.model_validate(payload)
    except ValidationError:
        raise Unusable("not what Slack sends for a button or a form") from None
    if found.api_app_id != app_id:
        raise Unusable("for another app")
    if found.team is None or found.team.id != team_id or found.user.team_id not in (None, team_id):
        raise Unusable("from another workspace")
    return _click(found) if found.type == "block_actions" else _form(found)


def _click(found: _Payload) -> Did:
    if len(found.actions) != 1:
        raise Unusable("not one button")
    action, user = found.actions[0], found.user.id
    channel = found.channel.id if found.channel else str(found.container.get("channel_id", ""))
    ts = found.message.ts if found.message else str(found.container.get("message_ts", ""))
    key = f"slack {found.team.id if found.team else ''} {channel} {ts} {action.action_ts} {user}"
    if action.action_id == "link":
        return Did("link_form", user, channel, ts, key, found.trigger_id)
    if action.action_id == "open":
        return Did("nothing", user, channel, ts, key)
    seen = seen_in(action.value)
    if seen is None:
        raise Unusable("not a button of ours")
    if action.action_id == "approve":
        return Did("act", user, channel, ts, key, intent=Intent("approve", seen))
    if action.action_id == "deny":
        return Did("form", user, channel, ts, key, found.trigger_id, Intent("deny", seen))
    if action.action_id == "ask":
        return Did("form", user, channel, ts, key, found.trigger_id, Intent("ask", seen))
    raise Unusable("not a button of ours")


def _form(found: _Payload) -> Did:
    view, user = found.view, found.user.id
    if view is None or view.callback_id not in (DENY, ASK, LINK):
        raise Unusable("not a form of ours")
    try:
        seen, channel, ts = form_context(view.private_metadata)
        words = view.state["values"][WORDS][FIELD_ID]["value"]
    except (ValueError, KeyError, TypeError):
        raise Unusable("not a form of ours") from None
    if not isinstance(words, str):
        raise Unusable("not a form of ours")
    key = f"slack {found.team.id if found.team else ''} {view.id} {user}"
    if view.callback_id == LINK:
        return Did("link", user, channel, ts, key, words=words)
    if seen is None:
        raise Unusable("not a form of ours")
    return Did("act", user, channel, ts, key, intent=_intent(view.callback_id, seen, words))


def _intent(callback: str, seen: Seen, words: str) -> Intent:
    return Intent("deny" if callback == DENY else "ask", seen, words)
