"""What a client does when the gate is away, breaks off, or says what it should not: nothing runs."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sluicegate_client import (
    Approval,
    AsyncGate,
    ClarificationAsked,
    Denied,
    Expired,
    Gate,
    GateError,
    Misconfigured,
    Principal,
    Question,
    Refused,
    Repeated,
    TokenRejected,
    Unavailable,
    Undecided,
    Waiting,
    Withdrawn,
)
from sluicegate_client.flow import Clock

URL, TOKEN = "http://127.0.0.1:9", "sgm_secret"
Answer = Callable[[httpx.Request], httpx.Response]


def standing(state: str, **more: Any) -> dict[str, Any]:
    said = {
        "request_id": "req_1",
        "version": 1,
        "state": state,
        "expires": 4_000_000_000_000,
        "reason": "",
        "by": "",
        "audience": "agent:etl-7",
        "question": None,
        "token": None,
        "token_expires": None,
    }
    return said | more


APPROVED = standing("approved", by="people", token="t.o.k", token_expires=4_000_000_000_000)
GRANT = {
    "request_id": "req_1",
    "token_id": "apr_1",
    "agent": "agent:etl-7",
    "audience": "agent:etl-7",
    "environment": "",
    "expires": 4_000_000_000_000,
}


class Script:
    """A gate that gives these answers, one after the other, the last one again and again; ``asked`` is what came."""

    def __init__(self, *answers: object) -> None:
        self._answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.path == "/v1/tokens/redeem":
            return httpx.Response(200, json=GRANT)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    @property
    def paths(self) -> list[str]:
        return [f"{one.method} {one.url.path}" for one in self.asked]


def gate(script: Answer, **more: Any) -> Gate:
    return Gate(URL, TOKEN, transport=httpx.MockTransport(script), **more)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are not waited for: time passes by them, and a little with each look."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    def now() -> float:
        passed[0] += 0.001
        return passed[0]

    async def pause(seconds: float) -> None:
        sleep(seconds)

    monkeypatch.setattr("sluicegate_client.aio.asyncio", SimpleNamespace(sleep=pause))
    monkeypatch.setattr("sluicegate_client.aio.time", SimpleNamespace(monotonic=now))
    monkeypatch.setattr("sluicegate_client.gate.time", SimpleNamespace(sleep=sleep, monotonic=now))
    monkeypatch.setattr("sluicegate_client.flow.Clock", partial(Clock, now=now))


# --- Away ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        httpx.Response(500, text="oops"),
        httpx.Response(503, json={"code": "busy", "detail": "busy"}),
        httpx.Response(429, headers={"retry-after": "1"}),
        httpx.Response(200, text='{"request_id": "req_1", "state": "appro'),
        httpx.Response(200, text="<html>a captive portal</html>"),
        httpx.Response(200, json=["approved"]),
        httpx.Response(200, content=b"\xff\xfe"),
    ],
    ids=lambda answer: getattr(answer, "text", None) or type(answer).__name__,
)
def test_a_gate_that_is_away_lets_nothing_run(answer: object) -> None:
    """It is asked again for as long as ``timeout`` says, then the block is not entered."""
    script = Script(answer)
    with pytest.raises(Unavailable, match="nothing was approved"), gate(script, timeout=5).require("a", "r"):
        pytest.fail("it ran")
    assert len(script.asked) > 2
    assert len({one.headers["idempotency-key"] for one in script.asked}) == 1


def test_a_gate_that_comes_back_is_waited_for() -> None:
    """A poll that breaks off, or a service that starts again, costs time and nothing else."""
    broken = httpx.Response(200, text='{"request_id": "req_1", "state": "appro')
    script = Script(standing("waiting"), httpx.ConnectError(""), broken, standing("waiting"), APPROVED)
    with gate(script).require("a", "r", {"n": 1}) as approval:
        pass
    assert approval == gate(Script(APPROVED)).submit("a", "r").told()
    assert script.paths[0] == "POST /v1/gate/requests"
    assert script.paths[-1] == "POST /v1/tokens/redeem"
    assert set(script.paths[1:-1]) == {"GET /v1/gate/requests/req_1"}


@pytest.mark.parametrize(
    "said",
    [
        standing("approved"),
        standing("approved", by="people", token="t"),
        standing("approved", by="nobody", token="t", token_expires=1),
        standing("clarification_asked"),
        standing("fine", token="t", token_expires=1),
        {"state": "approved"},
        standing("waiting", expires="soon"),
        standing("waiting", expires=1e300),
    ],
    ids=str,
)
def test_an_answer_that_is_not_whole_is_no_approval(said: object) -> None:
    """Whatever is missing or unknown."""
    with pytest.raises(GateError), gate(Script(said)).require("a", "r"):
        pytest.fail("it ran")


def test_a_real_connection_that_breaks_off_is_no_answer() -> None:
    """The service dies in the middle of the body."""
    answer = b'HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{"request_id": "req_1"'
    with (
        breaking(answer) as url,
        pytest.raises(Unavailable),
        Gate(url, TOKEN, timeout=0.3) as asking,
        asking.require("a", "r"),
    ):
        pytest.fail("it ran")


@contextmanager
def breaking(answer: bytes) -> Iterator[str]:
    """A server that gives this answer and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


