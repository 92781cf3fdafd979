"""A worker's line to its supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.lifeline import FENCED, READY, STEADY, WELL, Lifeline
from engine.progress import Progress

ROOT = Path(__file__).parents[2]
WORKER = """
import sys, time
from engine.lifeline import Lifeline
from engine.progress import Progress
lifeline = Lifeline(Progress("a"), grace=float(sys.argv[1]))
while not lifeline():
    time.sleep(0.01)
print("asked", flush=True)
time.sleep(float(sys.argv[2]))
"""


class Ends:
    """A worker's line, and the supervisor's ends of it."""

    def __init__(self) -> None:
        self.progress = Progress("a")
        reads, self.cut = os.pipe()
        self.hears, writes = os.pipe()
        self.fds = [reads, writes, self.hears]
        os.set_blocking(self.hears, False)
        self.line = Lifeline(self.progress, reads=reads, writes=writes, grace=600)

    def heard(self) -> bytes:
        try:
            return os.read(self.hears, 100)
        except BlockingIOError:
            return b""


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    for fd in ends.fds:  # the other is left: cutting it would end this process after the grace
        os.close(fd)


def test_what_the_supervisor_hears(ends: Ends) -> None:
    """That the worker is up, and that it got on, each once; and that it lost its name."""
    assert not ends.line()
    assert ends.heard() == b""
    ends.progress.began = True
    assert not ends.line()
    assert ends.heard() == READY
    ends.progress.counters.batches = 1
    assert not ends.line()
    assert not ends.line()
    assert ends.heard() == WELL
    ends.line.fenced()
    assert ends.heard() == FENCED


def test_a_quiet_stream(ends: Ends) -> None:
    """A worker that keeps its place in the group for long enough got on, even if there was nothing to do."""
    ends.progress.began = True
    ends.progress.well = STEADY
    assert not ends.line()
    assert ends.heard() == READY + WELL


@pytest.mark.parametrize(("grace", "work", "code"), [(600, 0, 0), (0.1, 600, 1)])
def test_when_the_line_is_cut(grace: float, work: float, code: int) -> None:
    """The worker is asked to stop; if it hangs, it ends with 1 when its grace is over."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(grace), str(work)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdin.close()
        assert process.stdout.read().strip() == b"asked"
        assert process.wait(30) == code
