"""A cluster for as long as tests need it; where there is none to be had, a failure in CI, else one loud skip."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from kafka_cluster.cluster import Cluster
from kafka_cluster.jars import Missing

C = TypeVar("C", bound=Cluster)


@contextmanager
def running(cluster: C, request: pytest.FixtureRequest) -> Iterator[C]:
    """``cluster``, started; stopped at the end."""
    try:
        cluster.start()
    except Missing as missing:
        message = f"KAFKA TESTS NOT RUN: {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n*** {message} ***", file=sys.stderr)
        pytest.skip(message)
    try:
        yield cluster
    finally:
        cluster.stop()