# --- Ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("denied", Denied),
        ("expired", Expired),
        ("lapsed", Expired),
        ("redeemed", Expired),
        ("withdrawn", Withdrawn),
        ("folded", Repeated),
    ],
)
def test_each_end_has_its_own_error(state: str, error: type[Exception]) -> None:
    """From every call that learns of it."""
    for act in (
        lambda g: g.submit("a", "r").told(),
        lambda g: g.submit("a", "r").wait(),
        lambda g: g.resume("req_1").poll(),
        lambda g: g.check("a", "r", idempotency_key="k"),
    ):
        with pytest.raises(error, match="because"):
            act(gate(Script(standing(state, reason="because"))))


def test_what_is_not_decided_is_a_value_for_who_does_not_wait() -> None:
    """`check` never waits, and asks under its key each time."""
    script = Script(standing("waiting"), standing("clarification_asked", question="Why?"), APPROVED)
    asking = gate(script)
    told = [asking.check("a", "r", idempotency_key="k") for _ in range(3)]
    assert [type(one) for one in told] == [Waiting, Question, Approval]
    assert script.paths == ["POST /v1/gate/requests"] * 3


def test_waiting_has_an_end_when_the_caller_says_so() -> None:
    """`Undecided` names the request; nobody answers a question unless somebody was named for it."""
    with pytest.raises(Undecided) as undecided:
        gate(Script(standing("waiting"))).submit("a", "r").wait(60)
    assert undecided.value.request_id == "req_1"
    asked = standing("clarification_asked", question="Why?")
    with pytest.raises(ClarificationAsked) as told, gate(Script(asked)).require("a", "r"):
        pytest.fail("it ran")
    assert told.value.question.text == "Why?"


def test_a_refusal_has_its_code() -> None:
    """Problem details become `Refused`, those of a token `TokenRejected`; neither is asked again."""
    refused = Script(httpx.Response(403, json={"code": "principals", "detail": "not for them"}))
    with pytest.raises(Refused, match="not for them") as told:
        gate(refused).submit("a", "r")
    assert (told.value.code, told.value.status, len(refused.asked)) == ("principals", 403, 1)
    redirected = Script(httpx.Response(302, headers={"location": "https://evil.example"}))
    with pytest.raises(Refused):
        gate(redirected).submit("a", "r")
    assert len(redirected.asked) == 1

    def used(_: httpx.Request) -> httpx.Response:
        return httpx.Response(409, json={"code": "token_redeemed", "detail": "used"})

    with pytest.raises(TokenRejected) as rejected:
        gate(used).redeem("t", "a", "r")
    assert rejected.value.code == "token_redeemed"


# --- What is sent -------------------------------------------------------------------------------------------


