"""What tests all over the tree share: a Kafka that is started once, when the first test asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from kafka_cluster import Cluster, Missing


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka for tests: their own, or SLUICEGATE_TEST_KAFKA, whose topics they make and delete.

    Where there is no Java or Maven to start one with: a failure in CI, else one loud skip. Under pytest-xdist
    each worker process starts one, so that tests in them share no topics.
    """
    if given := os.environ.get("SLUICEGATE_TEST_KAFKA"):
        yield given
        return
    cluster = Cluster(tmp_path_factory.mktemp("kafka"))
    try:
        cluster.start()
    except Missing as missing:
        message = f"KAFKA TESTS NOT RUN: {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n*** {message} ***", file=sys.stderr)
        pytest.skip(message)
    yield cluster.servers
    cluster.stop()
