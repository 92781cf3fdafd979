"""Looking after a cluster between tests, so that each finds it as if it were new."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

PATIENCE = 30.0
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)


class Janitor:
    """Deletes topics and groups, and knows when workers are gone."""

    def __init__(self, servers: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": servers})

    def members(self) -> int:
        """How many members all consumer groups have together."""
        groups = self._groups()
        described = self._admin.describe_consumer_groups(groups) if groups else {}
        return sum(len(one.members) for one in map(_result, described.values()) if one is not None)

    def await_members(self, count: int) -> None:
        """Returns when all consumer groups together have ``count`` members."""
        end = time.monotonic() + PATIENCE
        while self.members() != count:
            assert time.monotonic() < end, f"the groups do not come to {count} members"
            time.sleep(0.05)

    def clean(self) -> None:
        """Deletes all topics of tests and all groups; waits for what is left of killed workers."""
        self.await_members(0)
        if groups := self._groups():
            for future in self._admin.delete_consumer_groups(groups).values():
                _result(future)
        topics = [name for name in self._admin.list_topics(timeout=PATIENCE).topics if not name.startswith("__")]
        if topics:
            for future in self._admin.delete_topics(topics, operation_timeout=PATIENCE).values():
                _result(future)
            end = time.monotonic() + PATIENCE
            while any(_result(f) for f in self._admin.describe_topics(TopicCollection(topics)).values()):
                assert time.monotonic() < end, "topics are not deleted"

    def broker_setting(self, name: str) -> str:
        """A setting of the cluster's first broker."""
        broker = min(self._admin.list_topics(timeout=PATIENCE).brokers)
        resource = ConfigResource(ResourceType.BROKER, str(broker))
        [future] = self._admin.describe_configs([resource]).values()
        return str(future.result()[name].value)

    def _groups(self) -> list[str]:
        return [one.group_id for one in self._admin.list_consumer_groups().result().valid]


def _result(future: Future[Any]) -> Any:
    """The result; None if what was asked for is not there."""
    try:
        return future.result(PATIENCE)
    except KafkaException as error:
        if error.args[0].code() in _GONE:
            return None
        raise
