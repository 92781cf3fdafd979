"""Several workers of one group on one machine, each a process of its own, and what becomes of them.

A worker that dies is started again under the same name, so that its transactional id, its place in the group and
its note of attempts are found again; after a back-off that doubles. One that dies again and again without getting
on stops everything: what it needs is a person. See `engine.lifeline` for the worker's side.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO

from detectors.errors import ConfigError, SluicegateError
from engine.lifeline import FENCED, GRACE, READY, STEADY, WELL

log = logging.getLogger(__name__)

DEATHS = 5  # in a row, without having got on: more than it takes to find a record that kills (engine.attempts)
FENCES = 3  # in a row, each soon after a start: two engines with the same names would go on like that for ever
BACK_OFF = 0.5  # seconds before a worker is started again, doubled with each death in a row
LONGEST_BACK_OFF = 30.0
BAD_CONFIGURATION = 2
_TICK = 0.25  # seconds: how soon a signal and a death are noticed
_MARGIN = 5.0  # seconds that a worker has beyond its grace, which it minds itself
_LINE = 4096  # bytes; what is longer is shown in pieces


class CrashLoop(SluicegateError):
    """A worker died again and again without getting on."""


class WorkerFailed(SluicegateError):
    """A worker did not end in order when it was asked to."""


class _Pipe:
    """What a worker writes, handed to ``hear`` as it comes."""

    def __init__(self, pipe: IO[bytes], hear: Callable[[bytes], None], selector: selectors.BaseSelector) -> None:
        self._pipe, self._hear, self._selector = pipe, hear, selector
        os.set_blocking(pipe.fileno(), False)
        selector.register(pipe, selectors.EVENT_READ, self)

    def read(self) -> bool:
        """Hears what is there now. Returns whether there may be more."""
        if self._pipe.closed:
            return False
        try:
            data = os.read(self._pipe.fileno(), 65536)
        except BlockingIOError:
            return False
        if data:
            self._hear(data)
        else:
            self.close()  # so is its other end
        return bool(data)

    def close(self) -> None:
        if not self._pipe.closed:
            self._selector.unregister(self._pipe)
            self._pipe.close()


class _Child:
    """One worker: its process while it runs, and its history."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name, self._command = name, command
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0  # in a row, without having got on
        self.fences = 0  # in a row
        self.fenced = False  # in this life
        self.since = 0.0  # when this life began
        self.due: float | None = None  # when it is to be started
        self.ready = False  # whether it has ever joined
        self.done = False  # it ended in order, and is not to be started again
        self.last = ""  # the last line that it wrote
        self._rest = b""
        self._pipes: list[_Pipe] = []

    def start(self, selector: selectors.BaseSelector) -> None:
        self.due, self.last, self._rest, self.fenced = None, "", b"", False
        # In a group of its own, or Ctrl-C in a terminal would reach it as well as us.
        self.process = subprocess.Popen(  # noqa: S603  # our own interpreter and our own options
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            bufsize=0,
        )
        heard = ((self.process.stdout, self._status), (self.process.stderr, self._log))
        self._pipes = [_Pipe(pipe, hear, selector) for pipe, hear in heard if pipe is not None]

    def cut(self) -> None:
        """Tells it to finish its batch and leave."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def reap(self) -> int | None:
        """Its exit code, once: when it has ended and all that it wrote has been read."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        for pipe in self._pipes:
            while pipe.read():
                pass
            pipe.close()
        self.cut()
        self._log(b"\n" if self._rest else b"")
        self.process = None
        return code

    def _status(self, data: bytes) -> None:
        self.ready = self.ready or READY in data
        self.fenced = self.fenced or FENCED in data
        if WELL in data:
            self.deaths = 0

    def _log(self, data: bytes) -> None:
        """Passes on the lines that it writes, with its name before each."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) >= _LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in (whole[at : at + _LINE] for whole in lines for at in range(0, max(1, len(whole)), _LINE)):
            self.last = line.decode(errors="replace").strip() or self.last
            print(f"[{self.name}] {line.decode(errors='replace')}", file=sys.stderr)
        if lines:
            sys.stderr.flush()


class Supervisor:
    """Runs one process for each of ``names``, by ``command(ordinal)``, until `stop()` or until all are done.

    ``clock`` is monotonic.
    """

    def __init__(
        self,
        names: Sequence[str],
        command: Callable[[int], Sequence[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
        grace: float = GRACE + _MARGIN,
    ) -> None:
        self._children = [_Child(name, command(ordinal)) for ordinal, name in enumerate(names)]
        self._clock, self._grace = clock, grace

    def run(self, *, stop: Callable[[], bool], drain: bool = False) -> None:
        """Returns when all have ended in order. Raises CrashLoop, ConfigError, WorkerFailed: all have ended then."""
        with selectors.DefaultSelector() as selector:
            try:
                self._supervise(selector, stop, drain=drain)
            finally:
                failed = self._end(selector)
        if failed:
            raise WorkerFailed(f"did not end in order: {', '.join(failed)}; nothing uncommitted has happened")

    def _supervise(self, selector: selectors.BaseSelector, stop: Callable[[], bool], *, drain: bool) -> None:
        # The others wait for the first: it makes the topics, and what is wrong is then said once.
        self._children[0].due = self._clock()
        waiting = self._children[1:]
        while not stop() and not all(child.done for child in self._children):
            now = self._clock()
            if waiting and (self._children[0].ready or self._children[0].done):
                for child in waiting:
                    child.due = now
                waiting = []
            for child in self._children:
                if child.due is not None and child.due <= now:
                    child.start(selector)
                    child.since = now
            _listen(selector)
            for child in self._children:
                if (code := child.reap()) is not None:
                    self._ended(child, code, drain=drain)

    def _ended(self, child: _Child, code: int, *, drain: bool) -> None:
        """What follows from a death that nobody asked for."""
        if code == 0 and drain:
            child.done = True
            return
        if code == BAD_CONFIGURATION:
            raise ConfigError(f"worker {child.name} cannot use its configuration, and says why above; all are stopped")
        soon = self._clock() - child.since < STEADY
        child.fences = (child.fences + 1 if soon else 1) if child.fenced else 0
        if child.fences >= FENCES:
            raise CrashLoop(
                f"worker {child.name} lost its name to another process {FENCES} times in a row; all are stopped. "
                "Is there another engine with the same worker in its configuration? Give each a name of its own"
            )
        child.deaths += 1
        if child.deaths >= DEATHS:
            raise CrashLoop(
                f"worker {child.name} died {child.deaths} times in a row without getting on, the last time with "
                f"{_told(code)}; all are stopped. Its last line: {child.last or '(none)'}"
            )
        pause = min(BACK_OFF * 2 ** (child.deaths - 1), LONGEST_BACK_OFF)
        log.error("worker %s ended with %s; it is started again in %.1f s", child.name, _told(code), pause)
        child.due = self._clock() + pause

    def _end(self, selector: selectors.BaseSelector) -> list[str]:
        """Lets all finish their batch; those that do not in time are killed. Returns who did not end in order."""
        failed = []
        end = self._clock() + self._grace
        for child in self._children:
            child.cut()
        while any(child.process is not None for child in self._children):
            if self._clock() >= end:
                for child in self._children:
                    child.kill()
            _listen(selector)
            for child in self._children:
                # A service manager may signal everybody; who has not begun yet then dies of it, and may.
                if (code := child.reap()) and code not in (-signal.SIGTERM, -signal.SIGINT):
                    failed.append(f"worker {child.name} ({_told(code)})")
        return failed


def _listen(selector: selectors.BaseSelector) -> None:
    """Hears what the workers say, and waits a little if they are silent."""
    if not selector.get_map():
        time.sleep(_TICK)
        return
    for key, _ in selector.select(_TICK):
        key.data.read()


def _told(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
