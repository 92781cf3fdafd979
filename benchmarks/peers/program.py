"""A peer as a program of its own, and the form in which one talks to it.

``PROGRAM RULES CORPUS FORM``: RULES is a JSON file (an array of ``{"id", "pattern", "validator"}``), CORPUS holds the
records, each after its length as four bytes, little-endian; FORM is ``json`` (each record is JSON, and so is what
comes out) or ``text``. The program loads both, and says on a line ``{"tool": name and version, "rules": how many it
uses, "refused": ["id: why", …], "records": how many}``. Then it answers, a JSON object a line:

- ``run N PASSES``: works through the first N records PASSES times and takes the time of that alone:
  ``{"records", "bytes", "seconds", "failed"}``, counted over all passes.
- ``write N FILE``: works through them once and writes what came out, in the form of CORPUS; ``ff ff ff ff`` stands
  for a record that failed. ``{"records"}``.

It ends when its input ends. What goes wrong is one line on its stderr.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from benchmarks.measurement import MeasuringFailed

START = 120.0  # seconds to load
ANSWER = 300.0  # seconds for one command
FAILED = b"\xff\xff\xff\xff"


class Worked(NamedTuple):
    """What a run took, for all passes: ``seconds`` by the peer's clock, ``cpu`` of all its threads, None where the
    system does not tell; and how many records failed.
    """

    seconds: float
    cpu: float | None
    failed: int


class PeerFailed(MeasuringFailed):
    """A peer ended, was silent for too long, or said what nobody can read."""


def write_corpus(path: Path, records: Iterable[bytes]) -> None:
    """The records as peers read them."""
    with path.open("wb") as file:
        for record in records:
            file.write(len(record).to_bytes(4, "little") + record)


def read_corpus(path: Path) -> list[bytes | None]:
    """What a peer wrote; None stands for a record that failed. Raises ValueError where it is cut short."""
    data, at, out = path.read_bytes(), 0, cast("list[bytes | None]", [])
    while at < len(data):
        head = data[at : at + 4]
        at += 4
        if head == FAILED:
            out.append(None)
            continue
        size = int.from_bytes(head, "little")
        if len(head) < 4 or at + size > len(data):
            raise ValueError("cut short")
        out.append(data[at : at + size])
        at += size
    return out


class Program:
    """A running peer. Use it as a context: it is ended at the end.

    ``tool`` is its name with its version, ``rules`` how many it uses, ``refused`` why not the others.
    Raises PeerFailed, here and in each of its methods.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        rules: Path,
        corpus: Path,
        form: str,
        *,
        start: float = START,
        answer: float = ANSWER,
    ) -> None:
        self._name = Path(command[0]).name
        self._answer = answer
        self._buffer = b""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the program; a pipe could fill up)
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our own programs)
                [*map(str, command), str(rules), str(corpus), form],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "GOMAXPROCS": "1"},  # one core, as for all
            )
        except OSError as error:
            self._errors.close()
            raise PeerFailed(f"{self._name} does not start: {(error.strerror or 'failed').lower()}") from None
        try:
            ready = self._read(start, loading=True)
            self.tool = str(ready["tool"])
            self.rules = int(ready["rules"])
            self.refused = [str(one) for one in ready.get("refused") or ()]
        except (KeyError, TypeError, ValueError):
            self.close()
            raise PeerFailed(f"{self._name} says what nobody can read") from None
        except PeerFailed:
            self.close()
            raise

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, count: int, passes: int = 1) -> Worked:
        """Works through the first ``count`` records, ``passes`` times."""
        before = self._cpu()
        answer = self._ask(f"run {count} {passes}")
        after = self._cpu()
        cpu = after - before if before is not None and after is not None else None
        try:
            return Worked(float(answer["seconds"]), cpu, int(answer["failed"]))
        except (KeyError, TypeError, ValueError):
            raise PeerFailed(f"{self._name} says what nobody can read") from None

    def write(self, count: int, path: Path) -> list[bytes | None]:
        """What comes out for the first ``count`` records; None for one that failed. ``path`` is written."""
        self._ask(f"write {count} {path}")
        try:
            return read_corpus(path)
        except (OSError, ValueError):
            raise PeerFailed(f"{self._name} wrote what nobody can read") from None

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(BrokenPipeError):
                cast("IO[bytes]", pipe).close()

    def _ask(self, line: str) -> dict[str, Any]:
        try:
            stdin = cast("IO[bytes]", self._process.stdin)
            stdin.write(line.encode() + b"\n")
            stdin.flush()
        except OSError:
            raise self._ended() from None
        return self._read(self._answer)

    def _read(self, seconds: float, *, loading: bool = False) -> dict[str, Any]:
        """The next line of JSON."""
        out = cast("IO[bytes]", self._process.stdout).fileno()
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                raise PeerFailed(f"{self._name} has not answered in {seconds:.0f} s")
            data = os.read(out, 1 << 16)
            if not data:
                raise self._ended(loading=loading)
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = orjson.loads(line)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise PeerFailed(f"{self._name} says what nobody can read")
        return answer

    def _cpu(self) -> float | None:
        """Seconds of processor time so far, of all threads that live (Linux, ``/proc/PID/task/*/schedstat``, ns)."""
        try:
            tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
            return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9 or None
        except (OSError, ValueError, IndexError):
            return None

    def _ended(self, *, loading: bool = False) -> PeerFailed:
        """Why it ended. Once it reads records, what it says may hold one, so that only its exit code is told."""
        self._process.kill()
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines() if loading else []
        return PeerFailed(f"{self._name} ended{f' ({code})' if code else ''}{f': {said[-1][:300]}' if said else ''}")
