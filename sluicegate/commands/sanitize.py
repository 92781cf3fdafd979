"""`sluicegate sanitize`: a Unix filter that redacts logs line by line."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, assert_never, cast

import click
import orjson

from detectors.errors import ConfigError
from engine.ledger.codec import encode
from engine.ledger.model import DecisionBatch, PolicySnapshot
from engine.outcomes import Denied, Diverted, Dropped, Outcome, Quarantined, Sanitized
from engine.policy import load_policy
from engine.records import ActivityRecord, Position
from engine.routing import entries
from engine.sanitizer import Sanitizer

CHUNK = 1 << 20
"""How many bytes one read asks for. A pipe gives what it has, so a live one is not held up."""


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--format", "form", type=click.Choice(["auto", "json", "text", "logfmt"]), default=None,
    help="How lines are read; the policy says so if left out, and by default it is auto: each as it is.",
)  # fmt: skip
@click.option("--policy", type=click.Path(dir_okay=False, path_type=Path), help="A policy file.")
@click.option("--decisions", type=click.Path(dir_okay=False, path_type=Path), help="Write the why here, as NDJSON.")
@click.option("--ner/--no-ner", default=None, help="Names in free text, by a model.  [default: as the policy says]")
def sanitize(
    files: tuple[Path, ...], form: str | None, policy: Path | None, decisions: Path | None, ner: bool | None
) -> None:
    """Redact FILES (or stdin, also as -): NDJSON, plain text or logfmt in, the same out.

    A line comes out for every line that goes in, in order; a line without findings comes out byte for byte.
    A line that cannot be read safely becomes a placeholder, and the exit code is 1. Privileged actions are
    not held here: `sluicegate run` does that.

    \b
    Examples:
      tail -f app.log | sluicegate sanitize
      echo '{"prompt": "call Jane Doe in Paris"}' | sluicegate sanitize --ner
      sluicegate sanitize --decisions why.ndjson agents.ndjson > clean.ndjson
    """
    loaded = load_policy(policy, ner=ner)
    sanitizer = Sanitizer(loaded, secret=os.urandom(32), form=form, privileged=False)
    # A reader that goes away (head, less) ends us quietly, as it ends any filter.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with ExitStack() as stack:
        why = stack.enter_context(_opened(decisions, "wb")) if decisions is not None else None
        sink = _Sink(sys.stdout.buffer, why, sanitizer)
        for path in files or (Path("-"),):
            source = sys.stdin.buffer if str(path) == "-" else stack.enter_context(_opened(path, "rb"))
            name = "stdin" if str(path) == "-" else str(path)
            offset = 0
            for lines in lines_of(source, loaded.file.limits.bytes):
                sink.write(name, offset, lines)
                offset += len(lines)
    sys.exit(1 if sink.failed else 0)


def lines_of(source: BinaryIO, limit: int) -> Iterator[list[bytes]]:
    """The lines of ``source`` with their ends, as they arrive: a list for each read that completes one.

    Of a line above ``limit`` bytes only a little more than that is kept, enough to say that it is too long.
    """
    held: list[bytes] = []  # of the line that is not complete yet
    size = 0
    while chunk := os.read(source.fileno(), CHUNK):
        *complete, last = chunk.split(b"\n")
        if complete:
            lines = [line + b"\n" for line in complete]
            if held:
                lines[0] = b"".join(held) + lines[0]
                held, size = [], 0
            yield lines
        if last and size <= limit:
            held.append(last)
            size += len(last)
    if held:
        yield [b"".join(held)]


class _Sink:
    """Writes sanitized lines, and why, as they come."""

    def __init__(self, out: BinaryIO, why: BinaryIO | None, sanitizer: Sanitizer) -> None:
        self._out, self._why, self._sanitizer = out, why, sanitizer
        self.failed = False
        if why is not None:
            policy = sanitizer.policy
            why.write(encode(PolicySnapshot(policy.digest, policy.text, now_ms()), "json") + b"\n")

    def write(self, name: str, offset: int, lines: list[bytes]) -> None:
        """Sanitizes ``lines``, whose first is line ``offset`` (from 0) of the input ``name``."""
        now = now_ms()
        ends = [b"\r\n" if line.endswith(b"\r\n") else b"\n" if line.endswith(b"\n") else b"" for line in lines]
        records = [
            ActivityRecord(Position(name, 0, offset + n), None, line[: len(line) - len(end)], (), now)
            for n, (line, end) in enumerate(zip(lines, ends, strict=True))
        ]
        outcomes = self._sanitizer.sanitize(records, now)
        for outcome, end in zip(outcomes, ends, strict=True):
            self._out.write(self._line(outcome) + end)
        self._out.flush()
        if self._why is not None:
            batch = DecisionBatch(self._sanitizer.digest, "sanitize", now, tuple(entries(outcomes)))
            self._why.write(encode(batch, "json") + b"\n")
            self._why.flush()

    def _line(self, outcome: Outcome) -> bytes:
        match outcome:
            case Sanitized(record):
                return record.value or b""
            case Quarantined(record, reason):
                self.failed = True
                return _placeholder(record, "quarantined", reason)
            case Dropped(record):
                return _placeholder(record, "dropped", "")
            case Diverted() | Denied():
                raise AssertionError("a filter holds nothing")
            case _:
                assert_never(outcome)


def _placeholder(record: ActivityRecord, outcome: str, reason: str) -> bytes:
    """What stands for a line that may not be shown, in the form of the line."""
    if (record.value or b"").lstrip()[:1] in (b"{", b"["):
        return orjson.dumps({"sluicegate": {"outcome": outcome, "reason": reason}})
    return f"[sluicegate: {outcome}{' ' + reason if reason else ''}]".encode()


def _opened(path: Path, mode: str) -> BinaryIO:
    try:
        return cast(BinaryIO, path.open(mode))
    except OSError as error:
        raise ConfigError((error.strerror or "cannot be opened").lower(), file=path) from None


def now_ms() -> int:
    """The time in ms since the epoch."""
    return time.time_ns() // 1_000_000
