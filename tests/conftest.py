"""What tests all over the tree share: a Kafka that is started once, when asked for; property tests without a clock."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from kafka_cluster import Cluster
from kafka_cluster.fixture import running
from postgres import running as postgres_running

settings.register_profile("untimed", deadline=None)  # machines are noisy: no test fails for being slow
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under pytest-xdist, files go to one process as a whole, and all those that ask for a Kafka to the same."""
    ask = {item.path for item in items if _asks_for_kafka(item)}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("kafka" if item.path in ask else str(item.path)))


def _asks_for_kafka(item: pytest.Item) -> bool:
    # By its fixture, by its folder, or by a parameter; the services of the compose file bring their own.
    parameter = item.name.partition("[")[2]
    return item.path.parent.name != "deploy" and (
        "kafka_servers" in getattr(item, "fixturenames", ()) or item.path.parent.name == "kafka" or "kafka" in parameter
    )


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka for tests: their own, or SLUICEGATE_TEST_KAFKA, whose topics they make and delete.

    Where there is no Java or Maven to start one with: a failure in CI, else one loud skip. Under pytest-xdist
    one process has all tests that ask for it.
    """
    if given := os.environ.get("SLUICEGATE_TEST_KAFKA"):
        yield given
        return
    with running(Cluster(tmp_path_factory.mktemp("kafka")), request) as cluster:
        yield cluster.servers


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL for tests. Where there is none: a failure in CI, else one loud skip."""
    with postgres_running() as url:
        yield url
