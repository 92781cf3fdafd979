"""Server-sent events for programs: what happens to requests, one event a line, from where one left off."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from approvals.lookups import Lookups
from approvals.web.callers import Asked, Asker
from approvals.web.live import LOOK_SECONDS, watch_of

_LONGEST_SECONDS = 900.0  # the client comes back by itself, with its credentials
_QUIET_SECONDS = 10.0
_AT_ONCE = 500

router = APIRouter(prefix="/v1", tags=["events"])


@router.get("/events", response_class=StreamingResponse)
def get_events(
    request: Request,
    service: Asked,
    asker: Asker,
    last_event_id: Annotated[str, Header(pattern=r"^\d{0,18}$")] = "",
) -> Response:
    """A stream of what happens: ``id`` is its number, ``data`` says to which request. With ``Last-Event-ID`` it goes
    on after that number, else with what comes. Nothing of a request's content is in it.
    """
    asker.needs("read")
    start = int(last_event_id) if last_event_id else service.store.lookups.newest_event()
    stream = _events(request, service.store.lookups, start)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _events(request: Request, lookups: Lookups, told: int) -> AsyncIterator[str]:
    watch = watch_of(request.app)
    began = spoke = time.monotonic()
    yield f"retry: 2000\nid: {told}\n\n"
    while not watch.closing and time.monotonic() - began < _LONGEST_SECONDS:
        if await watch.newest() > told:
            for event in await run_in_threadpool(lookups.events_after, told, limit=_AT_ONCE):
                told = event["sequence"]
                yield f"id: {told}\nevent: request\ndata: {json.dumps(event)}\n\n"
            spoke = time.monotonic()
        elif time.monotonic() - spoke > _QUIET_SECONDS:
            spoke = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)
