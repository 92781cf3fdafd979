"""A worker process's line to the supervisor that started it: two pipes.

The one it reads ends when the supervisor wants it to stop, and when the supervisor is dead, however it died:
no worker is left behind, and a worker that is told twice (its whole group may get SIGTERM) still ends in order.
On the other it says `READY` once it has joined its group, and `WELL` once it has got on.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

from engine.progress import Progress

READY = b"r"  # it has joined the group
WELL = b"w"  # it has committed a batch, or kept its place in the group for `STEADY` seconds
FENCED = b"f"  # another process has taken over its name
STEADY = 60.0
GRACE = 30.0  # seconds that a worker has to finish its batch and leave


class Lifeline:
    """Asked by the worker, between batches, whether to stop; tells the supervisor how the worker gets on."""

    def __init__(self, progress: Progress, *, reads: int = 0, writes: int = 1, grace: float = GRACE) -> None:
        self._progress, self._writes = progress, writes
        self._cut = False
        self._ready = self._well = False
        threading.Thread(target=self._watch, args=(reads, grace), name="lifeline", daemon=True).start()

    def __call__(self) -> bool:
        """Whether the supervisor wants this worker to stop, or is gone."""
        if not self._ready and self._progress.began:
            self._ready = self._tell(READY)
        if not self._well and (self._progress.counters.batches or self._progress.well >= STEADY):
            self._well = self._tell(WELL)
        return self._cut

    def fenced(self) -> None:
        """Tells the supervisor why this worker ends: commits between two such ends do not make it better."""
        self._tell(FENCED)

    def _tell(self, what: bytes) -> bool:
        with suppress(OSError):  # a supervisor that is gone is noticed at the other end
            os.write(self._writes, what)
        return True

    def _watch(self, reads: int, grace: float) -> None:
        with suppress(OSError):
            while os.read(reads, 64):
                pass
        self._cut = True
        time.sleep(grace)
        os._exit(1)  # it hangs; nothing that is not committed has happened
