"""All channels of a service, put together: what sends, what listens, and who they are for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import httpx

from approvals.channels.decide import Decider
from approvals.channels.settings import ChannelSettings
from approvals.channels.slack.api import SlackApi
from approvals.channels.slack.app import SlackApp
from approvals.channels.slack.socket import SlackSocket
from approvals.channels.teams.api import TeamsApi
from approvals.channels.teams.app import TeamsBot, WorkflowSender
from approvals.channels.teams.tokens import ConnectorTokens
from approvals.channels.webhooks import WebhookSender
from approvals.channels.worker import ChannelWorker, Sender
from approvals.person import Roster
from approvals.service import Service

SECONDS = 10
"""How long an answer may take, in s."""


class Channels:
    """The channels of ``settings`` over ``service``. ``people`` gives the roster as it is now, ``site`` is the address
    under which people reach the page.
    """

    def __init__(
        self,
        settings: ChannelSettings,
        service: Service,
        people: Callable[[], Roster],
        site: str,
        *,
        seconds: int = SECONDS,
    ) -> None:
        self._closing = ExitStack()
        decider, links, clock = Decider(service, people, site), service.store.links, service.clock
        self.slack: SlackApp | None = None
        self.teams: TeamsBot | None = None
        self._socket: SlackSocket | None = None
        senders: dict[str, Sender] = {
            "webhook": WebhookSender(clock, seconds=seconds),
            "workflow": WorkflowSender(decider, seconds=seconds),
        }
        if settings.slack is not None:
            api = SlackApi(settings.slack, clock, seconds=seconds)
            self.slack = senders["slack"] = SlackApp(settings.slack, api, decider, links, self._wake)
            if settings.slack.app_token is not None:
                self._socket = SlackSocket(settings.slack, self.slack.take, self._socket_problem)
        if settings.teams is not None:
            http = self._closing.enter_context(httpx.Client(timeout=seconds, trust_env=False))
            tokens = ConnectorTokens(settings.teams, http, now=lambda: clock() / 1000)
            connector = TeamsApi(settings.teams, http, now=lambda: clock() / 1000)
            self.teams = senders["teams"] = TeamsBot(settings.teams, connector, tokens, decider, links, self._wake)
        self._socket_trouble = ""
        self._service = service
        self.worker = ChannelWorker(service, settings.channels, senders, site)

    @property
    def has_chats(self) -> bool:
        """Whether people can decide in one of them, once their account there is linked."""
        return self.slack is not None or self.teams is not None

    def start(self) -> None:
        """Begins to send and to listen."""
        self.worker.start()
        if self._socket is not None:
            self._socket.start()

    def stop(self) -> None:
        """Ends both, after what is being done."""
        if self._socket is not None:
            self._socket.stop()
        if self.slack is not None:
            self.slack.close()
        self.worker.stop()
        self._closing.close()

    def problems(self) -> dict[str, str]:
        """What is wrong, by channel; empty while all is well. Never content."""
        states = self._service.store.deliveries.states().values()
        found = {state.channel: state.problem for state in states if state.problem}
        return found | dict(self.worker.problems()) | ({"slack": self._socket_trouble} if self._socket_trouble else {})

    def _wake(self) -> None:
        self.worker.wake()

    def _socket_problem(self, problem: str) -> None:
        self._socket_trouble = problem
