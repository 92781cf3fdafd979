"""Waiting: who is woken, what many cost, and what is told by server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest
from gate_site import GateSite, until
from sluicegate_client import Approval, AsyncGate

from approvals.gate.waiting import MOST, Doorbell, TooManyWait


class Happenings:
    """Events that the test makes."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.looks = 0
        self.broken = False

    def happen(self, request_id: str) -> None:
        self.events.append({"sequence": len(self.events) + 1, "request_id": request_id})

    def newest_event(self) -> int:
        self.looks += 1
        if self.broken:
            raise OSError
        return len(self.events)

    def events_after(self, number: int, *, limit: int) -> list[dict[str, Any]]:
        return self.events[number : number + limit]


def test_who_waits_hears_of_their_own_request_alone() -> None:
    """Of a thousand who wait one is woken, and however many wait, one looks."""

    async def main() -> None:
        happened = Happenings()
        happened.happen("r1")  # before: nobody waits for it any more
        bell, woken = Doorbell(happened), list[str]()

        async def wait(request_id: str) -> None:
            with bell.listening(request_id) as listener:
                await listener.begin()
                await listener.hear(0.5 if request_id != "r1" else 10)
                if request_id == "r1":
                    woken.append(request_id)

        tasks = [asyncio.create_task(wait(f"r{n}")) for n in range(1_000)]
        await asyncio.sleep(0.2)
        assert bell.waiting == 1_000
        assert not woken
        happened.happen("r1")
        await asyncio.wait_for(tasks[1], 5)
        assert woken == ["r1"]
        await asyncio.gather(*tasks)
        assert bell.waiting == 0
        assert happened.looks < 40

    asyncio.run(main())


def test_who_waits_is_let_go_when_nobody_can_look_any_more() -> None:
    """They see for themselves, and come back; and no more than so many wait."""

    async def main() -> None:
        happened = Happenings()
        bell = Doorbell(happened)
        with bell.listening("r1") as listener:
            await listener.begin()
            happened.broken = True
            await asyncio.wait_for(listener.hear(60), 5)
            with pytest.raises(OSError):  # noqa: PT011 (it is the database's own error)
                await listener.begin()
            happened.broken = False
            await listener.begin()
            bell._count = MOST
            with pytest.raises(TooManyWait), bell.listening("r2"):
                pass
            bell._count = 1

    asyncio.run(main())


def test_many_agents_wait_without_a_thread_each(site: GateSite) -> None:
    """Two hundred wait on one service, whose threads do not grow with them; each gets its own decision."""
    token = site.token("etl-7")

    async def main() -> None:
        async with AsyncGate(site.http, token) as gate:
            turn = asyncio.Semaphore(10)

            async def submit(number: int) -> Any:
                async with turn:
                    return await gate.submit("db.export", f"t{number}", {"n": number})

            pending = await asyncio.gather(*(submit(n) for n in range(120)))
            waiting = [asyncio.create_task(one.wait()) for one in pending]
            bell = site.server.app.state
            while not hasattr(bell, "doorbell") or bell.doorbell.waiting < len(pending):
                await asyncio.sleep(0.02)
            assert threading.active_count() < 60
            for one in pending[:3]:
                await asyncio.to_thread(site.vote, one.request_id)
            told = await asyncio.gather(*waiting[:3])
            assert [one.request_id for one in told if isinstance(one, Approval)] == [p.request_id for p in pending[:3]]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(main())
    until(lambda: site.server.app.state.doorbell.waiting == 0)


def test_a_stream_tells_where_a_request_stands_until_it_has_ended(site: GateSite) -> None:
    """By server-sent events: now, and whenever that changes; with the token at last."""
    gate_token = site.token("etl-7")
    asked = site.post(gate_token, "/gate/requests", json={"action": "db.export", "params": {"n": 1}}).json()
    url = f"{site.http}/v1/gate/requests/{asked['request_id']}/events"
    headers = {"authorization": f"Bearer {gate_token}"}
    states = []
    with httpx.stream("GET", url, headers=headers, timeout=30, trust_env=False) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                said = json.loads(line.removeprefix("data: "))
                states.append(said["state"])
                if states == ["waiting"]:
                    site.ask(asked["request_id"], "Why?")
                elif states == ["waiting", "clarification_asked"]:
                    assert said["question"] == "Why?"
                    answer = {"version": 1, "answer": "Because."}
                    assert (
                        site.post(gate_token, f"/gate/requests/{asked['request_id']}/answers", json=answer).status_code
                        == 200
                    )
                elif states[-1] == "waiting":
                    site.vote(asked["request_id"], version=2)
    assert states == ["waiting", "clarification_asked", "waiting", "approved"]
    assert said["token"]
