"""`sluicegate approvals login` and `logout`: a terminal signs in by the device flow (RFC 8628)."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

_TIMEOUT = 15.0  # seconds
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Saved(NamedTuple):
    """A session of this terminal; ``expires`` in ms since the epoch."""

    token: str
    expires: int


def sessions_file() -> Path:
    """Where sessions are kept, readable by their owner only."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "sluicegate" / "sessions.json"


def saved(url: str) -> Saved | None:
    """The session at the service at ``url``, if there is one that is not over."""
    found = _sessions().get(url.rstrip("/"))
    if not isinstance(found, Mapping) or not isinstance(found.get("token"), str):
        return None
    expires = found.get("expires")
    return Saved(found["token"], expires) if isinstance(expires, int) and expires > time.time() * 1000 else None


def keep(url: str, session: Saved | None) -> None:
    """Keeps ``session`` as the one at ``url``; None: there is none any more."""
    sessions = {one: value for one, value in _sessions().items() if one != url.rstrip("/")}
    if session is not None:
        sessions[url.rstrip("/")] = session._asdict()
    path = sessions_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(sessions, file)
    new.replace(path)


def _sessions() -> dict[str, Any]:
    try:
        found = json.loads(sessions_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class SignInFailed(Exception):
    """The provider did not sign anybody in; the message says why."""


def device_flow(known: Mapping[str, Any], *, fresh: bool, show: Callable[[str, str], None]) -> str:
    """An ID token from the provider that ``known`` describes (what ``/v1/sign-in`` answers).

    ``show`` gets the address to open and the code to compare. With ``fresh`` the provider is asked for a sign-in that
    is good for a high risk. Raises SignInFailed.
    """
    import httpx

    more = {"max_age": str(known["max_age"]), "acr_values": " ".join(known["acr_values"])} if fresh else {}
    ask = {"client_id": known["client_id"], "scope": known["scope"], **{k: v for k, v in more.items() if v}}
    with httpx.Client(timeout=_TIMEOUT, trust_env=False) as http, contextlib.ExitStack() as stack:
        stack.enter_context(_said_plainly())
        begun = _json(http.post(known["device_authorization_endpoint"], data=ask))
        if "device_code" not in begun:
            raise SignInFailed("the provider does not know this service's terminal client (device_client_id)")
        show(str(begun.get("verification_uri_complete") or begun["verification_uri"]), str(begun["user_code"]))
        pause = float(begun.get("interval", 5))
        until = time.monotonic() + float(begun.get("expires_in", 600))
        while time.monotonic() < until:
            time.sleep(pause)
            asked = {"grant_type": _GRANT, "device_code": begun["device_code"], "client_id": known["client_id"]}
            answer = _json(http.post(known["token_endpoint"], data=asked))
            if isinstance(token := answer.get("id_token"), str):
                return token
            error = answer.get("error")
            if error == "slow_down":
                pause += 5  # RFC 8628, section 3.5
            elif error != "authorization_pending":
                words = {"access_denied": "it was refused there", "expired_token": "it took too long"}
                raise SignInFailed(words.get(str(error), "the provider did not sign you in"))
    raise SignInFailed("it took too long")


@contextlib.contextmanager
def _said_plainly() -> Any:
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        raise SignInFailed("the provider does not answer as it should") from None


def _json(answer: Any) -> dict[str, Any]:
    found = answer.json()
    return found if isinstance(found, dict) else {}


def echo_where(url: str, code: str) -> None:
    """Says on stderr where to go."""
    printable = "".join(c for c in url if c.isprintable())
    click.echo(f"Open {printable}\nand check that it shows {''.join(c for c in code if c.isprintable())}", err=True)