def test_numbers_travel_as_they_are_written() -> None:
    """And names of all kinds; who takes part is written out."""
    script = Script(APPROVED)
    gate(script).submit(
        "a", "r", {"n": 1, "x": 1.0, "big": 10**30, "s": "\u00e4"}, ["okta:jane", Principal("k8s", "sa:x", "delegate")]
    )
    sent = script.asked[0].content.decode()
    assert '"n":1,"x":1.0,"big":1000000000000000000000000000000' in sent
    assert json.loads(sent)["principals"] == [
        {"role": "on_behalf_of", "issuer": "okta", "subject": "jane"},
        {"role": "delegate", "issuer": "k8s", "subject": "sa:x"},
    ]


@pytest.mark.parametrize(
    "params", [{"n": float("nan")}, {"n": float("inf")}, {"x": object()}], ids=["nan", "infinity", "object"]
)
def test_what_json_cannot_say_is_not_sent(params: Any) -> None:
    """Nothing is asked that could be read in two ways."""
    script = Script(APPROVED)
    with pytest.raises((TypeError, ValueError)):
        gate(script).submit("a", "r", params)
    assert not script.asked


def test_an_id_is_no_path() -> None:
    """What is no request id is not asked for."""
    script = Script(APPROVED)
    for bad in ("../../keys", "", "a b", "é"):
        with pytest.raises(Refused):
            gate(script).resume(bad)
    assert not script.asked


def test_nothing_shows_a_token_or_a_parameter() -> None:
    """Not the ``repr`` of anything that holds one."""
    asking = gate(Script(APPROVED))
    pending = asking.submit("a", "r", {"password": "hunter2"})
    assert "t.o.k" not in repr((pending, pending.told(), pending._standing, asking, asking.__dict__))
    assert "hunter2" not in repr(pending.__dict__)


# --- Configuration ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "SLUICEGATE_URL"),
        ({"SLUICEGATE_URL": "ftp://x"}, "no address"),
        ({"SLUICEGATE_URL": "http://gate.example.com"}, "https"),
        ({"SLUICEGATE_URL": URL}, "SLUICEGATE_TOKEN_FILE"),
        ({"SLUICEGATE_URL": URL, "SLUICEGATE_TOKEN": "two words"}, "no token"),
        ({"SLUICEGATE_URL": URL, "SLUICEGATE_TOKEN_FILE": "/nowhere/token"}, "/nowhere/token"),
    ],
    ids=str,
)
def test_a_client_that_cannot_ask_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], words: str
) -> None:
    """Before anything else happens; a token never travels unprotected."""
    for name in ("SLUICEGATE_URL", "SLUICEGATE_TOKEN", "SLUICEGATE_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=words):
        Gate()


# --- With await ---------------------------------------------------------------------------------------------


def test_the_gate_with_await_does_the_same() -> None:
    """Asks, answers a question, waits, redeems; and fails closed."""
    script = Script(
        standing("waiting"), standing("clarification_asked", question="Why?"), standing("waiting", version=2), APPROVED
    )

    async def answer(question: Question) -> str:
        return f"{question.text} Because."

    async def main() -> Approval:
        async with (
            AsyncGate(URL, TOKEN, transport=httpx.MockTransport(script)) as asking,
            asking.require("a", "r", on_question=answer) as approval,
        ):
            return approval

    assert asyncio.run(main()).token == "t.o.k"
    assert [path.rpartition("/")[2] for path in script.paths] == ["requests", "req_1", "answers", "req_1", "redeem"]
    assert json.loads(script.asked[2].content) == {"answer": "Why? Because.", "version": 1}


def test_the_gate_with_await_fails_closed() -> None:
    """A protected coroutine function is not entered while the gate is away, nor after a denial."""

    async def main(answer: object) -> None:
        async with AsyncGate(URL, TOKEN, timeout=0.2, transport=httpx.MockTransport(Script(answer))) as asking:

            @asking.protected(action="a", resource=lambda n: f"r/{n}")
            async def act(n: int) -> None:
                pytest.fail("it ran")

            await act(1)

    with pytest.raises(Denied):
        asyncio.run(main(standing("denied")))
    with pytest.raises(Unavailable):
        asyncio.run(main(httpx.ConnectError("")))
