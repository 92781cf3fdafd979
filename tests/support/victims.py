"""Processes to be killed, one after the other, at a place that each has chosen and says.

A warm process forks them, so that what takes long to load is loaded once. `serve` is its side, `Victims` ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]


def serve(run: Callable[..., None], warm: Callable[..., object] = lambda *_: None) -> None:
    """Forks a process for each line that comes, which calls ``run`` with its words; says how each one ended.

    ``warm`` gets the words before that, in this process.
    """
    for line in sys.stdin:
        warm(*line.split())
        child = os.fork()
        if child == 0:
            run(*line.split())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def await_death(where: str, produced: int) -> None:
    """Says that this process is at ``where``, having produced so many records, and waits to be killed."""
    print(os.getpid(), where, produced, flush=True)
    time.sleep(600)


class Halt(NamedTuple):
    """A process that waits to be killed."""

    process: int
    where: str
    produced: int


class Victims:
    """One kind of them: those of ``script`` in this folder, which may say what happens to them in ``log``."""

    def __init__(self, script: str, log: Path) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, SUPPORT)))}
        with log.open("ab") as stderr:
            self._forks = subprocess.Popen(
                [sys.executable, str(SUPPORT / script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment,
                start_new_session=True,
            )
        self._log = log

    def fileno(self) -> int:
        """Can be read once one waits to be killed, or has ended by itself."""
        return self._forks.stdout.fileno()

    def start(self, *words: object) -> None:
        """Starts the next one."""
        print(*words, file=self._forks.stdin, flush=True)

    def reached(self) -> Halt:
        """Returns when it waits to be killed."""
        words: Sequence[str] = self._forks.stdout.readline().split()
        assert len(words) == 3, f"ended by itself, {words}: {self._log.read_text()[-2000:]}"
        return Halt(int(words[0]), words[1], int(words[2]))

    def kill(self, halt: Halt) -> None:
        """Kills it, and returns when it is dead."""
        os.kill(halt.process, signal.SIGKILL)
        assert int(self._forks.stdout.readline()) == -signal.SIGKILL

    def close(self) -> None:
        """Kills whoever is left."""
        os.killpg(self._forks.pid, signal.SIGKILL)
        with self._forks:
            pass
