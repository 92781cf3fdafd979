"""Many wait, one looks: a single task asks the database what has happened, and wakes those whom it concerns.

Who waits holds a future and nothing else: no thread, no connection of the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool

LOOK_SECONDS = 0.1  # between two looks, where nobody says that there is something to see
MOST = 5_000  # who wait at once on one instance
_AT_ONCE = 500


class Happenings(Protocol):
    """Where events are looked up, as `approvals.lookups.Lookups`."""

    def newest_event(self) -> int:
        """The number of the newest event."""

    def events_after(self, number: int, *, limit: int) -> list[dict[str, Any]]:
        """What happened after event ``number``, in order."""


class TooManyWait(Exception):
    """As many wait as may."""


class Listener:
    """One that waits for what happens to one request."""

    def __init__(self, bell: asyncio.Event, looking: Callable[[], asyncio.Future[None]]) -> None:
        self._bell, self._looking = bell, looking

    async def begin(self) -> None:
        """From now on nothing is missed. Raises what the database says if it cannot be asked."""
        self._bell.clear()
        await asyncio.shield(self._looking())

    def wake(self) -> None:
        """Ends the waiting, or the next one, for another reason."""
        self._bell.set()

    async def hear(self, seconds: float) -> None:
        """Returns when something has happened since `begin`, or after so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), seconds)


class Doorbell:
    """Wakes whoever waits for something to happen to a request. For one event loop."""

    def __init__(self, events: Happenings, *, closing: Callable[[], bool] = lambda: False) -> None:
        self._events, self._closing = events, closing
        self._waiting: dict[str, list[asyncio.Event]] = {}
        self._count = 0
        self._told = 0
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Has it look at once, since something was written here; from any thread."""
        if self._loop is not None and self._waiting:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._nudged.set)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._count

    @property
    def closing(self) -> bool:
        """Whether the server is about to end: whoever listens lets go."""
        return self._closing()

    @contextmanager
    def listening(self, request_id: str) -> Iterator[Listener]:
        """Somebody who listens to what happens to ``request_id``. Raises TooManyWait."""
        if self._count >= MOST:
            raise TooManyWait
        bell = asyncio.Event()
        self._count += 1
        self._waiting.setdefault(request_id, []).append(bell)
        try:
            yield Listener(bell, self._looking)
        finally:
            self._count -= 1
            left = self._waiting[request_id]
            left.remove(bell)
            if not left:
                del self._waiting[request_id]

    def _looking(self) -> asyncio.Future[None]:
        """Done once somebody looks: what happens after that is heard."""
        if self._task is None or self._task.done() or self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._look(self._ready))
        return self._ready

    async def _look(self, ready: asyncio.Future[None]) -> None:
        try:
            self._loop = asyncio.get_running_loop()
            self._told = await run_in_threadpool(self._events.newest_event)
            ready.set_result(None)
            while self._waiting and not self._closing():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._nudged.wait(), LOOK_SECONDS)
                self._nudged.clear()
                self._wake(await self._news())
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
                ready.exception()  # whoever waits hears it; nobody may be left to
        finally:
            for bells in self._waiting.values():  # nobody looks any more: they see for themselves, and come back
                for bell in bells:
                    bell.set()

    async def _news(self) -> Sequence[dict[str, Any]]:
        if await run_in_threadpool(self._events.newest_event) <= self._told:
            return ()
        return await run_in_threadpool(self._events.events_after, self._told, limit=_AT_ONCE)

    def _wake(self, news: Sequence[dict[str, Any]]) -> None:
        for event in news:
            self._told = event["sequence"]
            for bell in self._waiting.get(event["request_id"], ()):
                bell.set()
