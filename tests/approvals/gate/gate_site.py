"""A reviewer service with a gate, over real HTTP, on a log of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn
from approval_makers import APPROVALS, DECISIONS, SANITIZED
from sluicegate_client import AsyncGate, Gate

from approvals.gate.authority import Authority
from approvals.people import hash_token, new_token
from approvals.person import Identity
from approvals.server import GateSettings, Settings, build, now_ms
from approvals.web.live import Server as LiveServer
from engine.brokers import open_broker
from engine.brokers.base import TopicSpec
from engine.ledger.codec import LedgerMessage, decode
from engine.ledger.model import ReviewEvent, ReviewRequest
from engine.policy.compiled import Policy
from engine.policy.load import load_policy
from engine.sanitizer import cleaner_of

POLICY = """
actions:
  - {id: no-wipe, effect: deny, reason: Nobody wipes., match: {action: db.wipe}}
  - id: export
    effect: review
    match: {action: db.export}
    risk: low
    reason: Data leaves in bulk.
    approvers: {groups: ['local:security'], quorum: 1}
    expires: 15m
  - id: quick
    effect: review
    match: {action: db.quick}
    risk: low
    reason: Soon over.
    approvers: {groups: ['local:security'], quorum: 1}
    expires: 1s
  - {id: reads, effect: allow, reason: Reading is for everybody., match: {action: [db.read, a, b]}}
"""
HOUR = 3_600_000
_TOKENS = {name: new_token() for name in ("ada", "bob")}
_PEOPLE = f"""
people:
  - {{id: ada, name: Ada, groups: ["local:security"], token_hash: "{hash_token(_TOKENS["ada"])}"}}
  - {{id: bob, name: Bob, groups: ["local:security"], token_hash: "{hash_token(_TOKENS["bob"])}"}}
"""


@cache
def _policy() -> Policy:
    """Compiled once: that takes longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(POLICY)
        return load_policy(path)


class GateSite:
    """The service and its gate. ``late`` moves its clock ahead, in ms.

    ``database`` is the URL of a PostgreSQL, in place of a file.
    """

    def __init__(self, folder: Path, url: str, database: str | None = None) -> None:
        self.folder, self.url, self.late = folder, url, 0
        self._database = database
        (folder / "people.yaml").write_text(_PEOPLE)
        self.policy = _policy()
        self._started = ExitStack()
        self.broker = open_broker(url)
        self.broker.create_topics([TopicSpec(topic, 1) for topic in (APPROVALS, DECISIONS, SANITIZED)])
        self.start()

    def start(self) -> None:
        """Starts the service on what is there."""
        cleaner = cleaner_of(self.policy)
        gate = GateSettings(self.policy, cleaner, APPROVALS, SANITIZED, self.folder / "gate.key")
        database = self._database or self.folder / "approvals.db"
        secret = self.folder / "approvals.db.secret"
        settings = Settings(
            self.folder / "people.yaml", database, {APPROVALS: DECISIONS}, gate=gate, secret_file=secret
        )
        self.server = build(settings, self.broker, scrub=cleaner.scrub, clock=lambda: now_ms() + self.late)
        self._started.callback(self.server.close)
        config = uvicorn.Config(self.server.app, port=0, log_level="error", server_header=False)
        http = LiveServer(self.server.app, config)
        thread = threading.Thread(target=http.run, daemon=True)
        thread.start()
        self.server.service.start()
        until(lambda: http.started)
        self.http = f"http://127.0.0.1:{http.servers[0].sockets[0].getsockname()[1]}"

        def stop() -> None:
            http.should_exit = True
            thread.join(10)
            assert not thread.is_alive()

        self._started.callback(stop)
        self.stop_listening = stop

    def stop(self) -> None:
        """Stops the service; the log stays."""
        self._started.close()

    def lose_database(self) -> None:
        """The service ends, its database is gone, and a new one starts on the log."""
        self.stop()
        for file in self.folder.glob("approvals.db*"):
            if not file.name.endswith(".secret"):
                file.unlink()
        self.start()

    def close(self) -> None:
        self.stop()
        self.broker.close()

    # --- Who asks -------------------------------------------------------------------------------------------

    def token(self, name: str, *scopes: str, **may: Any) -> str:
        """A token for the gate; the agent is called as the token is."""
        store = self.server.service.store
        now = self.server.service.clock()
        made = store.identities.make_token(name, frozenset(scopes or ("gate",)), at=now, expires=now + HOUR)
        assert made is not None
        if "gate" in scopes or not scopes:
            may = {"agent": Identity("agent", name)} | may
        store.grant(Authority(name, **may))
        return made

    def gate(self, name: str = "etl-7", **more: Any) -> Gate:
        """A client of an agent that has just been given its token."""
        may = {key: more.pop(key) for key in ("owner", "acts_for") if key in more}
        gate = Gate(self.http, self.token(name, **may), **more)
        self._started.callback(gate.close)
        return gate

    def async_gate(self, token: str, **more: Any) -> AsyncGate:
        return AsyncGate(self.http, token, **more)

    def post(self, token: str, path: str, **more: Any) -> httpx.Response:
        return httpx.post(
            f"{self.http}/v1{path}", headers={"authorization": f"Bearer {token}"}, trust_env=False, **more
        )

    # --- Who decides ----------------------------------------------------------------------------------------

    def vote(self, request_id: str, decision: str = "approve", who: str = "ada", version: int = 1) -> httpx.Response:
        """Votes by the API, as soon as the service has read the request."""
        self.arrived(request_id)
        body = {"decision": decision, "version": version, "reason": "as agreed"}
        return self.post(_TOKENS[who], f"/requests/{request_id}/votes", json=body)

    def ask(self, request_id: str, question: str) -> httpx.Response:
        self.arrived(request_id)
        return self.post(_TOKENS["ada"], f"/requests/{request_id}/questions", json={"question": question, "version": 1})

    def arrived(self, request_id: str) -> None:
        """Returns when the service has read the request from the log."""
        until(lambda: self.server.service.store.get(request_id) is not None)

    def one_waits(self) -> str:
        """The id of the one request that waits for votes."""
        store = self.server.service.store
        until(lambda: len(store.waiting()) == 1)
        return store.waiting()[0].review.request.request_id

    def request(self, request_id: str) -> ReviewRequest:
        listed = self.server.service.store.get(request_id)
        assert listed is not None
        return listed.review.request

    # --- What the log says ----------------------------------------------------------------------------------

    def log(self, topic: str) -> list[Any]:
        reader = self.broker.reader([topic])
        found: list[Any] = []
        try:
            while batch := reader.poll(1000, 0.5):
                found += batch
        finally:
            reader.close()
        return found

    def told(self) -> list[LedgerMessage]:
        return [decode(record.value or b"") for record in self.log(DECISIONS)]

    def events(self) -> list[tuple[str, str, str]]:
        """(event, request id, detail) in the log, once all is published."""
        store = self.server.service.store
        until(lambda: store.counts().unpublished == 0)
        told = [one for one in self.told() if isinstance(one, ReviewEvent) and one.event != "began"]
        return [(one.event, one.request_id, one.detail) for one in sorted(told, key=lambda one: one.sequence)]


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


class Aside:
    """Something that waits, in a thread of its own; `result` is what came of it, raised if it was an exception."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._result: list[Any] = []
        self._error: list[BaseException] = []

        def run() -> None:
            try:
                self._result.append(act())
            except BaseException as error:
                self._error.append(error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def result(self, seconds: float = 20) -> Any:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "it still waits"
        if self._error:
            raise self._error[0]
        return self._result[0]
