"""Who of a consumer group gets which partition: pure, fair by topic, and no partition moves without need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from engine.records import TopicPartition


def share(
    partitions: Sequence[TopicPartition],
    members: Mapping[str, frozenset[str]],
    current: Mapping[TopicPartition, str],
) -> dict[TopicPartition, str]:
    """The owner of each of ``partitions``; one that no member subscribes to is left out.

    ``members`` maps a worker to the topics it subscribes to, ``current`` a partition to its owner so far.
    Among the members that subscribe to a topic, shares of that topic differ by one at most, and totals differ
    as little as that allows: fair by topic first, since topics differ in load far more than partitions do.
    """
    owners: dict[TopicPartition, str] = {}
    of_topic: Counter[tuple[str, str]] = Counter()
    total: Counter[str] = Counter()

    def give(partition: TopicPartition, worker: str) -> None:
        before = owners.get(partition)
        if before is not None:
            of_topic[before, partition.topic] -= 1
            total[before] -= 1
        owners[partition] = worker
        of_topic[worker, partition.topic] += 1
        total[worker] += 1

    def lightest(partition: TopicPartition) -> str | None:
        able = [worker for worker, topics in members.items() if partition.topic in topics]
        return min(able, key=lambda w: (of_topic[w, partition.topic], total[w], w), default=None)

    for partition in partitions:
        owner = current.get(partition)
        if owner is not None and partition.topic in members.get(owner, ()):
            give(partition, owner)
    for partition in sorted(set(partitions) - set(owners)):
        worker = lightest(partition)
        if worker is not None:
            give(partition, worker)

    moved = True
    while moved:  # every move lowers the sum of squares of the shares, so this ends
        moved = False
        for partition, owner in sorted(owners.items()):
            other = lightest(partition)
            if other is None or other == owner:
                continue
            more = of_topic[owner, partition.topic] - of_topic[other, partition.topic]
            if more >= 2 or (more == 1 and total[owner] - total[other] >= 2):
                give(partition, other)
                moved = True
    return owners
