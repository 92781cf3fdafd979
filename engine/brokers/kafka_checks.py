"""What is wrong with the topics, and the command that mends it. Pure; it needs no cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

DEFAULT_LIMIT = 1_048_588  # bytes a batch, unless the topic says otherwise
FOREVER = 2**63 - 1


class Description(NamedTuple):
    """A topic as it is on the cluster."""

    name: str
    partitions: int
    cleanup_policy: str = "delete"
    max_message_bytes: int = DEFAULT_LIMIT
    retention_ms: int | None = None  # None: for ever
    timestamp_type: str = "CreateTime"
    timestamp_after_max_ms: int = FOREVER


class Wanted(NamedTuple):
    """A topic as it has to be: ``inputs`` are the topics whose records it gets, none if it is one itself.

    ``retention_ms`` is how long its records are needed, at the least.
    """

    name: str
    inputs: tuple[str, ...] = ()
    retention_ms: int = 0


def problems(
    descriptions: Mapping[str, Description],
    wanted: Sequence[Wanted],
    *,
    servers: str = "HOST:PORT",
    create: str = "sluicegate topics create -c sluicegate.yaml",
) -> list[str]:
    """One line for each thing that is wrong, ending with the command that mends it; none if all is well."""
    found = []
    for one in dict.fromkeys(wanted):
        there = descriptions.get(one.name)
        if there is None:
            found.append(f"topic '{one.name}' does not exist; make it: {create}")
        else:
            inputs = [descriptions[name] for name in one.inputs if name in descriptions]
            found += [f"topic '{one.name}' {problem}" for problem in _of(there, one, inputs, servers)]
    return found


def _of(topic: Description, wanted: Wanted, inputs: Sequence[Description], servers: str) -> list[str]:
    found = []

    def mend(setting: str) -> str:
        return (
            f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics "
            f"--entity-name {topic.name} --add-config {setting}"
        )

    def widen(name: str, partitions: int) -> str:
        return f"kafka-topics.sh --bootstrap-server {servers} --alter --topic {name} --partitions {partitions}"

    if topic.retention_ms is not None and topic.retention_ms < wanted.retention_ms:
        found.append(
            f"keeps records for {topic.retention_ms} ms, and they are needed for {wanted.retention_ms}; "
            f"mend it: {mend(f'retention.ms={wanted.retention_ms}')}"
        )
    if not inputs:
        return found
    widest = max(inputs, key=lambda one: one.partitions)
    if topic.partitions != widest.partitions:
        narrow, wide = sorted((topic, widest), key=lambda one: one.partitions)
        found.append(
            f"has {topic.partitions} partitions and its input '{widest.name}' {widest.partitions}, and a record "
            f"keeps its partition; mend it: {widen(narrow.name, wide.partitions)}"
        )
    if "compact" in topic.cleanup_policy:
        found.append(
            f"is compacted, so that a record released late would undo a newer one; "
            f"mend it: {mend('cleanup.policy=delete')}"
        )
    largest = max(one.max_message_bytes for one in inputs)
    if topic.max_message_bytes < largest:
        found.append(
            f"takes messages of {topic.max_message_bytes} bytes and its input {largest}; "
            f"mend it: {mend(f'max.message.bytes={largest}')}"
        )
    if topic.timestamp_type != "CreateTime":
        found.append(
            f"overwrites the time of records ({topic.timestamp_type}); "
            f"mend it: {mend('message.timestamp.type=CreateTime')}"
        )
    latest = max(one.timestamp_after_max_ms for one in inputs)
    if topic.timestamp_after_max_ms < latest:
        found.append(
            f"refuses records whose time is ahead by more than {topic.timestamp_after_max_ms} ms and its input "
            f"takes {latest}; mend it: {mend(f'message.timestamp.after.max.ms={latest}')}"
        )
    return found
