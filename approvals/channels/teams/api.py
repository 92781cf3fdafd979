"""The Bot Connector: messages out, with a token of our own; what went wrong comes as a `Result`, without content."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from approvals.channels.retry import Dead, Halt, Result, Retry, Sent, retry_after_ms
from approvals.channels.settings import TeamsSettings
from approvals.channels.teams.inbound import known_service

_EARLIER = 300  # s before its end, a token is asked for anew


class TeamsApi:
    """The bot's part of it. ``now`` gives s since the epoch. Safe to use from several threads."""

    def __init__(self, settings: TeamsSettings, http: httpx.Client, *, now: Callable[[], float] = time.time) -> None:
        self._settings, self._http, self._now = settings, http, now
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def post(self, conversation: str, activity: Mapping[str, Any]) -> Result:
        """Posts a message to a conversation."""
        answer = self._send("POST", f"v3/conversations/{quote(conversation, safe='')}/activities", activity)
        if not isinstance(answer, httpx.Response):
            return answer
        try:
            made = answer.json()["id"]
        except (ValueError, KeyError, TypeError):
            return Retry("the answer of Teams makes no sense")
        return Sent(json.dumps([conversation, str(made)]))

    def update(self, place: str, activity: Mapping[str, Any]) -> Result:
        """Writes a message anew that stands at ``place``, as `post` gave it."""
        conversation, message = (quote(part, safe="") for part in json.loads(place))
        path = f"v3/conversations/{conversation}/activities/{message}"
        answer = self._send("PUT", path, {**activity, "id": json.loads(place)[1]})
        return Sent(place) if isinstance(answer, httpx.Response) else answer

    def _send(self, method: str, path: str, activity: Mapping[str, Any]) -> httpx.Response | Result:
        url = self._settings.service_url + path
        if not known_service(url, self._settings.service_hosts):  # our token goes nowhere else
            return Dead("service_url is at none of the service_hosts", channel=True)
        token = self._bearer()
        if not isinstance(token, str):
            return token
        try:
            answer = self._http.request(method, url, json=activity, headers={"authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            return Retry(f"Teams cannot be reached ({type(error).__name__})")
        if answer.is_success:
            return answer
        if answer.status_code == 401:
            with self._lock:
                self._until = 0.0  # it may have been revoked: the next attempt asks for another
            return Halt("Teams refuses the bot (401): is its app_id right, and its secret good?")
        return _outcome(answer, int(self._now() * 1000))

    def _bearer(self) -> str | Result:
        """A token of ours, by the client credentials grant."""
        with self._lock:
            if self._now() < self._until:
                return self._token
            settings = self._settings
            form = {
                "grant_type": "client_credentials",
                "client_id": settings.app_id,
                "client_secret": settings.client_secret,
                "scope": "https://api.botframework.com/.default",
            }
            url = f"{settings.login_url}{quote(settings.tenant_id, safe='')}/oauth2/v2.0/token"
            try:
                answer = self._http.post(url, data=form)
            except httpx.HTTPError as error:
                return Retry(f"the sign-in of Teams cannot be reached ({type(error).__name__})")
            if answer.status_code in (400, 401, 403):
                return Halt("the bot's app_id or secret is refused: give it a new one, and start the service again")
            if not answer.is_success:
                return _outcome(answer, int(self._now() * 1000))
            try:
                found = answer.json()
                token, seconds = str(found["access_token"]), float(found["expires_in"])
            except (ValueError, KeyError, TypeError):
                return Retry("the answer of the sign-in of Teams makes no sense")
            self._token, self._until = token, self._now() + max(0.0, seconds - _EARLIER)
            return token


def _outcome(answer: httpx.Response, now: int) -> Result:
    status = answer.status_code
    if status in (408, 412, 429) or status >= 500:  # 412 and 502 are told to be tried again, as 429 is
        wish = retry_after_ms(answer.headers.get("retry-after"), now=now)
        return Retry(f"Teams answers {status}", wish if status in (429, 503) else None)
    if status in (403, 404):
        return Dead(f"Teams refuses the conversation ({status}): is its id right, and the bot in it?", channel=True)
    return Dead(f"Teams refuses it ({status})")
