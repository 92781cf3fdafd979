"""Tells channels what happened: notes what each is to be told, and sends it, again and again until it has arrived.

What happened is read from the log of events in the database, so nothing that is decided, here or on another instance,
before or after a restart, is passed over.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from sqlalchemy.exc import OperationalError

from approvals.channels.deliveries import KEPT_MS, Delivery
from approvals.channels.plan import news, unknown, waiting_now
from approvals.channels.retry import ATTEMPTS, HALT_MS, PUT_OFF_MS, Dead, Halt, Result, Retry, Sent, pause_ms
from approvals.channels.settings import Channel
from approvals.lifecycle import State
from approvals.rows import Listed
from approvals.service import Service

LOOK_SECONDS = 0.5
_EVENTS_AT_ONCE = 200
_AT_ONCE = 8
_TIDY_MS = 3_600_000
_log = logging.getLogger("sluicegate.channels")


class Sender(Protocol):
    """One way of telling."""

    def send(self, channel: Channel, delivery: Delivery, listed: Listed) -> Result:
        """Tells ``channel`` what ``delivery`` says, or how the request of a message stands now."""


class ChannelWorker:
    """``senders`` by the kind of channel; ``site`` is the address of the page; ``luck`` gives numbers from 0 to 1."""

    def __init__(
        self,
        service: Service,
        channels: tuple[Channel, ...],
        senders: Mapping[str, Sender],
        site: str,
        *,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._service, self._channels, self._senders, self._site = service, channels, senders, site
        self._luck = luck
        self._names = frozenset(channel.name for channel in channels)
        self._unknown: dict[str, str] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, "channels")
        self._busy: dict[str, Future[None]] = {}
        self._tidied = 0

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="channels", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops after what is being sent."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(30.0)
        self._pool.shutdown()

    def wake(self) -> None:
        """Has it look at once."""
        self._wake.set()

    def problems(self) -> Mapping[str, str]:
        """What is wrong with channels that there are not, by name."""
        return dict(self._unknown)

    def step(self, *, wait: bool = False) -> None:
        """Notes what is new, and sends what is due; each channel at its own pace, unless it should ``wait``."""
        self._plan()
        for channel in self._channels:
            busy = self._busy.get(channel.name)
            if busy is None or busy.done():
                self._busy[channel.name] = self._pool.submit(self._send_due, channel)
        if wait:
            for future in self._busy.values():
                future.result()
        if (now := self._service.clock()) - self._tidied > _TIDY_MS:
            self._tidied = now
            self._service.store.deliveries.forget(before=now - KEPT_MS)

    # --- Planning -------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        store = self._service.store
        newest, states = store.lookups.newest_event(), store.deliveries.states()
        for channel in self._channels:
            state = states.get(channel.name)
            if state is None:
                self._begin(channel)
                continue
            cursor = state.cursor
            while cursor < newest and not self._stop.is_set():
                reached = self._go_on(channel, cursor)
                if reached is None:
                    break
                cursor = reached

    def _begin(self, channel: Channel) -> None:
        """A channel that is new is told what waits, and not what has been."""
        store = self._service.store
        if store.is_empty():  # it may be about to be made again from the topics
            return
        newest = store.lookups.newest_event()
        waiting = store.waiting(limit=1_000)
        self._look_for_unknown(waiting)
        told = waiting_now(channel, waiting, newest=newest, names=self._names, site=self._site)
        store.deliveries.plan(channel.name, told, before=None, cursor=newest, at=self._service.clock())

    def _go_on(self, channel: Channel, cursor: int) -> int | None:
        """Notes some of what came after ``cursor``; how far that went, or None if another instance was faster."""
        store = self._service.store
        events = store.lookups.events_after(cursor, limit=_EVENTS_AT_ONCE)
        if not events:
            return None
        ids = dict.fromkeys(event["request_id"] for event in events)
        found = {one: listed for one in ids if (listed := store.get(one)) is not None}
        self._look_for_unknown(found.values())
        told, last = news(channel, events, found, names=self._names, site=self._site), int(events[-1]["sequence"])
        now = self._service.clock()
        return last if store.deliveries.plan(channel.name, told, before=cursor, cursor=last, at=now) else None

    def _look_for_unknown(self, found: Iterable[Listed]) -> None:
        for name in unknown(found, self._names).difference(self._unknown):
            self._unknown[name] = "the policy names this channel, and channels.yaml does not"
            _log.error("channel %s: %s; people are told as the other channels are routed", name, self._unknown[name])

    # --- Sending --------------------------------------------------------------------------------------------

    def _send_due(self, channel: Channel) -> None:
        deliveries = self._service.store.deliveries
        try:
            for delivery_id in deliveries.due(channel.name, at=self._service.clock()):
                if self._stop.is_set():
                    return
                delivery = deliveries.claim(delivery_id, at=self._service.clock())
                if delivery is not None and not self._one(channel, delivery):
                    return
        except OperationalError:
            _log.error("the database does not answer; channels are told later")
        except Exception as error:
            # Its message may hold content, so only its kind is said.
            _log.error("channel %s: telling it failed: %s", channel.name, type(error).__name__)

    def _one(self, channel: Channel, delivery: Delivery) -> bool:
        """Sends one; whether the channel can go on."""
        listed = self._service.store.get(delivery.request_id)
        if listed is None or (channel.is_message and not delivery.place and not _worth_a_message(listed)):
            self._sent(delivery, Sent(delivery.place))
            return True
        try:
            result = self._senders[channel.kind].send(channel, delivery, listed)
        except Exception as error:
            # Its message may hold content, so only its kind is said.
            result = Retry(f"an unexpected {type(error).__name__}")
        match result:
            case Sent():
                self._sent(delivery, result)
                return True
            case Retry():
                return self._later(channel, delivery, result)
            case Dead():
                self._dead(channel, delivery, result.problem, of_channel=result.channel)
                return not result.channel
            case Halt():
                now = self._service.clock()
                deliveries = self._service.store.deliveries
                deliveries.failed(delivery, result.problem, due=now, counts=False)
                self._trouble(channel, result.problem, paused=now + HALT_MS)
                return False

    def _sent(self, delivery: Delivery, result: Sent) -> None:
        now = self._service.clock()
        self._service.store.deliveries.sent(delivery, shown=delivery.wanted, place=result.place, at=now)

    def _later(self, channel: Channel, delivery: Delivery, result: Retry) -> bool:
        now, deliveries = self._service.clock(), self._service.store.deliveries
        put_off = result.after_ms is not None  # then it is the other side that is full, not this delivery that fails
        counts = not put_off or now - delivery.created > PUT_OFF_MS
        attempts = delivery.attempts + counts
        if attempts >= ATTEMPTS:
            self._dead(channel, delivery, result.problem, of_channel=True)
            return True
        due = now + (pause_ms(attempts, luck=self._luck()) if result.after_ms is None else result.after_ms)
        deliveries.failed(delivery, result.problem, due=due, counts=counts)
        self._trouble(channel, result.problem, paused=due if put_off else 0)
        return not put_off

    def _dead(self, channel: Channel, delivery: Delivery, problem: str, *, of_channel: bool) -> None:
        self._service.store.deliveries.failed(delivery, problem, due=self._service.clock(), dead=True)
        _log.error("channel %s: %s; %s is in the dead letters", channel.name, problem, delivery.id)
        if of_channel:
            self._trouble(channel, problem)

    def _trouble(self, channel: Channel, problem: str, *, paused: int = 0) -> None:
        now = self._service.clock()
        if self._service.store.deliveries.trouble(channel.name, problem, at=now, paused=paused):
            _log.error("channel %s: %s", channel.name, problem)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.step()
            except OperationalError:
                _log.error("the database does not answer; channels are told later")
            except Exception as error:
                _log.error("telling channels failed: %s; trying again", type(error).__name__)
                self._stop.wait(10.0)
            self._wake.wait(LOOK_SECONDS)


def _worth_a_message(listed: Listed) -> bool:
    """Whether a request that was never shown needs to be: what is over, or waits with another, does not."""
    return listed.review.verdict is None and listed.review.state is not State.REPEAT
