"""The topics of a configuration: what they have to be, what is wrong with them, and how they are made.

All that is wrong is found at once, and each problem comes with the command that mends it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.errors import ConfigError
from detectors.yamlfile import Loc
from engine.actions.times import duration
from engine.brokers.base import Broker, BrokerError, BrokerUnavailable, TopicSpec
from engine.brokers.kafka_checks import Description, Wanted, problems
from engine.config import ROLES, Config
from engine.policy import Policy

if TYPE_CHECKING:
    from engine.brokers.kafka import KafkaBroker

log = logging.getLogger(__name__)

DEFAULT_PARTITIONS = 6
CLIENT_LIMIT = 100_000_000  # bytes of one answer that the Kafka client takes, unless it is told otherwise
_OVERHEAD = 1_000_000  # of an answer around the one message in it, generously
_DAY = 86_400_000  # ms
# How long Kafka keeps what is written to a topic that is made here. Decisions are the record of what was done.
RETENTION_MS: Mapping[str, int | None] = {
    "activity": 7 * _DAY,
    "sanitized": 7 * _DAY,
    "approvals": 30 * _DAY,
    "decisions": None,
    "quarantine": 30 * _DAY,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, at a key of the configuration; ``text`` ends with the command that mends it."""

    loc: Loc
    text: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found of the topics: what stops the engine, what is missing, and what is only worth knowing."""

    problems: Sequence[Problem]
    missing: Sequence[TopicSpec]
    hints: Sequence[str]


def longest_expiry_ms(policy: Policy) -> int:
    """How long a held record may wait for its decision."""
    default = duration(policy.file.expires)
    reviews = [one.rule for one in policy.actions.rules if one.rule.effect == "review"]
    picked = [duration(one.expires) for one in policy.file.reviews if one.expires]
    return max((*(one.expires_ms or default for one in reviews), *picked), default=0)


def examine(
    broker: Broker, config: Config, policy: Policy, *, partitions: int = 0, copies: int | None = None
) -> Findings:
    """What is wrong with the topics of ``config``, and those to be made.

    ``partitions`` are those of an activity topic that is missing. Raises BrokerError.
    """
    expiry = longest_expiry_ms(policy)
    wanted = _wanted(config, expiry)
    there, hints = _describe(broker, config, list(wanted))
    missing = _missing(config, wanted, there, expiry, partitions or DEFAULT_PARTITIONS, copies)
    present = [one for one in wanted.values() if one.name in there]
    if config.on_kafka:
        found = [(one.name, text) for one in present for text in problems(there, [one], servers=config.servers)]
        unwritable, more = _copies(broker, [one.name for one in present], config.servers)
        found, hints = found + unwritable, hints + more + _hard_to_read(config, there) + _beyond(config, policy, there)
    else:
        found = [(one.name, text) for one in present for text in _embedded(there, one)]
    return Findings([Problem(_loc(config, name), text) for name, text in found], missing, hints)


def absent(config: Config, missing: Sequence[TopicSpec]) -> list[Problem]:
    """``missing`` as a problem, where nothing may be made."""
    if not missing:
        return []
    names = ", ".join(f"'{one.name}'" for one in missing)
    what = f"topics {names} do not exist; make them" if len(missing) > 1 else f"topic {names} does not exist; make it"
    return [Problem(_loc(config, missing[0].name), f"{what}: sluicegate topics create -c {config.source.name}")]


def topics_error(config: Config, found: Sequence[Problem]) -> ConfigError:
    """All of ``found``, which is not empty, in one error."""
    if len(found) == 1:
        return config.source.error(found[0].text, found[0].loc)
    lines = "".join(f"\n  {one.text}" for one in found)
    return config.source.error(f"{len(found)} things are wrong with the topics:{lines}", ("topics",))


def _wanted(config: Config, expiry_ms: int) -> dict[str, Wanted]:
    """Each topic as it has to be, by name, in the order of the configuration."""
    wanted: dict[str, Wanted] = {}
    for topic in config.file.topics:
        wanted[topic.activity] = Wanted(topic.activity)
        for role in ROLES:
            name = getattr(topic, role)
            inputs = (*(wanted[name].inputs if name in wanted else ()), topic.activity)
            wanted[name] = Wanted(name, inputs, expiry_ms if role == "approvals" else 0)
    return wanted


def _missing(
    config: Config,
    wanted: Mapping[str, Wanted],
    there: Mapping[str, Description],
    expiry_ms: int,
    partitions: int,
    copies: int | None,
) -> list[TopicSpec]:
    widths = {name: there[name].partitions if name in there else partitions for name in wanted}
    roles = {getattr(topic, role): role for topic in config.file.topics for role in ("activity", *ROLES)}
    out = []
    for name, one in wanted.items():
        if name not in there:
            # An output takes the partition of its input, so it needs as many as the widest of its inputs.
            width = max((widths[name] for name in one.inputs), default=widths[name])
            # One file keeps what is in it: it is small, and its clean-up is not for the engine to decide on.
            keep = RETENTION_MS[roles[name]] if config.on_kafka else None
            if keep is not None and roles[name] == "approvals":
                keep = max(keep, 2 * expiry_ms)
            out.append(TopicSpec(name, width, keep, copies))
    return out


def _describe(broker: Broker, config: Config, names: Sequence[str]) -> tuple[Mapping[str, Description], list[str]]:
    hints = []
    if config.on_kafka:
        try:
            return _kafka(broker).topics.describe(names), []
        except BrokerUnavailable:
            raise
        except BrokerError as failed:  # the user may not ask for settings
            hints = [f"cannot see the settings of the topics, and did not check them: {failed}"]
    return {name: Description(name, count) for name, count in broker.partitions(names).items()}, hints


def _copies(broker: Broker, names: Sequence[str], servers: str) -> tuple[list[tuple[str, str]], list[str]]:
    from engine.brokers.kafka_copies import copies, hints, unwritable

    if not names:
        return [], []
    try:
        found, brokers = copies(_kafka(broker).topics, names)
    except BrokerError as failed:
        return [], [f"cannot see how the topics are kept: {failed}"]
    return unwritable(found, servers=servers), hints(found, brokers)


def _hard_to_read(config: Config, there: Mapping[str, Description]) -> list[str]:
    """A client refuses an answer above its own limit, and would ask for the same record for ever."""
    limit = int(config.kafka_settings().get("receive.message.max.bytes", CLIENT_LIMIT))
    large = [one for name, one in there.items() if one.max_message_bytes + _OVERHEAD > limit]
    return [
        f"topic '{one.name}' takes messages of {one.max_message_bytes} bytes, and the client reads answers of {limit}; "
        f"set kafka: {{receive.message.max.bytes: {one.max_message_bytes + _OVERHEAD}}}"
        for one in large
    ]


def _beyond(config: Config, policy: Policy, there: Mapping[str, Description]) -> list[str]:
    """What a topic takes and the policy does not read."""
    limit = policy.file.limits.bytes
    large = [there[one.activity] for one in config.file.topics if one.activity in there]
    return [
        f"topic '{one.name}' takes messages of {one.max_message_bytes} bytes, and the policy reads records of {limit} "
        "(limits.bytes): larger ones go to quarantine"
        for one in large
        if one.max_message_bytes > limit
    ]


def _kafka(broker: Broker) -> KafkaBroker:
    from engine.brokers.kafka import KafkaBroker

    if not isinstance(broker, KafkaBroker):
        raise TypeError("a kafka:// URL opens a KafkaBroker")
    return broker


def _embedded(there: Mapping[str, Description], one: Wanted) -> list[str]:
    """An embedded topic is only ever too narrow."""
    needed = max((there[name].partitions for name in one.inputs if name in there), default=0)
    if there[one.name].partitions >= needed:
        return []
    return [
        f"topic '{one.name}' has {there[one.name].partitions} partitions and needs {needed}, as many as its activity "
        "topic; give it another name, which makes another topic"
    ]


def _loc(config: Config, name: str) -> Loc:
    """The key that names the topic ``name``, or that of the activity it is called after."""
    for index, topic in enumerate(config.file.topics):
        for role in ("activity", *ROLES):
            if getattr(topic, role) == name:
                return ("topics", index, role if role in config.source.data["topics"][index] else "activity")
    return ("topics",)
