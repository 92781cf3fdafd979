"""On how many brokers topics are kept, and what a cluster that loses one of them would mean for these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, ResourceType

from engine.brokers.base import BrokerError
from engine.brokers.kafka_errors import kafka_error
from engine.brokers.kafka_topics import Topics

_PATIENCE = 30.0  # seconds
_ENOUGH_BROKERS = 3  # from which on a second copy is expected


class Copies(NamedTuple):
    """How a topic is kept: copies of its partitions (the fewest), and how many must have a record to take it."""

    name: str
    copies: int
    in_sync: int
    min_in_sync: int


def copies(topics: Topics, names: Iterable[str]) -> tuple[list[Copies], int]:
    """How each of ``names``, which exist, is kept, and how many brokers there are. Raises BrokerError."""
    wanted = sorted(set(names))
    try:
        brokers = len(topics.admin.list_topics(timeout=_PATIENCE).brokers)
        described = topics.admin.describe_topics(TopicCollection(wanted), request_timeout=_PATIENCE)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
        configured = topics.admin.describe_configs(resources, request_timeout=_PATIENCE)
        minimum = {
            resource.name: int(future.result(_PATIENCE)["min.insync.replicas"].value)
            for resource, future in configured.items()
        }
        found = [
            Copies(
                name,
                min(len(one.replicas) for one in future.result(_PATIENCE).partitions),
                min(len(one.isr) for one in future.result(_PATIENCE).partitions),
                minimum[name],
            )
            for name, future in described.items()
        ]
    except (KafkaException, TimeoutError, KeyError) as caught:
        error = kafka_error(caught)
        raise BrokerError(f"how topics are kept: {type(caught).__name__ if error is None else error.str()}") from None
    return found, brokers


def unwritable(found: Sequence[Copies], *, servers: str) -> list[tuple[str, str]]:
    """Topics that can never be written to, each with the command that mends it."""
    return [
        (
            one.name,
            f"topic '{one.name}' asks for {one.min_in_sync} copies in sync and has {one.copies}, so that no record "
            f"is taken; mend it: kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics "
            f"--entity-name {one.name} --add-config min.insync.replicas={max(1, one.copies - 1)}",
        )
        for one in found
        if one.min_in_sync > one.copies
    ]


def hints(found: Sequence[Copies], brokers: int) -> list[str]:
    """What works, and would not survive the loss of a broker."""
    out = []
    if brokers >= _ENOUGH_BROKERS:
        if single := [one.name for one in found if one.copies == 1]:
            out.append(f"one copy only, lost with its broker: {', '.join(single)}; three are usual here")
        if weak := [one.name for one in found if one.copies > 1 and one.min_in_sync == 1]:
            out.append(f"min.insync.replicas is 1, so that the last copy may be lost: {', '.join(weak)}; 2 is usual")
    if tight := [one.name for one in found if 1 < one.copies == one.min_in_sync]:
        out.append(f"min.insync.replicas is as high as the copies, so that one broker down stops: {', '.join(tight)}")
    return out
