"""`sluicegate reveal`: what tokens stand for, for those who hold the key."""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from detectors.errors import ConfigError
from engine.policy.load import load_keys, read_key
from engine.policy.model import Key
from engine.revealing import Use, reveal_all
from engine.revealing import reveal as reveal_token
from engine.tokens import KeyRing, SecretKey
from sluicegate.commands.sanitize import lines_of

_MAX_LINE = 32 * 1024 * 1024  # bytes


@click.command()
@click.argument("tokens", nargs=-1, metavar="[TOKEN]...")
@click.option("--policy", type=click.Path(dir_okay=False, path_type=Path), help="Take the keys that this policy names.")
@click.option("--key-file", type=click.Path(dir_okay=False, path_type=Path), help="Take the key in this file.")
@click.option("--key-id", default="k1", show_default=True, help="What the key in --key-file is called in tokens.")
@click.option("--tenant", default="", help="Whose tokens they are, where the policy tells tenants apart.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Append to this file; stderr if left out.")
def reveal(
    tokens: tuple[str, ...], policy: Path | None, key_file: Path | None, key_id: str, tenant: str, log: Path | None
) -> None:
    """Print what each TOKEN stands for, or copy stdin with the values in place of the tokens.

    Tokens are what the method tokenize writes: [EMAIL_ADDRESS:t:k1:...]. Those of the method hash cannot be
    undone. Before a value comes out, a JSON line is logged: who, when, key id, entity, how many; never the value.

    Exit codes: 0 all were revealed; 1 some could not be (each such token stays as it is), or the log could not be
    written; 2 bad usage, or no key.

    \b
    Examples:
      sluicegate reveal --policy policy.yaml '[EMAIL_ADDRESS:t:k1:...]'
      sluicegate reveal --key-file k1.key --tenant acme --log reveals.ndjson < clean.ndjson
    """
    keys = _keys(policy, key_file, key_id)
    failed: Counter[str] = Counter()
    with ExitStack() as stack:
        journal = stack.enter_context(_appending(log)) if log is not None else sys.stderr.buffer
        if tokens:
            uses: Counter[Use] = Counter()
            values = [reveal_token(token.encode("utf-8", "surrogateescape"), keys, tenant, uses) for token in tokens]
            _write_log(journal, uses, tenant, failed)
            _put(b"".join(value + b"\n" for value in values if value is not None))
        else:
            for lines in lines_of(sys.stdin.buffer, _MAX_LINE):
                uses = Counter()
                text = b"".join(_line(line, keys, tenant, uses) for line in lines)
                _write_log(journal, uses, tenant, failed)
                _put(text)
    for reason, count in failed.items():
        click.echo(f"sluicegate: {count} token{'s' if count > 1 else ''} not revealed: {reason}", err=True)
    sys.exit(1 if failed else 0)


def _keys(policy: Path | None, key_file: Path | None, key_id: str) -> KeyRing:
    if (policy is None) == (key_file is None):
        raise click.UsageError("say where the key is: --policy FILE or --key-file FILE")
    if policy is not None:
        ring = load_keys(policy)
        if not ring.ids:
            raise ConfigError("names no key; add keys: [{id: k1, file: k1.key}]", file=policy)
        return ring
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", key_id):
        raise click.UsageError("--key-id is at most 16 letters, digits, - and _")
    try:
        return KeyRing([SecretKey(key_id, read_key(Key(id=key_id, file=str(key_file)), Path(), {}))])
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _line(line: bytes, keys: KeyRing, tenant: str, uses: Counter[Use]) -> bytes:
    end = b"\r\n" if line.endswith(b"\r\n") else b"\n" if line.endswith(b"\n") else b""
    return reveal_all(line[: len(line) - len(end)], keys, tenant, uses) + end


def _write_log(journal: BinaryIO, uses: Mapping[Use, int], tenant: str, failed: Counter[str]) -> None:
    """One line for each key, entity and result; on disk before anything is shown."""
    who = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "user": _user(), "tenant": tenant}
    for use, count in uses.items():
        what = {"key": use.key, "entity": use.entity, "count": count, "revealed": not use.refused}
        journal.write(orjson.dumps(who | what, option=orjson.OPT_APPEND_NEWLINE))
        if use.refused:
            failed[use.refused] += count
    journal.flush()


def _user() -> str:
    """Who runs this, by the operating system: not by $USER, which one can set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _appending(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    except OSError as error:
        raise ConfigError((error.strerror or "cannot be opened").lower(), file=path) from None


def _put(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
