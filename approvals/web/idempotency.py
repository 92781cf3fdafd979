"""Idempotency keys: a POST that is sent twice under one key is done once, and answered twice.

Only what succeeded is remembered, for a day: what was refused did nothing, and may be sent again as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from approvals.answers import Answers, Taken
from approvals.web.problems import ApiError

HEADER = "idempotency-key"
_KEY_LIMIT = 200
_TAKEN = {
    Taken.IN_PROGRESS: (409, "a request under this idempotency key is being answered just now"),
    Taken.REUSED: (422, "this idempotency key was used for something else"),
}


class IdempotentRoute(APIRoute):
    """A route that heeds ``Idempotency-Key`` on POST."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the key looked at before and after."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if request.method != "POST" or key is None:
                return await handle(request)
            if not 0 < len(key) <= _KEY_LIMIT or not key.isascii():
                raise ApiError(422, "invalid", f"an idempotency key has up to {_KEY_LIMIT} plain characters")
            service, body = request.app.state.service, await request.body()
            caller = _digest(request.headers.get("authorization", "").encode("utf-8", "replace"))
            asked = _digest(request.url.path.encode("utf-8", "replace") + b"\0" + body)
            answers: Answers = service.store.answers
            known = await run_in_threadpool(answers.begin, caller, key, asked, at=service.clock())
            if isinstance(known, Taken):
                status, words = _TAKEN[known]
                raise ApiError(status, known.value, words)
            if known is not None:
                again = {"idempotency-replayed": "true"}
                return Response(known[1], status_code=known[0], headers=again, media_type="application/json")
            done: tuple[int, bytes] | None = None
            try:
                response = await handle(request)
                if response.status_code < 300:
                    done = response.status_code, bytes(response.body)
                return response
            finally:
                await run_in_threadpool(answers.end, caller, key, done)

        return handler


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
