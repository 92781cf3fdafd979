"""`sluicegate approvals login` and `logout`: a terminal signs in by the device flow (RFC 8628)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from sluicegate.commands.approvals_client import Client, Refused, url_option
from sluicegate.commands.approvals_words import printable, time_of
from sluicegate.commands.saved_sessions import Saved, keep, saved

_TIMEOUT = 15.0  # seconds
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@click.command()
@url_option
@click.option("--fresh", is_flag=True, help="Sign in freshly, as approving a high risk wants it.")
def login(url: str, *, fresh: bool) -> None:
    """Sign in at the service's OpenID provider, in a browser on any device.

    The session is kept in ~/.config/sluicegate, and ends when you leave or log out.

    \b
    Example:
      sluicegate approvals login --url https://approvals.example.com
    """
    client = Client(url, "")
    try:
        id_token = device_flow(client.get("/sign-in"), fresh=fresh, show=echo_where)
    except SignInFailed as failed:
        raise Refused(str(failed)) from None
    made = client.post("/session", {"id_token": id_token})
    keep(url, Saved(made["token"], made["expires"]))
    click.echo(printable(f"Signed in as {made['name']} ({made['person']}) until {time_of(made['expires'])}"), err=True)


@click.command()
@url_option
def logout(url: str) -> None:
    """End this terminal's session.

    \b
    Example:
      sluicegate approvals logout --url https://approvals.example.com
    """
    if (session := saved(url)) is None:
        raise Refused(f"nobody is signed in at {url}")
    keep(url, None)
    Client(url, session.token).delete("/session")


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
