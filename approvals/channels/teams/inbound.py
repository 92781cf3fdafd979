"""What Teams sends when somebody presses a button of a card: read strictly. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from approvals.channels.card import Seen, seen_in

Pressed = Literal["approve", "deny", "ask", "mine", "link"]


class Unusable(Exception):
    """It is not for us, or not what Teams sends; the message says which, without content."""


class _Lax(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class _From(_Lax):
    id: str
    object_id: str = Field(alias="aadObjectId", min_length=1)


class _Conversation(_Lax):
    id: str
    tenant_id: str = Field(alias="tenantId")


class _Action(_Lax):
    type: Literal["Action.Execute"]
    verb: Pressed
    data: dict[str, Any] = {}


class _Value(_Lax):
    action: _Action


class _Activity(_Lax):
    type: Literal["invoke"]
    name: Literal["adaptiveCard/action"]
    service_url: str = Field(alias="serviceUrl")
    channel_id: Literal["msteams"] = Field(alias="channelId")
    sender: _From = Field(alias="from")
    conversation: _Conversation
    value: _Value


@dataclass(frozen=True, slots=True)
class Press:
    """Who pressed what: ``user`` is the object id in our tenant, ``address`` as what Teams knows them.

    ``words`` is what they wrote: a reason, a question, or a code.
    """

    verb: Pressed
    user: str
    address: str
    seen: Seen
    words: str


def service_url(activity: Any) -> str:
    """Where an activity says it comes from; empty if it does not."""
    found = activity.get("serviceUrl") if isinstance(activity, dict) else None
    return found if isinstance(found, str) else ""


def read(activity: Any, *, tenant_id: str, hosts: tuple[str, ...]) -> Press | None:
    """What somebody of our tenant pressed; None for what needs no answer. Raises Unusable.

    ``hosts`` are those at which the Bot Connector may be.
    """
    if isinstance(activity, dict) and activity.get("type") != "invoke":
        return None
    try:
        found = _Activity.model_validate(activity)
    except ValidationError:
        raise Unusable("not what Teams sends for a button") from None
    if found.conversation.tenant_id != tenant_id:
        raise Unusable("from another tenant")
    if not known_service(found.service_url, hosts):
        raise Unusable("from another service")
    data = found.value.action.data
    seen = seen_in(str(data.get("seen", "")))
    if seen is None:
        raise Unusable("not a button of ours")
    words = data.get("code" if found.value.action.verb == "link" else "words", "")
    return Press(
        found.value.action.verb,
        found.sender.object_id,
        found.sender.id,
        seen,
        words if isinstance(words, str) else "",
    )


def known_service(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether ``url`` is at one of the ``hosts``, over TLS unless that is this machine."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    local = host in ("127.0.0.1", "localhost", "::1")
    return host in hosts and not parts.username and parts.scheme in (("https", "http") if local else ("https",))
