"""Socket Mode: Slack sends over a connection that we open, for who has no public address."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web import WebClient

from approvals.channels.retry import HALT_MS, Halt, Retry
from approvals.channels.settings import SlackSettings
from approvals.channels.slack.api import SECONDS, outcome, quiet

_LOOK_SECONDS = 0.5
_AGAIN_MS = 5_000
_LATER_MS = 60_000
_log = logging.getLogger("sluicegate.channels")


class SlackSocket:
    """Keeps a connection open. ``take`` gets each payload, after Slack was told that it came.

    ``problem`` gets what is wrong, in words, or an empty text once it is mended.
    """

    def __init__(
        self,
        settings: SlackSettings,
        take: Callable[[Any], None],
        problem: Callable[[str], None],
        *,
        halt_ms: int = HALT_MS,
    ) -> None:
        self._settings, self._take, self._problem, self._halt_ms = settings, take, problem, halt_ms
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Opens the connection, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="slack-socket", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            # The client's own way of coming back asks every few seconds, even with a token that is refused.
            client = SocketModeClient(
                app_token=self._settings.app_token or "",
                web_client=WebClient(base_url=self._settings.api_url, timeout=SECONDS, logger=quiet, retry_handlers=[]),
                logger=quiet,
                auto_reconnect_enabled=False,
                concurrency=2,
            )
            client.socket_mode_request_listeners.append(self._listen)
            try:
                wait = self._connected(client)
            finally:
                client.close()
            self._stop.wait(wait / 1000)

    def _connected(self, client: SocketModeClient) -> int:
        """Stays connected as long as it lasts; ms to wait before the next time."""
        try:
            client.connect()
        except SlackApiError as error:
            found = outcome(error.response, 0)
            words = getattr(found, "problem", "Slack does not answer")
            self._problem(f"Socket Mode: {words}")
            if isinstance(found, Retry):
                return found.after_ms or _AGAIN_MS
            return self._halt_ms if isinstance(found, Halt) else _LATER_MS
        except Exception as error:  # what the client raises is not said anywhere; its message may hold the address
            self._problem(f"Socket Mode: no connection ({type(error).__name__})")
            return _AGAIN_MS
        if not client.is_connected():  # the client keeps to itself why not
            self._problem("Socket Mode: no connection")
            return _AGAIN_MS
        self._problem("")
        while not self._stop.wait(_LOOK_SECONDS) and client.is_connected():
            pass
        return 1_000

    def _listen(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        if request.type == "interactive":
            self._take(request.payload)
