"""The demo's folder: configuration, policy, people, keys and the log, all made here and for this start only."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from approvals.people import hash_token, new_token
from detectors.errors import ConfigError
from engine.brokers.base import Broker, TopicSpec
from engine.policy.load import DEFAULT_POLICY

ACTIVITY = "activity"
SANITIZED, APPROVALS, DECISIONS, QUARANTINE = (
    f"{ACTIVITY}.{role}" for role in ("sanitized", "approvals", "decisions", "quarantine")
)
PARTITIONS = 4
PEOPLE = {"ada": "Ada Lindqvist", "grace": "Grace Okafor"}
MAIL_DOMAIN = "example.com"

_MARK = "made-by-sluicegate-demo"  # only what holds it is ever emptied; it is locked while a demo runs
_KEEP_MS = 10 * 60 * 1000  # how long the demo's log keeps activity, raw and clean

_CONFIG = f"""\
# Written by `sluicegate demo`, new at each start; `--keep` leaves it as it is.
broker: embedded:log.db
worker: demo
topics:
  - activity: {ACTIVITY}
policy: policy.yaml
state_dir: state
binding_key: {{file: binding.key}}
decisions_format: json
create_topics: {{partitions: {PARTITIONS}}}
"""


class Folder:
    """The files of one demo."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "sluicegate.yaml"
        self.people = path / "people.yaml"
        self.policy = path / "policy.yaml"
        self.log = path / "log.db"
        self.database = path / "state" / "approvals.db"

    def token(self, person: str) -> Path:
        """The file with the API token of ``person``."""
        return self.path / f"{person}.token"

    @property
    def broker_url(self) -> str:
        """The embedded broker, for a program in any directory."""
        return f"embedded:{self.log.absolute()}"

    @contextmanager
    def opened(self, *, keep: bool) -> Iterator[None]:
        """Makes the folder, empty unless ``keep``, and holds it for this demo alone.

        Raises ConfigError if it is something else's, or another demo runs in it.
        """
        mark = self.path / _MARK
        try:
            self._claim(mark)
            with mark.open("rb") as held:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ConfigError(
                        f"another demo runs in {self.path}; stop it, or name another folder with --dir"
                    ) from None
                if not keep:
                    self._empty()
                if not self.config.exists():
                    self._write()
                yield
        except OSError as error:
            if error.filename is None or self.path not in (Path(error.filename), *Path(error.filename).parents):
                raise
            reason = (error.strerror or "cannot be used").lower()
            raise ConfigError(f"{error.filename}: {reason}; name another folder with --dir") from None

    def _claim(self, mark: Path) -> None:
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            raise ConfigError(f"{self.path} is no folder; name another with --dir")
        if self.path.exists() and not mark.is_file() and any(self.path.iterdir()):
            raise ConfigError(f"{self.path} holds files that no demo made; name another folder with --dir")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.name == _MARK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _write(self) -> None:
        tokens = {person: new_token() for person in PEOPLE}
        for person, token in tokens.items():
            _private(self.token(person), token + "\n")
        _private(self.path / "binding.key", secrets.token_hex(32) + "\n")
        _private(self.people, _people(tokens))
        _private(self.path / ".gitignore", "*\n")
        _private(self.policy, DEFAULT_POLICY.read_text(encoding="utf-8"))
        _private(self.config, _CONFIG)


def create_topics(broker: Broker) -> None:
    """The topics, with a retention that keeps a demo that runs all day from filling the disk."""
    short = dict.fromkeys((ACTIVITY, SANITIZED), _KEEP_MS)
    topics = (ACTIVITY, SANITIZED, APPROVALS, DECISIONS, QUARANTINE)
    broker.create_topics([TopicSpec(topic, PARTITIONS, short.get(topic)) for topic in topics])


def _people(tokens: dict[str, str]) -> str:
    # A raw id that no rule maps belongs to the issuer `local`, so this is how the records name them.
    people = [
        {
            "id": person,
            "name": name,
            "groups": ["local:approvers", "local:security"],
            "identities": [f"local:{person}@{MAIL_DOMAIN}", f"email:{person}@{MAIL_DOMAIN}"],
            "token_hash": hash_token(tokens[person]),
            "demo": True,
        }
        for person, name in PEOPLE.items()
    ]
    head = "# Made up by `sluicegate demo`. `demo: true` signs in by name alone: never use it for real.\n"
    return head + yaml.safe_dump({"people": people}, sort_keys=False)


def _private(path: Path, text: str) -> None:
    """A file that its owner alone may read, from the moment it is there."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
