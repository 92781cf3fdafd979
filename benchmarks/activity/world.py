"""The small company whose agents are watched: its people, its agents, its sessions, and one shared clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import orjson

from benchmarks.activity.values import BASE62, MAKERS, hex_id, letters, pick, private_key_lines

PEOPLE = ("ada", "grace", "linus", "margaret", "ken", "barbara", "dennis", "radia")
MAIL_DOMAIN = "example.com"


class Activity(NamedTuple):
    """One record of what an agent, or what it acted on, did or asked to do."""

    value: bytes  # one JSON object
    key: bytes  # the session's id
    timestamp: int  # ms since the epoch
    shape: str  # one of `SHAPES`
    story: str  # what the session is about
    privileged: bool  # asks for, or is, something that a person should decide on
    planted: tuple[str, ...]  # sensitive values, as they read once every encoding is taken off
    kinds: tuple[str, ...]  # what each of ``planted`` is
    identities: tuple[str, ...]  # e-mail addresses of the people that an agent acts for

    def __repr__(self) -> str:
        return f"Activity({self.shape}, {self.story}, {len(self.value)} bytes, {len(self.planted)} planted)"


SHAPES = {
    "proposal": "an agent's action before it ran: actor, action, resource, params, environment, reason",
    "openai": "a turn of chat messages with tool_calls, arguments as a JSON string",
    "anthropic": "a turn of messages with tool_use and tool_result blocks",
    "mcp": "a JSON-RPC tools/call of the Model Context Protocol",
    "cloudtrail": "an AWS CloudTrail event",
    "kubernetes": "an event of the Kubernetes audit log",
    "log": "a line of an application's log: ts, level, service, msg",
    "access": "an HTTP access record",
    "chat": "a message of a customer",
}


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody's program. ``behalf`` are the people that it acts for."""

    id: str
    owner: str
    behalf: tuple[str, ...]
    role: str  # its cloud and cluster role


# Whoever asks, one of ada and grace at least has no part in it and may decide.
AGENTS = {
    "etl": Agent("etl-7", "ada", ("margaret", "radia", "dennis"), "etl-runner"),
    "support": Agent("copilot-2", "grace", ("barbara", "dennis", "radia"), "support-copilot"),
    "deploy": Agent("deploybot-1", "linus", ("ken", "ada", "margaret"), "deployer"),
    "sre": Agent("sre-4", "margaret", ("linus", "grace", "radia"), "sre-oncall"),
    "billing": Agent("billing-3", "barbara", ("grace", "dennis"), "billing-assistant"),
    "code": Agent("coder-5", "ken", ("linus", "ada", "grace"), "code-agent"),
}


class Session:
    """One run of an agent, with what its records keep coming back to."""

    __slots__ = ("agent", "behalf", "customer", "id", "order", "pod", "service", "story", "table", "trace", "version")

    def __init__(self, rng: Random, agent: Agent, story: str) -> None:
        self.agent, self.story = agent, story
        self.id = f"s-{hex_id(rng, 12)}"
        self.behalf = pick(rng, agent.behalf)
        self.service = pick(rng, ("checkout", "payments", "catalog", "accounts", "search", "shipping"))
        self.customer = f"cust_{letters(rng, BASE62, 8)}"
        self.order = f"ORD-{10000 + int(rng.random() * 89999)}"
        self.table = pick(rng, ("customers", "orders", "invoices", "sessions", "refunds", "subscriptions"))
        self.pod = f"{self.service}-{hex_id(rng, 9)}-{letters(rng, 'bcdfghjklmnpqrstvwxz', 5)}"
        self.trace = hex_id(rng, 32)
        self.version = f"2.{rng.getrandbits(5)}.{rng.getrandbits(3)}"


