"""What an agent did just before, for the page of a request: looked up once, and by one person at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from markupsafe import Markup

from approvals.before import just_before
from approvals.service import Service
from approvals.web.params import param_leaves
from approvals.web.text import clipped
from approvals.web.words import Moment, moment
from engine.brokers.base import BrokerError
from engine.ledger.model import ReviewRequest
from engine.records import ActivityRecord

_BYTES = 320
_REMEMBERED = 200
_NAMES = ("action", "tool", "tool_name", "name", "event", "operation", "eventName", "verb", "type", "role")


class Step(NamedTuple):
    """One earlier record: when, what it calls itself (may be empty), and its beginning."""

    at: Moment
    name: Markup
    text: Markup


class Past:
    """Looks up, and remembers what it found: what was before something does not change any more."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: OrderedDict[tuple[str, int], list[Step]] = OrderedDict()

    def of(self, service: Service, request: ReviewRequest) -> list[Step] | None:
        """What came before ``request``; None if the log cannot be asked now."""
        key = (request.request_id, request.version)
        with self._turn:  # a look costs reads of the log: one at a time is enough for a page that can wait
            if key in self._known:
                return self._known[key]
            try:
                found = [_step(r) for r in just_before(service.broker, request.held)] if request.held else []
            except BrokerError:
                return None
            if found:
                self._known[key] = found
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
            return found


def _step(record: ActivityRecord) -> Step:
    text = (record.value or b"").decode("utf-8", "replace")
    leaves = {path: value for path, value, _ in param_leaves(text) if isinstance(value, str)}
    name = next((leaves[key] for key in _NAMES if leaves.get(key)), "")
    return Step(moment(record.timestamp), clipped(name, 120)[0], clipped(text, _BYTES)[0])
