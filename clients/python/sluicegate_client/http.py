"""What both gates do with httpx."""

from __future__ import annotations

from typing import Any

import httpx

from sluicegate_client import flow
from sluicegate_client.settings import Settings

TOO_LONG = 1024 * 1024  # bytes of an answer
_USER_AGENT = "sluicegate-client/0.1.0"


def prepared(known: Settings) -> dict[str, Any]:
    """The arguments of a client: no redirects, which would carry the credential elsewhere.

    Proxies and certificates of the environment count for TLS only: a proxy would read what is not encrypted.
    """
    secure = known.url.startswith("https:")
    return {
        "base_url": known.url,
        "headers": {"authorization": f"Bearer {known.token}", "user-agent": _USER_AGENT},
        "follow_redirects": False,
        "trust_env": secure,
        "verify": secure,  # without TLS there is nothing to verify, and certificates take long to load
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=20),  # each that waits has its own
    }


def call_headers(call: flow.Call) -> dict[str, str]:
    """The headers that are of one call alone."""
    found = {"content-type": "application/json"} if call.body is not None else {}
    return found | ({"idempotency-key": call.key} if call.key is not None else {})


def reply(response: httpx.Response, content: bytes) -> flow.Answer:
    """What came back."""
    after = response.headers.get("retry-after", "")
    return flow.Answer(response.status_code, content, float(after) if after.isdigit() else None)


def lost(error: httpx.HTTPError) -> flow.Lost:
    """Why nothing came back; its own message may name what is not for a log."""
    return flow.Lost(type(error).__name__)
