"""``sluicegate-gate exec``: runs a command once it is approved, exactly as it was approved.

The command line, the program that it names and the directory it runs in are parameters of the action. Once the
approval is used up, the command takes the place of this process: signals reach it, and its exit code is the answer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sluicegate_client.errors import GateError, Misconfigured, Undecided
from sluicegate_client.gate import Gate, Pending
from sluicegate_client.model import Approval, Principal, Question
from sluicegate_client.settings import token_in

DENIED, USAGE = 1, 2
"""Exit codes beside the command's own: it did not run; it could not be asked for like that."""

_OURS = frozenset({"command", "program", "directory"})


class UsageError(Exception):
    """What was asked cannot be; the message says what to change."""


class _Stopped(Exception):
    """Somebody stopped the waiting, by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@dataclass(frozen=True, slots=True)
class Job:
    """What is to run, and how it is asked for."""

    action: str
    resource: str
    command: Sequence[str]
    params: Sequence[str] = ()  # NAME=VALUE
    on_behalf_of: Sequence[str] = ()  # ISSUER:SUBJECT
    environment: str | None = None
    reason: str | None = None
    idempotency_key: str | None = None
    wait: float | None = None  # seconds


def run(job: Job, *, url: str | None = None, token_file: Path | None = None, timeout: float = 30.0) -> int:
    """Asks, waits, and becomes the command; an exit code if it does not come to that. Raises UsageError."""
    program = _program(job.command)
    params = _params(job, program)
    try:
        principals = [Principal.of(text) for text in job.on_behalf_of]
        token = token_in(token_file) if token_file is not None else None
        gate = Gate(url, token, timeout=timeout)
    except (Misconfigured, ValueError) as error:
        raise UsageError(str(error)) from None
    with gate:
        try:
            pending = gate.submit(
                job.action,
                job.resource,
                params,
                principals,
                environment=job.environment,
                reason=job.reason,
                idempotency_key=job.idempotency_key,
            )
            approval = _waited(pending, job.wait)
            gate.redeem(approval.token, job.action, job.resource, params, approval.audience)
        except _Stopped as stopped:
            _say("stopped while it waited: nothing ran, and the request was taken back")
            return 128 + stopped.number
        except GateError as error:
            _say(f"{error}; nothing ran")
            return DENIED
    return _become(program, job.command)


def _waited(pending: Pending, seconds: float | None) -> Approval:
    """Waits, and tells whoever started it what is going on. A signal takes the request back."""
    told = pending.told()
    if isinstance(told, Approval):
        return told
    _say(f"{pending.request_id} waits for people")
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        told = pending.wait(seconds)
        if isinstance(told, Question):
            _say(f"a reviewer asks: {_legible(told.text)}")
            _say("it is waited for: the owner can answer on the page, or with 'sluicegate approvals answer'")
            told = pending.wait(seconds, through_questions=True)
        if isinstance(told, Question):  # it was not answered while we waited
            raise Undecided(f"nobody answered what was asked about {pending.request_id}", request_id=pending.request_id)
        return told
    except _Stopped:
        try:
            pending.withdraw("whoever asked for it stopped waiting")
        except GateError as error:
            _say(f"it could not be taken back: {error}")
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise _Stopped(number)


def _become(program: str, command: Sequence[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, list(command))  # noqa: S606 (this is what was approved)


def _program(command: Sequence[str]) -> str:
    if not command:
        raise UsageError("say what to run, after '--'")
    found = shutil.which(command[0])
    if found is None:
        raise UsageError(f"{command[0]}: no such program")
    return str(Path(found).absolute())


def _params(job: Job, program: str) -> Mapping[str, str | list[str]]:
    params: dict[str, str | list[str]] = {}
    for text in job.params:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError("a parameter is written NAME=VALUE")
        if name in params or name in _OURS:
            raise UsageError(f"the parameter '{name}' is {'given twice' if name in params else 'that of the command'}")
        params[name] = value
    return params | {"command": list(job.command), "program": program, "directory": str(Path.cwd())}


def _legible(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _say(words: str) -> None:
    print(f"sluicegate: {words}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """``sluicegate-gate``."""
    parser = argparse.ArgumentParser(
        prog="sluicegate-gate",
        description="Run what a person, or the policy, has approved at Sluicegate's gate.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    runs = commands.add_parser(
        "exec",
        help="run a command once it is approved",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs COMMAND once exactly this is approved; SLUICEGATE_URL says where to ask.",
        epilog="exit codes: the command's own; 1: it did not run; 2: it could not be asked for like that\n\n"
        "example:\n  sluicegate-gate exec --action db.migrate --resource warehouse/orders -- ./migrate.sh orders",
    )
    runs.add_argument("--action", required=True, help="what is done, for example db.migrate")
    runs.add_argument("--resource", required=True, help="to what it is done")
    runs.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter more; repeatable")
    runs.add_argument("--on-behalf-of", action="append", default=[], metavar="ISSUER:SUBJECT")
    runs.add_argument("--environment", help="for example production")
    runs.add_argument("--reason", help="why, for the reviewer")
    runs.add_argument("--idempotency-key", help="the same key finds the same request again")
    runs.add_argument("--wait", type=float, metavar="SECONDS", help="how long to wait; else until its deadline")
    runs.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="for how long the gate may be away"
    )
    runs.add_argument("--token-file", type=Path, help="else SLUICEGATE_TOKEN_FILE, or SLUICEGATE_TOKEN itself")
    runs.add_argument("--url", help="else SLUICEGATE_URL")
    runs.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    given = parser.parse_args(arguments)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    job = Job(
        given.action,
        given.resource,
        command,
        given.param,
        given.on_behalf_of,
        given.environment,
        given.reason,
        given.idempotency_key,
        given.wait,
    )
    try:
        return run(job, url=given.url, token_file=given.token_file, timeout=given.timeout)
    except UsageError as error:
        _say(str(error))
        return USAGE


if __name__ == "__main__":
    sys.exit(main())
