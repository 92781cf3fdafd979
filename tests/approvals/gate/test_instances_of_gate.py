"""Several instances with a gate, on one PostgreSQL and one log."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gate_site import Aside, GateSite
from postgres import fresh
from sluicegate_client import Gate, TokenRejected

EXPORT = ("db.export", "customers", {"rows": 41000})


@pytest.fixture
def pair(tmp_path: Path, url: str, postgres_server: str) -> Iterator[tuple[GateSite, GateSite]]:
    """Two instances, which share their database, their log and the gate's key."""
    database = fresh(postgres_server)
    one, two = (GateSite(tmp_path, url, database) for _ in range(2))
    yield one, two
    two.close()
    one.close()


def test_an_approval_is_used_once_whoever_is_asked(pair: tuple[GateSite, GateSite]) -> None:
    """Asked at one, decided at the other, the agent waiting at the first; then all try to redeem it at once."""
    one, two = pair
    agent = one.gate(audience="warehouse")
    pending = agent.submit(*EXPORT)
    waiting = Aside(pending.wait)
    assert two.vote(pending.request_id).status_code == 200
    token = waiting.result().token
    executor = one.token("warehouse", "redeem")

    def redeem(number: int) -> str:
        gate = Gate(pair[number % 2].http, executor)
        try:
            return gate.redeem(token, *EXPORT).agent
        except TokenRejected as error:
            return error.code
        finally:
            gate.close()

    with ThreadPoolExecutor(8) as pool:
        came = sorted(pool.map(redeem, range(8)))
    assert came == ["agent:etl-7", *["token_redeemed"] * 7]
