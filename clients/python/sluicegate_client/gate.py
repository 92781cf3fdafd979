"""The gate for programs that wait: `Gate`. `sluicegate_client.aio` has the same with ``await``."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar

import httpx

from sluicegate_client import flow
from sluicegate_client.http import TOO_LONG, call_headers, lost, prepared, reply
from sluicegate_client.model import Approval, Grant, Intent, JsonValue, Principal, Question, Waiting
from sluicegate_client.protect import Described, Words
from sluicegate_client.settings import settings

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Asking = Callable[[Question], str]
"""Answers what a reviewer asks."""


class Gate:
    """Asks Sluicegate before something runs, and waits for the answer. Safe to use from several threads.

    ``url`` and ``token`` come from ``SLUICEGATE_URL`` and ``SLUICEGATE_TOKEN`` (or the file
    ``SLUICEGATE_TOKEN_FILE``) if they are not given. ``audience`` is who executes: None for this very program, which
    then uses up the approval itself. ``timeout`` is for how many seconds in a row the service may be away before
    `Unavailable` is raised. ``transport`` is for tests.

    Raises Misconfigured.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        audience: str | None = None,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        known = settings(url, token)
        self._audience = audience
        self._clock = flow.Clock(timeout)
        self._http = httpx.Client(**prepared(known), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    @contextmanager
    def require(
        self,
        action: str,
        resource: str,
        params: Mapping[str, JsonValue] | None = None,
        principals: Iterable[Principal | str] = (),
        *,
        environment: str | None = None,
        reason: str | None = None,
        audience: str | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
        on_question: Asking | None = None,
    ) -> Iterator[Approval]:
        """Runs the block if exactly this is approved.

        ``principals`` are those whom it is done for (``issuer:subject``), as far as the credential allows.
        ``wait`` is how many seconds to wait for people; None: until the request's own deadline.
        ``on_question`` answers what reviewers ask. With an ``idempotency_key`` a program that was started again finds
        the request that it had made before.

        With an ``audience``, here or of the gate, the approval's token is for that executor to redeem; without one it
        is used up before the block begins, so a block never runs twice on one approval.

        Raises Denied, Expired, Withdrawn, Repeated, Undecided, ClarificationAsked, Refused, Unavailable,
        TokenRejected.
        """
        pending = self.submit(
            action,
            resource,
            params,
            principals,
            environment=environment,
            reason=reason,
            audience=audience,
            idempotency_key=idempotency_key,
        )
        approval = pending.approval(wait, on_question)
        if audience is None and self._audience is None:
            self.redeem(approval.token, action, resource, params, approval.audience, environment=environment)
        yield approval

    def submit(
        self,
        action: str,
        resource: str,
        params: Mapping[str, JsonValue] | None = None,
        principals: Iterable[Principal | str] = (),
        *,
        environment: str | None = None,
        reason: str | None = None,
        audience: str | None = None,
        idempotency_key: str | None = None,
    ) -> Pending:
        """Asks, and does not wait. The same ``idempotency_key`` gives the same request, and is refused for another."""
        intent = intended(action, resource, params, principals, environment, reason)
        asked = flow.submitted(intent, audience or self._audience, idempotency_key or new_key(), self._clock)
        return Pending(self, self._run(asked))

    def check(
        self,
        action: str,
        resource: str,
        params: Mapping[str, JsonValue] | None = None,
        principals: Iterable[Principal | str] = (),
        *,
        idempotency_key: str,
        environment: str | None = None,
        reason: str | None = None,
        audience: str | None = None,
    ) -> Approval | Question | Waiting:
        """Asks, or looks at what was asked under this key before: where it stands now, without waiting.

        For frameworks that suspend a run and come back to it. Raises as `require`, NotApproved among them.
        """
        return self.submit(
            action,
            resource,
            params,
            principals,
            environment=environment,
            reason=reason,
            audience=audience,
            idempotency_key=idempotency_key,
        ).told()

    def resume(self, request_id: str) -> Pending:
        """A request that this agent made before. Raises Refused if there is none."""
        return Pending(self, self._run(flow.looked_at(request_id, self._clock)))

    def redeem(
        self,
        token: str,
        action: str,
        resource: str,
        params: Mapping[str, JsonValue] | None = None,
        audience: str | None = None,
        *,
        environment: str | None = None,
    ) -> Grant:
        """For the executor: uses up an approval for exactly this, just before it runs.

        ``audience`` is as whom it executes; None: as whom its credential says. Raises TokenRejected, Refused,
        Unavailable; after each of them nothing may run.
        """
        return self._run(
            flow.redeemed(token, action, resource, params or {}, audience, environment, self._clock, new_key())
        )

    def keys(self) -> Mapping[str, Any]:
        """The service's public keys (JWKS), for `sluicegate_client.verify`."""
        return self._run(flow.published_keys(self._clock))

    def protected(
        self,
        *,
        action: str,
        resource: Words,
        params: Callable[..., Mapping[str, JsonValue]] | None = None,
        principals: Iterable[Principal | str] = (),
        environment: str | None = None,
        reason: Words | None = None,
        wait: float | None = None,
        on_question: Asking | None = None,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorates a function that runs only if each call of it is approved, with its arguments as parameters.

        ``resource``, ``params`` and ``reason`` may be functions of the same arguments. Calls raise as `require`.
        """
        known = tuple(principals)

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            described = Described(function, resource, params, reason)

            @wraps(function)
            def asking(*args: P.args, **kwargs: P.kwargs) -> R:
                with self.require(
                    action,
                    described.resource(args, kwargs),
                    described.params(args, kwargs),
                    known,
                    environment=environment,
                    reason=described.reason(args, kwargs),
                    wait=wait,
                    on_question=on_question,
                ):
                    return function(*args, **kwargs)

            return asking

        return decorate

    def _run(self, steps: flow.Flow[T]) -> T:
        """Does what ``steps`` asks for, and gives what it comes to."""
        said: flow.Reply = None
        try:
            while True:
                step = steps.send(said)
                if isinstance(step, flow.Call):
                    said = self._call(step)
                else:
                    said = None
                    time.sleep(step.seconds)
        except StopIteration as end:
            result: T = end.value
            return result

    def _call(self, call: flow.Call) -> flow.Answer | flow.Lost:
        try:
            request = self._http.build_request(
                call.method, call.path, content=call.body, headers=call_headers(call), timeout=call.seconds
            )
            response = self._http.send(request, stream=True)
            try:
                content = b""
                for part in response.iter_bytes():
                    content += part
                    if len(content) > TOO_LONG:
                        return flow.Lost("its answer is too long")
                return reply(response, content)
            finally:
                response.close()
        except httpx.HTTPError as error:
            return lost(error)


class Pending:
    """A request that was made. It belongs to the gate that made it."""

    def __init__(self, gate: Gate, standing: flow.Standing) -> None:
        self._gate, self._standing = gate, standing

    def __repr__(self) -> str:
        return f"Pending({self.request_id}, {self._standing.state})"

    @property
    def request_id(self) -> str:
        """By which it can be resumed."""
        return self._standing.request_id

    def told(self) -> Approval | Question | Waiting:
        """Where it stood when last asked. Raises NotApproved."""
        return self._standing.told()

    def poll(self) -> Approval | Question | Waiting:
        """Where it stands now, without waiting. Raises NotApproved, Refused, Unavailable."""
        self._standing = self._gate._run(flow.looked_at(self.request_id, self._gate._clock))
        return self.told()

    def wait(self, seconds: float | None = None, *, through_questions: bool = False) -> Approval | Question:
        """Waits for people, at most so long; what comes of it.

        With ``through_questions`` others answer what reviewers ask, and it goes on waiting. Raises Undecided when the
        time is over, and as `poll`.
        """
        if self._standing.is_open:
            waiting = flow.waited(self.request_id, seconds, self._gate._clock, through_questions=through_questions)
            self._standing = self._gate._run(waiting)
        told = self.told()
        return self._standing.settled() if isinstance(told, Waiting) else told

    def answer(self, text: str) -> Waiting | Approval | Question:
        """Answers what was asked: a new version, on which everybody votes anew. Raises Refused, Unavailable."""
        question = self.told()
        if not isinstance(question, Question):
            raise ValueError("nothing was asked")
        self._standing = self._gate._run(flow.answered(question, text, self._gate._clock, new_key()))
        return self.told()

    def withdraw(self, reason: str = "") -> None:
        """Takes the request back. Raises Refused if it has ended already, Unavailable."""
        self._standing = self._gate._run(flow.withdrawn(self.request_id, reason, self._gate._clock, new_key()))

    def approval(self, seconds: float | None = None, on_question: Asking | None = None) -> Approval:
        """Waits, answering what is asked. Raises as `Gate.require`."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            told = self.wait(None if until is None else max(0.0, until - time.monotonic()))
            if isinstance(told, Approval) or on_question is None:
                return self._standing.settled()
            self.answer(on_question(told))


def intended(
    action: str,
    resource: str,
    params: Mapping[str, JsonValue] | None,
    principals: Iterable[Principal | str],
    environment: str | None,
    reason: str | None,
) -> Intent:
    """What is asked for, from what callers give. Raises ValueError for a principal without an issuer."""
    known = tuple(one if isinstance(one, Principal) else Principal.of(one) for one in principals)
    return Intent(action, resource, params or {}, environment or "", reason or "", known)


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return uuid.uuid4().hex
