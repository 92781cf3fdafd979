"""Agents that wait at the gate, all at once on one instance; and how soon each goes on when somebody has decided.

The service is a process of its own (`benchmarks.gate_service`); agents and the person who decides share this one, so
that both ends of a time are read from one clock. A time runs from the click, when the vote is sent, until the waiting
agent's call has returned its approval.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import httpx
from sluicegate_client import Approval, AsyncGate, AsyncPending

from approvals.gate.authority import Authority
from approvals.people import hash_token, new_token
from approvals.person import Identity
from approvals.store import Store
from benchmarks.gate_service import APPROVALS, DECISIONS, SANITIZED
from benchmarks.machine import rss_mb
from benchmarks.measurement import MeasuringFailed
from engine.brokers import open_broker
from engine.brokers.base import TopicSpec

CREDENTIALS = 50  # among which the agents share; each may ask so often
_PATIENCE = 120.0  # seconds
_AT_ONCE = 20  # agents that begin at the same time
_HOUR = 3_600_000
_POLICY = """
actions:
  - id: bench
    effect: review
    match: {action: bench.run}
    risk: low
    reason: So that somebody is asked.
    approvers: {groups: ['local:approvers'], quorum: 1}
    expires: 1h
"""


@dataclass(frozen=True, slots=True)
class Waited:
    """``seconds`` are those from a click to the return of its agent, ``votes`` those until the vote itself was
    answered. Memory is that of the service, in MB: before
    anybody waited, and (seconds since, MB) while all did. ``busy`` is the share of a core that it took meanwhile.
    """

    agents: int
    seconds: Sequence[float]
    votes: Sequence[float]
    threads: int
    before_mb: float
    samples: Sequence[tuple[float, float]]
    busy: float

    def at(self, quantile: float) -> float:
        """The time that ``quantile`` of them took at most."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    @property
    def growth(self) -> float:
        """MB by which the last third of the samples is above the second."""
        third = max(1, len(self.samples) // 3)
        second, last = ([mb for _, mb in part] for part in (self.samples[third : 2 * third], self.samples[-third:]))
        return mean(last) - mean(second or last)

    def as_json(self, limit: float) -> dict[str, Any]:
        """For files; ``within`` is whether p95 keeps to ``limit``, in seconds."""
        times = {name: round(self.at(q) * 1000, 1) for name, q in (("p50_ms", 0.5), ("p95_ms", 0.95), ("max_ms", 1.0))}
        return {
            "agents_waiting": self.agents,
            "decisions": len(self.seconds),
            **times,
            "limit_ms": limit * 1000,
            "vote_p50_ms": round(median(self.votes) * 1000, 1),
            "within": self.at(0.95) <= limit,
            "service": {
                "threads": self.threads,
                "before_mb": round(self.before_mb, 1),
                "waiting_mb": [[round(at, 1), round(mb, 1)] for at, mb in self.samples],
                "growth_mb": round(self.growth, 2),
                "kb_an_agent": round((self.samples[-1][1] - self.before_mb) * 1024 / self.agents, 1),
                "core_while_waiting": round(self.busy, 3),
            },
        }


def measure(folder: Path, *, agents: int, decisions: int, seconds: float) -> Waited:
    """``agents`` wait for ``seconds``; then somebody decides on ``decisions`` of them, one after the other.

    Raises MeasuringFailed.
    """
    people = new_token()
    entry = {"id": "ada", "name": "Ada", "groups": ["local:approvers"], "token_hash": hash_token(people)}
    (folder / "people.yaml").write_text(json.dumps({"people": [entry]}), encoding="utf-8")
    (folder / "policy.yaml").write_text(_POLICY, encoding="utf-8")
    with closing(open_broker(f"embedded:{folder / 'log.db'}")) as log:
        log.create_topics([TopicSpec(topic, 1) for topic in (APPROVALS, DECISIONS, SANITIZED)])
    with _served(folder) as (url, pid), closing(Store(folder / "approvals.db", decisions={})) as store:
        tokens = _tokens(store, min(agents, CREDENTIALS))
        crew = _Crew(url, pid, store, tokens, people)
        return asyncio.run(crew.wait(agents, min(decisions, agents), seconds))


def _tokens(store: Store, count: int) -> list[str]:
    now = time.time_ns() // 1_000_000
    made = []
    for number in range(count):
        token = store.identities.make_token(f"agent-{number}", frozenset({"gate"}), at=now, expires=now + _HOUR)
        store.grant(Authority(f"agent-{number}", Identity("agent", f"agent-{number}")))
        made.append(token or "")
    return made


class _Crew:
    """Agents and the one who decides."""

    def __init__(self, url: str, pid: int, store: Store, tokens: Sequence[str], person: str) -> None:
        self._url, self._pid, self._store = url, pid, store
        self._tokens, self._person = tokens, person
        self._returned: dict[str, float] = {}
        self._voted: list[float] = []  # seconds until votes were answered

    async def wait(self, agents: int, decisions: int, seconds: float) -> Waited:
        """See `measure`."""
        gates = [AsyncGate(self._url, token, timeout=60) for token in self._tokens]
        try:
            before = _memory(self._pid)
            turn = asyncio.Semaphore(_AT_ONCE)
            pending = await asyncio.gather(*(self._asked(gates[n % len(gates)], n, turn) for n in range(agents)))
            waiting = [asyncio.create_task(self._until_decided(one)) for one in pending]
            await self._all_arrived(agents)
            samples, busy, threads = await self._watched(seconds)
            _all_wait(waiting)
            took = [await self._decided(one.request_id) for one in pending[:: max(1, agents // decisions)][:decisions]]
            for task in waiting:
                task.cancel()
            ended = await asyncio.gather(*waiting, return_exceptions=True)
            if failed := [one for one in ended if isinstance(one, Exception)]:
                raise MeasuringFailed(f"{len(failed)} agents did not wait to the end: {type(failed[0]).__name__}")
        finally:
            for gate in gates:
                await gate.close()
        return Waited(agents, took, self._voted, threads, before, samples, busy)

    async def _asked(self, gate: AsyncGate, number: int, turn: asyncio.Semaphore) -> AsyncPending:
        async with turn:
            return await gate.submit("bench.run", f"bench/{number}", {"number": number})

    async def _until_decided(self, pending: AsyncPending) -> None:
        told = await pending.wait()
        if isinstance(told, Approval):
            self._returned[pending.request_id] = time.perf_counter()

    async def _all_arrived(self, agents: int) -> None:
        end = time.monotonic() + _PATIENCE
        while self._store.counts().waiting < agents:
            if time.monotonic() > end:
                raise MeasuringFailed("not all requests arrived at the service")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)

    async def _watched(self, seconds: float) -> tuple[list[tuple[float, float]], float, int]:
        """Memory, share of a core, and threads of the service while all wait."""
        samples, began, spent = [], time.perf_counter(), _cpu_seconds(self._pid)
        while (since := time.perf_counter() - began) < seconds:
            samples.append((since, _memory(self._pid)))
            await asyncio.sleep(min(0.5, seconds / 10))
        busy = (_cpu_seconds(self._pid) - spent) / (time.perf_counter() - began)
        return samples, busy, len(os.listdir(f"/proc/{self._pid}/task"))

    async def _decided(self, request_id: str) -> float:
        """Seconds from the click until the agent that waited for this has returned."""
        async with httpx.AsyncClient(base_url=self._url, timeout=30.0, trust_env=False, verify=False) as client:  # noqa: S501 (no TLS)
            body = {"decision": "approve", "version": 1, "reason": "as agreed"}
            headers = {"authorization": f"Bearer {self._person}"}
            clicked = time.perf_counter()
            answer = await client.post(f"/v1/requests/{request_id}/votes", json=body, headers=headers)
            if answer.status_code == 429:
                await asyncio.sleep(float(answer.headers["retry-after"]))
                return await self._decided(request_id)
            if answer.status_code != 200:
                raise MeasuringFailed(f"a vote was answered {answer.status_code}")
            self._voted.append(time.perf_counter() - clicked)
            while request_id not in self._returned:
                if time.perf_counter() - clicked > _PATIENCE:
                    raise MeasuringFailed("an agent was not told")
                await asyncio.sleep(0.001)
        return self._returned[request_id] - clicked


def _all_wait(waiting: Sequence[asyncio.Task[None]]) -> None:
    """Raises MeasuringFailed if somebody has stopped waiting before anything was decided."""
    over = [task for task in waiting if task.done()]
    if over:
        raise MeasuringFailed(f"{len(over)} agents did not wait: {over[0].exception()}")


def _memory(pid: int) -> float:
    found = rss_mb(pid)
    if found is None:
        raise MeasuringFailed("this system does not tell how much memory a process has")
    return found


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, int]]:
    """The address and process id of a service that is ready."""
    command = [sys.executable, "-m", "benchmarks.gate_service", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own module)
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        end = time.monotonic() + _PATIENCE
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                raise MeasuringFailed("the service did not start")
            time.sleep(0.05)
        yield url, process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    return False
