"""Server-sent events: a page that is open hears that something happened, and fetches what it shows anew.

Only a number is sent, so nothing of a request travels here, and who missed some has missed nothing. Every
instance asks the database, since another one may have written what is new.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from approvals.web.shell import SignInFirst, Viewer, sessions_of, viewer_of

LOOK_SECONDS = 0.15
_QUIET_SECONDS = 10.0  # a comment then: proxies cut what is silent, and a session that ended is noticed
_LONGEST_SECONDS = 900.0  # the browser comes back by itself

router = APIRouter()


class Watch:
    """The number of the newest event, asked for at most once in `LOOK_SECONDS` however many listen."""

    def __init__(self, newest: Callable[[], int]) -> None:
        self._newest = newest
        self._number = 0
        self._asked = 0.0
        self.closing = False  # the server is about to end: whoever listens lets go

    async def newest(self) -> int:
        """The newest number, at most `LOOK_SECONDS` old."""
        now = time.monotonic()
        if now - self._asked >= LOOK_SECONDS:
            self._asked = now
            self._number = await run_in_threadpool(self._newest)
        return self._number


def watch_of(app: FastAPI) -> Watch:
    """The application's watch."""
    if not hasattr(app.state, "watch"):
        app.state.watch = Watch(app.state.service.store.lookups.newest_event)
    watch = app.state.watch
    assert isinstance(watch, Watch)  # noqa: S101 (for the type checker; set above)
    return watch


class Server(uvicorn.Server):
    """Uvicorn, which otherwise waits until the last open page goes away."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._watch = watch_of(app)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends all streams, and then what uvicorn ends."""
        self._watch.closing = True
        await super().shutdown(sockets)


@router.get("/live")
def live(request: Request, _viewer: Viewer) -> Response:
    """The stream: ``data: NUMBER`` whenever something happened to any request."""

    def signed_in() -> bool:
        sessions_of(request).look_again(request)
        try:
            viewer_of(request)
        except SignInFirst:
            return False
        return True

    stream = _numbers(watch_of(request.app), signed_in)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _numbers(watch: Watch, signed_in: Callable[[], bool]) -> AsyncIterator[str]:
    began = spoke = time.monotonic()
    told = await watch.newest()
    yield f"retry: 2000\ndata: {told}\n\n"
    while not watch.closing and time.monotonic() - began < _LONGEST_SECONDS:
        await asyncio.sleep(LOOK_SECONDS)
        number = await watch.newest()
        if number != told:
            told, spoke = number, time.monotonic()
            yield f"data: {number}\n\n"
        elif time.monotonic() - spoke > _QUIET_SECONDS:
            if not await run_in_threadpool(signed_in):
                return
            spoke = time.monotonic()
            yield ": still here\n\n"
