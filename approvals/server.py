"""Puts the service together and serves it: the database, the broker thread, the page."""

from __future__ import annotations

import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from approvals.gate.desk import USABLE_SECONDS, Desk
from approvals.gate.judge import Judge
from approvals.gate.tokens import Signer, read_key, secret_of
from approvals.identity.directory import Directory
from approvals.identity.provider import Provider
from approvals.identity.settings import IdentitySettings
from approvals.people import load_people
from approvals.person import Roster
from approvals.service import Service
from approvals.store import Store
from approvals.web.app import LOOPBACK_HOSTS, WebSettings, create_app
from approvals.web.limits import RateLimit
from approvals.web.live import Server as LiveServer
from approvals.web.security import is_loopback, read_secret
from detectors.errors import ConfigError
from engine.brokers.base import Broker
from engine.cleaning import Cleaner
from engine.ledger.codec import Format
from engine.policy.compiled import Policy

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8787
REQUESTS_A_SECOND = 20  # of each caller of the API, for long; ten times that at once
CONNECTIONS = 6_000  # at once, most of them agents that wait and cost nothing
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 (only where its user vouches that the port is published on loopback)


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The gate that agents wait at. It judges by ``policy`` and sanitizes by ``cleaner``.

    Requests travel by the approvals topic ``topic``, and what they hold goes to ``release_to`` once it is approved.
    Approvals are signed with the key in the file ``key``, which all instances must share, and can be used for
    ``usable_seconds``.
    """

    policy: Policy
    cleaner: Cleaner
    topic: str
    release_to: str
    key: Path
    usable_seconds: int = USABLE_SECONDS


@dataclass(frozen=True, slots=True)
class Settings:
    """What a reviewer service needs to know.

    ``topics`` gives the decisions topic for each approvals topic; ``format`` is how verdicts are written.
    ``database`` is a path, or the URL of a PostgreSQL. The secret that signs sessions stands in ``secret_file``, which
    all instances must share; if that is None, beside the path, in a file whose name ends in ``.secret``.
    ``published_on_loopback`` is the word of whoever deploys it that this is a container whose port is published
    on 127.0.0.1 only: it then listens on all addresses of the container, and ``host`` does not count.
    ``gate`` is where agents ask; None for no gate.
    ``identity`` is the OpenID provider at which people sign in; without one the page is for this machine only.
    Raises ConfigError for a ``host`` that cannot be served safely.
    """

    people: Path
    database: Path | str
    topics: Mapping[str, str]
    format: Format = "avro"
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    published_on_loopback: bool = False
    identity: IdentitySettings | None = None
    secret_file: Path | None = None
    gate: GateSettings | None = None

    def __post_init__(self) -> None:
        if is_loopback(self.host):
            return
        if self.identity is None:
            raise ConfigError(
                f"'{self.host}' can be reached from other machines, and people.yaml is no sign-in to "
                "protect it with: name an OpenID provider with --identity identity.yaml, or use 127.0.0.1",
                key="host",
            )
        if not self.identity.secure:
            raise ConfigError(
                f"'{self.host}' can be reached from other machines, and {self.identity.public_url} is without TLS: "
                "put a proxy with TLS before it, and its https:// address into public_url",
                key="host",
            )

    @property
    def listen(self) -> str:
        """The address to listen on."""
        return ALL_ADDRESSES if self.published_on_loopback else self.host

    @property
    def url(self) -> str:
        """Where the page is, for whoever opens it."""
        if self.identity is not None:
            return self.identity.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def now_ms() -> int:
    """The time in ms since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Server:
    """A service with its application, not yet running."""

    settings: Settings
    service: Service
    app: FastAPI
    provider: Provider | None = None

    def close(self) -> None:
        """Stops the broker thread and closes the database."""
        self.service.stop()
        if self.provider is not None:
            self.provider.close()
        self.service.store.close()


def build(
    settings: Settings, broker: Broker, *, scrub: Callable[[str], str], clock: Callable[[], int] = now_ms
) -> Server:
    """The service and its application. Raises ConfigError where people or secret cannot be used."""
    people = _people(settings)
    secret = read_secret(_secret_file(settings))
    store = Store(settings.database, decisions=settings.topics, format=settings.format)
    service = Service(
        store=store,
        broker=broker,
        people=people,
        topics=sorted(settings.topics),
        clock=clock,
        scrub=scrub,
    )
    identity = settings.identity
    directory = Directory(store.identities, people, clock=clock, file=settings.people, provider=identity)
    provider = Provider(identity) if identity is not None else None
    hosts = {*LOOPBACK_HOSTS, settings.host, *([identity.host] if identity else [])}
    web = WebSettings(
        secret=secret,
        hosts=hosts,
        provider=provider,
        directory=directory,
        limit=RateLimit(rate=20, burst=200),
        gate=_desk(settings, store),
    )
    return Server(settings, service, create_app(service, web), provider)


def _desk(settings: Settings, store: Store) -> Desk | None:
    gate = settings.gate
    if gate is None:
        return None
    key = read_key(gate.key)
    judge = Judge(gate.policy, gate.cleaner, secret=secret_of(key), release_to=gate.release_to)
    signer = Signer(key, settings.url)
    return Desk(judge, store.gate(gate.topic), signer, usable_ms=gate.usable_seconds * 1000)


def _secret_file(settings: Settings) -> Path:
    if settings.secret_file is not None:
        return settings.secret_file
    if isinstance(settings.database, Path):
        return settings.database.with_name(settings.database.name + ".secret")
    raise ConfigError("a database that instances share needs a file with the secret they share", key="secret_file")


def _people(settings: Settings) -> Roster:
    people = load_people(settings.people)
    if settings.identity is not None:
        for person in people.values():
            if person.demo or person.token_hash:
                raise ConfigError(
                    f"{person.id} has a sign-in of their own (demo or token_hash), and people sign in at "
                    f"{settings.identity.name}: remove it; 'sluicegate approvals login' signs in from a terminal",
                    file=settings.people,
                )
    return people


def serve(server: Server, *, ready: Callable[[str], None] = lambda _: None) -> None:
    """Serves until it is told to stop (SIGINT, SIGTERM). ``ready`` gets the URL just before."""
    config = uvicorn.Config(
        server.app,
        host=server.settings.listen,
        port=server.settings.port,
        log_level="warning",
        access_log=False,  # paths hold request ids; who looked at what is not for the log
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    _allow_connections()
    server.service.start()
    try:
        ready(server.settings.url)
        with _signals_end_quietly():
            LiveServer(server.app, config).run()
    finally:
        server.close()


def _allow_connections() -> None:
    """Each connection is an open file, and many systems let a process have few of them unless it asks for more."""
    least = CONNECTIONS + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < least:
        most = least if hard == resource.RLIM_INFINITY else min(least, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Uvicorn raises the signal that ended it once more; being stopped is no failure, so nobody heeds it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
