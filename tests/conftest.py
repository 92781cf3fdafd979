"""What tests all over the tree share: a Kafka and a PostgreSQL, started once when asked for; property tests without a clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from kafka_cluster import Cluster
from kafka_cluster.fixture import running
from postgres import running as postgres_running

settings.register_profile("untimed", deadline=None)  # machines are noisy: no test fails for being slow
settings.load_profile("untimed")


LONG = (
    *(
        "kafka/test_exactly_once.py",
        "deploy/test_dockerfile.py",
        "approvals/test_rebuild.py",
        "contract/test_broker.py",
    ),
    *("benchmarks/test_bench.py", "sluicegate/test_demo.py", "kafka/test_topics.py", "approvals/test_browser.py"),
    *("benchmarks/test_bench_kafka.py", "deploy/test_compose.py", "engine/test_supervisor.py"),
)
"""Files that take a minute or more, the longest first: no process is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    turn = {Path(__file__).parent / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: turn.get(item.path, len(turn)))


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka for tests: their own, or SLUICEGATE_TEST_KAFKA, whose topics they make and delete.

    Where there is no Java or Maven to start one with: a failure in CI, else one loud skip. Under pytest-xdist
    each worker process starts one, so that tests in them share no topics.
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
