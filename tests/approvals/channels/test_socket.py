"""Socket Mode: the library's client against a local WebSocket server that behaves as Slack's."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator

import pytest
from approval_makers import ADA
from channel_world import ON_CALL, slack_settings, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from approvals.channels.slack.socket import SlackSocket


class SocketServer:
    """Greets, sends what a test gives it, and keeps which envelopes were acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.connections: list[ServerConnection] = []
        self.opened = 0
        self._server = serve(self._talk, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/link/?ticket=1"

    def _talk(self, connection: ServerConnection) -> None:
        self.opened += 1
        connection.send(json.dumps({"type": "hello", "num_connections": 1}))
        self.connections.append(connection)
        try:
            for message in connection:
                self.acknowledged.append(json.loads(message)["envelope_id"])
        except ConnectionClosed:
            pass

    def send(self, payload: object, kind: str = "interactive", envelope: str = "") -> str:
        envelope = envelope or str(uuid.uuid4())
        whole = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        self.connections[-1].send(json.dumps(whole))
        return envelope

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def socket(slack) -> Iterator[SocketServer]:
    server = SocketServer()
    slack.socket_url = server.url
    yield server
    server.close()


@pytest.fixture
def listening(slack, socket):
    """A connection, and what came by it."""
    got: list[object] = []
    problems: list[str] = []
    settings = slack_settings(slack, signing_secret=None, app_token=slack.APP_TOKEN)
    link = SlackSocket(settings, got.append, problems.append, halt_ms=200)
    yield link, got, problems
    for connection in socket.connections:
        connection.close()  # the client looks for a stop between two messages only
    link.stop()


def test_a_click_by_the_socket_is_acknowledged_and_counts(world, slack, socket):
    """The same payload, the same rules; sent twice it counts once."""
    chat = world(ON_CALL, slack=slack, signing_secret=None, app_token=slack.APP_TOKEN)
    chat.link(ADA, "U0ADA")
    chat.ask()
    chat.channels.start()
    until(lambda: socket.connections)
    click = slack.press("approve", "U0ADA")
    sent = [socket.send(click), socket.send(click)]
    until(lambda: sorted(socket.acknowledged) == sorted(sent))
    until(lambda: chat.store.get("req-0001").review.verdict is not None)
    until(lambda: slack.updates)
    assert [e.event for e in chat.store.events("req-0001")].count("vote approve") == 1
    assert len(slack.whispers) == 1


def test_what_is_no_click_is_acknowledged_and_passed_over(listening, socket):
    """Events that an app did not ask for do nothing."""
    link, got, _ = listening
    link.start()
    until(lambda: socket.connections)
    sent = [socket.send({"text": "hi"}, kind="slash_commands"), socket.send({"a": 1})]
    until(lambda: sorted(socket.acknowledged) == sorted(sent))
    until(lambda: got)
    assert got == [{"a": 1}]


def test_a_connection_that_ends_is_opened_again(listening, socket):
    """By itself, and what comes then is taken."""
    link, got, problems = listening
    link.start()
    until(lambda: socket.connections)
    socket.connections[-1].close()
    until(lambda: socket.opened >= 2, seconds=20)
    until(lambda: len(socket.connections) >= 2)
    socket.send({"n": 2})
    until(lambda: got == [{"n": 2}])
    assert [problem for problem in problems if problem] == []


def test_a_refused_app_token_is_said_and_not_tried_again_and_again(listening, slack, socket):
    """It waits long between attempts, and goes on when the token is good again."""
    link, _, problems = listening
    slack.error = "token_revoked"
    link.start()
    until(lambda: len(slack.calls) == 2)
    assert "Socket Mode: Slack refuses the token (token_revoked)" in problems[0]
    slack.error = ""
    until(lambda: socket.connections)
    until(lambda: problems[-1] == "")


def test_a_problem_of_the_socket_is_part_of_the_health(world, slack):
    """Who looks at the health sees it, without an address or a token."""
    slack.socket_url = "ws://127.0.0.1:1/link/?ticket=very-secret"
    chat = world(ON_CALL, slack=slack, app_token=slack.APP_TOKEN)
    chat.channels.start()
    until(lambda: chat.problem("slack"))
    assert chat.problem("slack").startswith("Socket Mode: no connection")
    assert "very-secret" not in chat.problem("slack")
