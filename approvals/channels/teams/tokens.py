"""Whether it was the Bot Connector that sent something: its token, checked against the keys that it publishes."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from approvals.channels.settings import TeamsSettings

LEEWAY = 300
"""How far clocks may differ, in s, as the Bot Connector's documentation says."""
_LIMIT = 8_192  # characters of a token
_KEYS_SECONDS = 24 * 3600.0
_REFETCH_SECONDS = 60.0
_CHANNEL = "msteams"


class NotGenuine(Exception):
    """A token that is not in order; the message says why, without content."""


class ConnectorTokens:
    """Checks tokens. ``now`` gives s since the epoch. Safe to use from several threads."""

    def __init__(self, settings: TeamsSettings, http: httpx.Client, *, now: Callable[[], float] = time.time) -> None:
        self._settings, self._http, self._now = settings, http, now
        self._lock = threading.Lock()
        self._keys: list[Mapping[str, Any]] = []
        self._until = self._asked = 0.0

    def check(self, header: str, service_url: str) -> None:
        """Whether the Authorization ``header`` of an activity from ``service_url`` is genuine. Raises NotGenuine."""
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _LIMIT:
            raise NotGenuine("no bearer token")
        key = self._key(_kid(token))
        endorsed = key.get("endorsements")
        if isinstance(endorsed, list) and _CHANNEL not in endorsed:
            raise NotGenuine("signed with a key that is not for Teams")
        try:
            claims = jwt.decode(token, KeySet.import_key_set({"keys": [dict(key)]}), algorithms=["RS256"]).claims
        except (JoseError, ValueError, TypeError):
            raise NotGenuine("not signed by the Bot Connector") from None
        self._check_claims(claims, service_url)

    def _check_claims(self, claims: Mapping[str, Any], service_url: str) -> None:
        settings, now = self._settings, self._now()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if claims.get("iss") != settings.issuer:
            raise NotGenuine("of another issuer")
        if claims.get("aud") not in (settings.app_id, f"api://{settings.app_id}", f"api://botid-{settings.app_id}"):
            raise NotGenuine("for another bot")
        if not isinstance(expires, int | float) or not isinstance(begins, int | float):
            raise NotGenuine("without a time")
        if now > expires + LEEWAY or now < begins - LEEWAY:
            raise NotGenuine("out of its time")
        if claims.get("serviceurl", claims.get("serviceUrl")) != service_url:
            raise NotGenuine("for another service URL")

    def _key(self, kid: str) -> Mapping[str, Any]:
        """The published key with this id; one that we do not know is looked for, but not again and again."""
        with self._lock:
            now = self._now()
            found = next((key for key in self._keys if key.get("kid") == kid), None) if now < self._until else None
            if found is None and (not self._keys or now >= self._until or now - self._asked >= _REFETCH_SECONDS):
                self._asked = now
                self._keys, self._until = self._fetch(), now + _KEYS_SECONDS
                found = next((key for key in self._keys if key.get("kid") == kid), None)
        if found is None:
            raise NotGenuine("signed with a key that is not published")
        return found

    def _fetch(self) -> list[Mapping[str, Any]]:
        try:
            answer = self._http.get(self._settings.keys_url).raise_for_status().json()
            return [key for key in answer["keys"] if isinstance(key, dict) and key.get("kty") == "RSA"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            raise NotGenuine("not to be checked: the keys of the Bot Connector are away") from None


def _kid(token: str) -> str:
    part = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        kid = header["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotGenuine("no token") from None
    if not isinstance(kid, str):
        raise NotGenuine("no token")
    return kid
