"""Keyed digests: what binds a decision to exactly what was reviewed, and names things without revealing them.

All come from one secret. The canonical form is RFC 8785 with numbers as the strings they were written as, so
that no number is rounded and ``1`` differs from ``1.0``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import rfc8785

from engine.actions.model import Action, Json, Number
from engine.ledger.model import Principal
from engine.records import Position


class Binder:
    """Makes digests with a secret key. Its ``repr`` shows nothing of it."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "Binder()"

    def message_key(self, key: bytes) -> bytes:
        """What stands for a message key that holds something sensitive; equal keys stay equal."""
        return b"sluicegate:" + self._digest("message-key", key)[:32].encode()

    def request_id(self, position: Position) -> str:
        """The id of the request that the record at ``position`` opens: the same at each replay."""
        return "req_" + self._digest("request", str(position).encode())[:20]

    def nonce(self, position: Position, now: int) -> str:
        """A value that no other request has."""
        return self._digest("nonce", f"{position} {now}".encode())[:32]

    def likeness(self, actions: Sequence[Action]) -> str:
        """Equal for actions that ask for the same, by the same principals."""
        return self._digest("likeness", canonical([_raw(action) for action in actions]))

    def binding(self, actions: Sequence[Action], policy: str, nonce: str, expires: int) -> str:
        """Binds a decision to the raw actions, whatever a mask shows of them."""
        raw: dict[str, Json] = {
            "actions": [_raw(action) for action in actions],
            "policy": policy,
            "nonce": nonce,
            "expires": str(expires),
        }
        return self._digest("binding", canonical(raw))

    def _digest(self, purpose: str, data: bytes) -> str:
        return hmac.new(self._secret, purpose.encode() + b"\0" + data, hashlib.sha256).hexdigest()


def canonical(value: Json) -> bytes:
    """RFC 8785 bytes of ``value``; numbers are written as tagged strings, lone surrogates as escapes."""
    return rfc8785.dumps(_plain(value))


def view_digest(view: Json) -> str:
    """SHA-256 of what a reviewer is shown."""
    return "sha256:" + hashlib.sha256(canonical(view)).hexdigest()


def _raw(action: Action) -> dict[str, Json]:
    return {
        "action": action.action,
        "resource": action.resource,
        "environment": action.environment,
        "params": action.params,
        "principals": [_principal(principal) for principal in action.principals],
    }


def _principal(principal: Principal) -> Json:
    return [principal.role.value, principal.issuer, principal.subject]


def _plain(value: Json) -> Json:
    """Numbers as ``{"#": digits}``, which no string equals; text that UTF-8 can write."""
    if isinstance(value, Number):
        return {"#": str(value)}
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {"." + str(_plain(key)): _plain(item) for key, item in value.items()}
    return value
