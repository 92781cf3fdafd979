"""What is asked of the service, in which order, and how its answers are read: without any I/O.

Each flow is a generator. It yields a `Call`, and is sent the `Answer` or `Lost`; or it yields a `Pause`. Who drives it
does these, with or without ``await``; so both gates behave alike.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from sluicegate_client.canonical import written
from sluicegate_client.errors import (
    ClarificationAsked,
    Denied,
    Expired,
    NotApproved,
    Refused,
    Repeated,
    TokenRejected,
    Unavailable,
    Undecided,
    Withdrawn,
)
from sluicegate_client.model import Approval, Grant, Intent, JsonValue, Question, Waiting

LONG_POLL = 30, 50  # seconds that the service may hold one question open: not all agents come back at once
_ANSWER_SECONDS = 10.0  # for it to answer, on top
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. ``key`` makes it safe to send again."""

    method: str
    path: str
    body: str | None = field(default=None, repr=False)
    key: str | None = None
    seconds: float = _ANSWER_SECONDS


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response. ``retry_after`` is in s, if it says so."""

    status: int
    content: bytes = field(repr=False)
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """No response, or one that broke off: ``why`` is the kind of failure."""

    why: str


Reply = Answer | Lost | None
Flow = Generator[Call | Pause, Reply, T]


@dataclass(frozen=True, slots=True)
class Clock:
    """``patience`` is for how long, in s, the service may be away in a row. ``now`` gives s."""

    patience: float
    now: Callable[[], float] = time.monotonic


def submitted(intent: Intent, audience: str | None, key: str, clock: Clock) -> Flow[Standing]:
    """Asks for ``intent``; where that stands. The same ``key`` always gives the same request."""
    body: dict[str, Any] = {
        "action": intent.action,
        "resource": intent.resource,
        "params": intent.params,
        "environment": intent.environment,
        "reason": intent.reason,
        "principals": [{"role": p.role, "issuer": p.issuer, "subject": p.subject} for p in intent.principals],
    }
    if audience is not None:
        body["audience"] = audience
    return _standing((yield from _asked(Call("POST", "/v1/gate/requests", written(body), key), clock)))


def looked_at(request_id: str, clock: Clock) -> Flow[Standing]:
    """Where a request stands now."""
    return _standing((yield from _asked(Call("GET", f"/v1/gate/requests/{_part(request_id)}"), clock)))


def waited(request_id: str, limit: float | None, clock: Clock, *, through_questions: bool) -> Flow[Standing]:
    """Where a request stands as soon as nobody has to be waited for, or after ``limit`` s."""
    until = float("inf") if limit is None else clock.now() + limit
    more = "&through_questions=true" if through_questions else ""
    while True:
        began = clock.now()
        longest = random.randint(*LONG_POLL)  # noqa: S311 (nothing here is to be kept from anybody)
        seconds = int(max(0.0, min(longest, until - began)))
        path = f"/v1/gate/requests/{_part(request_id)}?wait={seconds}{more}"
        call = Call("GET", path, seconds=seconds + _ANSWER_SECONDS)
        standing = _standing((yield from _asked(call, clock)))
        if not standing.is_open or (standing.state != "waiting" and not through_questions):
            return standing
        if clock.now() >= until:
            return standing
        if clock.now() - began < 0.5:  # less than was asked for: it is busy, or only a moment is left
            yield Pause(min(0.5, max(0.0, until - clock.now())))


def answered(question: Question, text: str, clock: Clock, key: str) -> Flow[Standing]:
    """Answers ``question``: a new version, on which everybody votes anew."""
    path = f"/v1/gate/requests/{_part(question.request_id)}/answers"
    body = written({"answer": text, "version": question.version})
    return _standing((yield from _asked(Call("POST", path, body, key), clock)))


def withdrawn(request_id: str, reason: str, clock: Clock, key: str) -> Flow[Standing]:
    """Takes a request back."""
    path = f"/v1/gate/requests/{_part(request_id)}/withdrawal"
    return _standing((yield from _asked(Call("POST", path, written({"reason": reason}), key), clock)))


def redeemed(
    token: str,
    action: str,
    resource: str,
    params: Mapping[str, JsonValue],
    audience: str | None,
    environment: str | None,
    clock: Clock,
    key: str,
) -> Flow[Grant]:
    """Uses up ``token`` for what is about to run."""
    body: dict[str, Any] = {"token": token, "action": action, "resource": resource, "params": params}
    body |= {name: v for name, v in (("audience", audience), ("environment", environment)) if v is not None}
    said = yield from _asked(Call("POST", "/v1/tokens/redeem", written(body), key), clock)
    try:
        return Grant(
            request_id=str(said["request_id"]),
            token_id=str(said["token_id"]),
            agent=str(said["agent"]),
            audience=str(said["audience"]),
            environment=str(said["environment"]),
            expires=_time(said["expires"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise _unlike() from None


def published_keys(clock: Clock) -> Flow[Mapping[str, Any]]:
    """The service's public keys, as a JWKS."""
    return (yield from _asked(Call("GET", "/v1/gate/keys"), clock))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands, as the service says."""

    request_id: str
    version: int
    state: str
    expires: datetime
    reason: str
    by: str
    audience: str
    question: str | None
    token: str | None = field(repr=False)
    token_expires: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it may still be decided."""
        return self.state in ("waiting", "clarification_asked")

    def told(self) -> Approval | Question | Waiting:
        """The value that this is. Raises NotApproved for an end that is no approval."""
        match self.state:
            case "approved" if self.token and self.token_expires and self.by in ("policy", "people"):
                by: Any = self.by
                return Approval(self.request_id, self.token, self.audience, self.token_expires, by, self.reason)
            case "clarification_asked" if self.question is not None:
                return Question(self.request_id, self.version, self.question)
            case "waiting":
                return Waiting(self.request_id, self.version, self.expires)
            case state if state in _ENDS:
                kind, words = _ENDS[state]
                told = f"{self.request_id} {words}" + (f": {self.reason}" if self.reason else "")
                raise kind(told, request_id=self.request_id, reason=self.reason)
        raise _unlike()

    def settled(self) -> Approval:
        """The approval. Raises NotApproved, ClarificationAsked, or Undecided."""
        told = self.told()
        if isinstance(told, Question):
            raise ClarificationAsked(told)
        if isinstance(told, Waiting):
            raise Undecided(f"nobody has decided on {self.request_id} yet", request_id=self.request_id)
        return told


