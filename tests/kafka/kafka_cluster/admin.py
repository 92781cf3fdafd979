"""Looking after a cluster between tests, so that each finds it as if it were new."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

PATIENCE = 60.0
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)


class Janitor:
    """Deletes topics and groups, and knows when workers are gone."""

    def __init__(self, servers: str) -> None:
        # With a logger, or it complains on stderr when the cluster ends before it does.
        self._admin = AdminClient({"bootstrap.servers": servers, "logger": logging.getLogger("janitor")})

    def owners(self) -> list[str]:
        """The workers that own partitions, whether they know it or not."""
        return [one.group_instance_id for one in self._members() if one.assignment.topic_partitions]

    def await_end_of_sessions(self) -> None:
        """Returns when nobody owns a partition any more."""
        _until(lambda: not self.owners(), "there are still workers that own partitions")

    def await_end_of(self, worker: str) -> None:
        """Returns when ``worker``, which is dead, owns no partition any more."""
        _until(lambda: worker not in self.owners(), f"worker {worker} still owns partitions")

    def clean(self) -> None:
        """Deletes all topics of tests and all groups; waits for what is left of killed workers."""
        _until(lambda: not self._members() and self._delete_groups(), "there are still members of groups")
        topics = [name for name in self._admin.list_topics(timeout=PATIENCE).topics if not name.startswith("__")]
        if topics:
            for future in self._admin.delete_topics(topics, operation_timeout=PATIENCE).values():
                _result(future)
            _until(lambda: not self._describe(topics), "topics are not deleted")

    def broker_setting(self, name: str) -> str:
        """A setting of the cluster's first broker."""
        broker = min(self._admin.list_topics(timeout=PATIENCE).brokers)
        resource = ConfigResource(ResourceType.BROKER, str(broker))
        [future] = self._admin.describe_configs([resource]).values()
        return str(future.result()[name].value)

    def _describe(self, topics: list[str]) -> list[Any]:
        return list(filter(None, map(_result, self._admin.describe_topics(TopicCollection(topics)).values())))

    def _members(self) -> list[Any]:
        groups = self._groups()
        described = self._admin.describe_consumer_groups(groups) if groups else {}
        return [member for one in map(_result, described.values()) if one is not None for member in one.members]

    def _delete_groups(self) -> bool:
        groups = self._groups()
        deleted = self._admin.delete_consumer_groups(groups) if groups else {}
        return all(_result(one, but=KafkaError.NON_EMPTY_GROUP, default=False) is None for one in deleted.values())

    def _groups(self) -> list[str]:
        return [one.group_id for one in self._admin.list_consumer_groups().result().valid]


def _until(condition: Callable[[], bool], problem: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, problem
        time.sleep(0.05)


def _result(future: Future[Any], *, but: int | None = None, default: Any = None) -> Any:
    """The result; None if what was asked for is not there, ``default`` if the error is ``but``."""
    try:
        return future.result(PATIENCE)
    except KafkaException as error:
        if error.args[0].code() in _GONE:
            return None
        if error.args[0].code() == but:
            return default
        raise
