"""`sluicegate sanitize` as a Unix filter, run as a process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.ledger.accounting import account
from engine.ledger.codec import decode
from engine.ledger.model import DecisionBatch, PolicySnapshot

COMMAND = [sys.executable, "-m", "sluicegate", "sanitize"]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


def run(*arguments: str | Path, given: bytes = b"", code: int = 0) -> bytes:
    """What the filter writes for ``given``."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], input=given, capture_output=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"plain", b"plain"),
        (b"mail jane@corp.example.com\n", b"mail [EMAIL_ADDRESS]\n"),
        (b'{"to":"jane@corp.example.com","n":1.0}\r\n\r\nx\r\n', b'{"to":"[EMAIL_ADDRESS]","n":1.0}\r\n\r\nx\r\n'),
        (b"no end jane@corp.example.com", b"no end [EMAIL_ADDRESS]"),
        (b"\xff\xfe jane@corp.example.com \x00\n\xff\n", b"\xff\xfe [EMAIL_ADDRESS] \x00\n\xff\n"),
        (b'level=info to="jane@corp.example.com" n=1\n', b'level=info to="[EMAIL_ADDRESS]" n=1\n'),
        (b'{"broken": "jane@corp.example.com\nnext\n', b'{"broken": "[EMAIL_ADDRESS]\nnext\n'),
        (b"a\rb jane@corp.example.com\rc\n", b"a\rb [EMAIL_ADDRESS]\rc\n"),
    ],
)  # fmt: skip
def test_a_line_for_every_line(given: bytes, expected: bytes) -> None:
    """Empty input, CRLF, no newline at the end, invalid UTF-8, NUL bytes: nothing but findings changes."""
    assert run(given=given) == expected


def test_files_are_read_in_order_and_stdin_among_them(tmp_path: Path) -> None:
    """As any filter reads its arguments."""
    (tmp_path / "a").write_bytes(b"1\n")
    (tmp_path / "b").write_bytes(b"3\n")
    assert run(tmp_path / "a", "-", tmp_path / "b", given=b"2\n") == b"1\n2\n3\n"


def test_a_line_of_ten_megabytes_is_read_whole() -> None:
    """Its secrets go, at both ends."""
    filler = b"lorem ipsum dolor " * 600_000
    given = b'{"a":"jane@corp.example.com","b":"' + filler + b'","c":"joe@corp.example.com"}\nnext\n'
    assert run(given=given) == b'{"a":"[EMAIL_ADDRESS]","b":"' + filler + b'","c":"[EMAIL_ADDRESS]"}\nnext\n'


def test_a_line_over_budget_is_a_placeholder_and_the_exit_code_says_so(tmp_path: Path) -> None:
    """In the form of the line; the other lines are as they would be."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("limits: {bytes: 2000000}\n")
    long = b"x" * 3_000_000
    out = run("--policy", policy, given=b"a\n" + long + b'\n{"v":"' + long + b'"}\nb\n', code=1)
    first, text, document, last = out.splitlines()
    assert (first, last) == (b"a", b"b")
    assert text == b"[sluicegate: quarantined budget.bytes]"
    assert json.loads(document) == {"sluicegate": {"outcome": "quarantined", "reason": "budget.bytes"}}


def test_decisions_add_up_and_name_the_policy(tmp_path: Path) -> None:
    """Every line is accounted for, and the text of the policy is found again by its digest."""
    why = tmp_path / "why.ndjson"
    lines = [b"clean", b"jane@corp.example.com", b"clean", b"clean", b'{"p":"joe@corp.example.com"}']
    run("--decisions", why, given=b"\n".join(lines) + b"\n")
    snapshot, *batches = [decode(line) for line in why.read_bytes().splitlines()]
    assert isinstance(snapshot, PolicySnapshot)
    entries = [e for batch in batches if isinstance(batch, DecisionBatch) for e in batch.entries]
    assert account(entries, {("stdin", 0): range(5)}).adds_up
    assert [r.path for e in entries for r in e.redactions] == ["", "p"]
    assert b"jane" not in why.read_bytes()
    command = [sys.executable, "-m", "sluicegate", "policy", "show", snapshot.digest[:20], "--decisions", str(why)]
    shown = subprocess.run(command, capture_output=True, check=True).stdout
    assert snapshot.digest.encode() in shown
    assert b"name: default" in shown


def test_a_live_pipe_is_not_held_up() -> None:
    """A line comes out when it went in, not when a buffer is full."""
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(b"%d jane@corp.example.com\n" % number)
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], 30)
            assert ready, "no line came out while the pipe was open"
            assert os.read(process.stdout.fileno(), 1000) == b"%d [EMAIL_ADDRESS]\n" % number
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_reader_that_goes_away_ends_the_filter_quietly() -> None:
    """As with ``| head -1``: no traceback, and no endless work."""
    script = f"yes 'jane@corp.example.com' | {' '.join(COMMAND)} | head -1"
    began = time.monotonic()
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"[EMAIL_ADDRESS]\n"
    assert done.stderr == b""
    assert time.monotonic() - began < 60


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """Ten times the lines, the same peak (within a few MB)."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdin=open(0), stdout=subprocess.DEVNULL, check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    peaks = []
    for lines in (20_000, 200_000):
        path = tmp_path / "log"
        path.write_bytes(b"2026-01-01 service started, nothing to see in this line of a plain log\n" * lines)
        with path.open("rb") as given:
            done = subprocess.run(
                [sys.executable, "-c", script, *COMMAND], stdin=given, capture_output=True, check=True
            )
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] + 16_000  # kB; the larger input is 13 MB larger


def test_an_output_that_is_full_is_one_clear_line() -> None:
    """And the exit code says that something is missing."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(COMMAND, input=b"x\n" * 100_000, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr == b"sluicegate: output: no space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-file"], "no-such-file: no such file or directory"),
        (["--policy", "no-such-policy"], "no-such-policy: No such file or directory"),
        (["--format", "xml"], "'xml' is not one of"),
        (["--decisions", "no/such/folder/why"], "no/such/folder/why: no such file or directory"),
    ],
)
def test_bad_usage_is_one_clear_line_and_exit_code_two(arguments: list[str], says: str) -> None:
    """Without a traceback."""
    done = subprocess.run([*COMMAND, *arguments], input=b"", capture_output=True, check=False)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert b"Traceback" not in done.stderr