_ENDS: Mapping[str, tuple[type[NotApproved], str]] = {
    "denied": (Denied, "was denied"),
    "expired": (Expired, "expired: nobody decided in time"),
    "lapsed": (Expired, "was approved, and the approval was not used in time"),
    "redeemed": (Expired, "was approved, and the approval has been used"),
    "withdrawn": (Withdrawn, "was withdrawn"),
    "folded": (Repeated, "repeats a request that has ended"),
}


def _asked(call: Call, clock: Clock) -> Flow[Mapping[str, Any]]:
    """What the service answers; asked again while it is away. Raises Unavailable, Refused, TokenRejected."""
    began, pause = clock.now(), _FIRST_PAUSE
    while True:
        reply = yield call
        wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 (so that agents do not come back all at once)
        if isinstance(reply, Answer) and reply.status not in _BUSY:
            said = _object(reply)
            if reply.status < 300 and said is not None:
                return said
            if reply.status >= 300:
                raise _refusal(reply.status, said or {})
            why = "what it answered broke off, or is no answer of a gate"
        elif isinstance(reply, Answer):
            why = f"it answered {reply.status}"
            wait = max(wait, reply.retry_after or 0.0)
        else:
            why = reply.why if reply is not None else "no answer"
        if clock.now() - began + wait > clock.patience:
            raise Unavailable(f"the gate does not answer ({why}): nothing was approved")
        yield Pause(wait)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _object(reply: Answer) -> Mapping[str, Any] | None:
    try:
        said = json.loads(reply.content)
    except ValueError:  # not UTF-8 is one too
        return None
    return said if isinstance(said, dict) else None


def _refusal(status: int, said: Mapping[str, Any]) -> Refused | TokenRejected:
    code, detail = str(said.get("code", "http")), str(said.get("detail", f"the gate answered {status}"))
    if code.startswith("token_"):
        return TokenRejected(detail, code=code)
    return Refused(detail, code=code, status=status)


def _standing(said: Mapping[str, Any]) -> Standing:
    try:
        token, expires = said["token"], said["token_expires"]
        return Standing(
            request_id=str(said["request_id"]),
            version=int(said["version"]),
            state=str(said["state"]),
            expires=_time(said["expires"]),
            reason=str(said["reason"]),
            by=str(said["by"]),
            audience=str(said["audience"]),
            question=None if said["question"] is None else str(said["question"]),
            token=None if token is None else str(token),
            token_expires=None if expires is None else _time(expires),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise _unlike() from None


def _time(ms: object) -> datetime:
    return datetime.fromtimestamp(float(str(ms)) / 1000, UTC)


def _unlike() -> Unavailable:
    return Unavailable("what answers is no gate of this version: nothing was approved")


def _part(request_id: str) -> str:
    """``request_id`` as a part of a path."""
    if not request_id or not all(c.isascii() and (c.isalnum() or c in "_-.") for c in request_id):
        raise Refused("that is no id of a request", code="unknown", status=404)
    return request_id
