"""Slack's Web API, by its own client; what went wrong comes as a `Result`, never with content or a token."""

from __future__ import annotations

import http.client
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse, WebClient

from approvals.channels.retry import Dead, Halt, Result, Retry, Sent, retry_after_ms
from approvals.channels.settings import SlackSettings

SECONDS = 10
_CREDENTIALS = frozenset(
    "invalid_auth not_authed token_revoked token_expired account_inactive org_login_required ekm_access_denied "
    "missing_scope no_permission not_allowed_token_type access_denied team_access_not_granted".split()
)
_CHANNEL = frozenset("channel_not_found not_in_channel is_archived restricted_action user_not_in_channel".split())
_LATER = frozenset(
    "ratelimited rate_limited internal_error fatal_error service_unavailable request_timeout team_added_to_org".split()
)

# The client writes bodies and addresses to its log; what went wrong is said by us.
quiet = logging.getLogger("sluicegate.channels.slack_sdk")
quiet.setLevel(logging.CRITICAL + 1)


class SlackApi:
    """The bot's part of the Web API. ``clock`` gives ms since the epoch. Safe to use from several threads."""

    def __init__(self, settings: SlackSettings, clock: Callable[[], int], *, seconds: int = SECONDS) -> None:
        self._clock = clock
        # Attempts are counted in the database, so the client makes one only.
        self.client = WebClient(
            settings.token, base_url=settings.api_url, timeout=seconds, logger=quiet, retry_handlers=[]
        )

    def post(self, channel: str, message: Mapping[str, Any]) -> Result:
        """Posts a message."""
        answer = self._call("chat.postMessage", {"channel": channel, **message})
        if not isinstance(answer, SlackResponse):
            return answer
        ts, where = answer.get("ts"), answer.get("channel")
        if not isinstance(ts, str) or not isinstance(where, str):
            return Retry("Slack's answer makes no sense")
        return Sent(json.dumps([where, ts]))

    def update(self, place: str, message: Mapping[str, Any]) -> Result:
        """Writes a message anew that stands at ``place``, as `post` gave it."""
        channel, ts = json.loads(place)
        # These are for posting only.
        kept = {name: value for name, value in message.items() if name not in ("unfurl_links", "unfurl_media")}
        answer = self._call("chat.update", {"channel": channel, "ts": ts, **kept})
        return Sent(place) if isinstance(answer, SlackResponse) else answer

    def whisper(self, channel: str, user: str, text: str, blocks: list[dict[str, Any]] | None = None) -> Result:
        """Tells one person something that nobody else sees."""
        more = {"blocks": blocks} if blocks else {}
        answer = self._call("chat.postEphemeral", {"channel": channel, "user": user, "text": text, **more})
        return Sent() if isinstance(answer, SlackResponse) else answer

    def open_form(self, trigger: str, view: Mapping[str, Any]) -> Result:
        """Opens a modal, within three seconds of the click that ``trigger`` is of."""
        answer = self._call("views.open", {"trigger_id": trigger, "view": view})
        return Sent() if isinstance(answer, SlackResponse) else answer

    def email(self, user: str) -> str | None:
        """The e-mail address of a full member of the workspace, if Slack has confirmed it."""
        answer = self._call("users.info", {"user": user}, as_form=True)
        found = answer.get("user") if isinstance(answer, SlackResponse) else None
        if not isinstance(found, Mapping) or found.get("is_email_confirmed") is not True:
            return None
        if any(
            found.get(flag) for flag in ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
        ):
            return None
        email = (found.get("profile") or {}).get("email")
        return email if isinstance(email, str) and email else None

    def _call(self, method: str, arguments: Mapping[str, Any], *, as_form: bool = False) -> SlackResponse | Result:
        try:
            given: dict[str, Any] = {"params": arguments} if as_form else {"json": arguments}
            answer = self.client.api_call(method, **given)
            return answer if isinstance(answer.data, dict) else Retry("Slack's answer makes no sense")
        except SlackApiError as error:
            return outcome(error.response, self._clock())
        except (OSError, http.client.HTTPException):  # URLError and time-outs are OSErrors
            return Retry("Slack does not answer")
        except (ValueError, AttributeError, TypeError, SlackClientError):
            return Retry("Slack's answer makes no sense")


def outcome(answer: Any, now: int) -> Result:
    """What an answer that is no yes means."""
    data = answer.data if isinstance(answer.data, Mapping) else {}
    code = data.get("error")
    headers = {name.lower(): value for name, value in (answer.headers or {}).items()}
    if answer.status_code == 429 or code in ("ratelimited", "rate_limited"):
        return Retry("Slack asks to wait", retry_after_ms(headers.get("retry-after"), now=now) or 30_000)
    if answer.status_code >= 500 or code in _LATER:
        return Retry(f"Slack answers {answer.status_code}")
    if not isinstance(code, str) or not re.fullmatch(r"[a-z_]{1,60}", code):
        return Retry("Slack's answer makes no sense")
    if code in _CREDENTIALS:
        return Halt(f"Slack refuses the token ({code}): give the app a new one, and start the service again")
    if code in _CHANNEL:
        return Dead(f"Slack refuses the channel ({code}): is its id right, and is the app in it?", channel=True)
    return Dead(f"Slack refuses it ({code})")