class World:
    """The random source, the clock, and what has been planted in the record that is being made.

    ``hot`` says whether the present record is to hold sensitive values; a maker asks `say` for each of them and
    gives what stands there otherwise, so that cold records are the same records without anything to find.
    """

    def __init__(self, rng: Random, *, start: int, sensitive: float, privileged: float) -> None:
        self.rng = rng
        self.now = start
        self.ts = ""
        self.hot = False
        self._privileged_share = privileged
        self._hot_share = min(1.0, max(0.0, (sensitive - privileged) / max(1e-9, 1 - privileged)))
        self._made = self._made_privileged = 0
        self._patience = rng.random() * 2
        self._planted: list[str] = []
        self._kinds: list[str] = []
        self._identities: list[str] = []

    def begin(self, *, privileged: bool = False) -> None:
        """Starts a record: time goes on by some ms, and chance says whether it is hot; privileged ones are."""
        rng = self.rng
        self.now += 1 + int(rng.random() * 180)
        moment = datetime.fromtimestamp(self.now // 1000, UTC)
        self.ts = f"{moment:%Y-%m-%dT%H:%M:%S}.{self.now % 1000:03d}Z"
        self.hot = privileged or rng.random() < self._hot_share
        self._planted, self._kinds, self._identities = [], [], []

    def due(self) -> bool:
        """Whether the next record has to be a privileged one, to keep to their share."""
        return self._made_privileged + self._patience < self._privileged_share * self._made

    def say(self, kind: str, plain: str) -> str:
        """A sensitive value of ``kind`` if the record is hot, else ``plain``."""
        return self.plant(kind) if self.hot else plain

    def plant(self, kind: str) -> str:
        """A sensitive value of ``kind``, noted as planted."""
        return self.note(kind, MAKERS[kind](self.rng))

    def note(self, kind: str, value: str) -> str:
        """``value``, noted as planted."""
        self._planted.append(value)
        self._kinds.append(kind)
        return value

    def plant_private_key(self) -> str:
        """A private key in PEM; each line of its body is noted as planted."""
        lines = private_key_lines(self.rng)
        self._planted += lines
        self._kinds += ["private_key"] * len(lines)
        label = "PRIVATE KEY"
        return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))

    def mail_of(self, person: str) -> str:
        """The e-mail address of one of our people, noted as an identity."""
        address = f"{person}@{MAIL_DOMAIN}"
        self._identities.append(address)
        return address

    def done(self, session: Session, shape: str, document: Any, *, privileged: bool = False) -> Activity:
        """The record, as it is."""
        return self.count(
            Activity(
                orjson.dumps(document),
                session.id.encode(),
                self.now,
                shape,
                session.story,
                privileged,
                tuple(self._planted),
                tuple(self._kinds),
                tuple(dict.fromkeys(self._identities)),
            )
        )

    def again(self, activity: Activity) -> Activity:
        """The same once more, at the present time: an agent that loops. Its time stands first in the value."""
        head = len(b'{"ts":"')
        value = activity.value[:head] + self.ts.encode() + activity.value[head + len(self.ts) :]
        return self.count(activity._replace(value=value, timestamp=self.now))

    def count(self, activity: Activity) -> Activity:
        """Notes that ``activity`` was made."""
        self._made += 1
        if activity.privileged:
            self._made_privileged += 1
            self._patience = self.rng.random() * 2
        return activity


Step = Callable[[World, Session], Activity]


@dataclass(frozen=True, slots=True)
class Story:
    """What a session is about: steps in order, and the privileged actions that it may come to."""

    name: str
    agents: tuple[str, ...]
    steps: tuple[Step, ...]
    climaxes: tuple[Step, ...]

    def tell(self, world: World, session: Session) -> Iterator[Activity]:
        """The session's records, each made when it is asked for."""
        rng = world.rng
        for step in self.steps:
            while True:
                world.begin()
                yield step(world, session)
                while world.due():
                    yield from self._climax(world, session)
                if rng.random() > 0.15:
                    break

    def _climax(self, world: World, session: Session) -> Iterator[Activity]:
        rng = world.rng
        world.begin(privileged=True)
        activity = pick(rng, self.climaxes)(world, session)
        yield activity
        if activity.shape == "proposal" and rng.random() < 0.04:  # stuck: it asks again and again
            for _ in range(4 + int(rng.random() * 14)):
                world.begin(privileged=True)
                yield world.again(activity)
