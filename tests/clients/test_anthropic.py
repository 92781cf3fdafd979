"""Anthropic's Messages API at the gate: the real SDK over real HTTP, to a server that gives recorded answers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from anthropic import Anthropic, APIConnectionError, AsyncAnthropic
from sluicegate_client import Gate, Unavailable
from sluicegate_client.anthropic import GatedTools, clean_request, redacting_async_client, redacting_client
from sluicegate_client.tools import ToolRule
from tool_site import Aside, ToolSite, example, sanitizer

from sluicegate import Unreadable

MAIL = "jane.doe@example.com"
RULES = {"delete_user": ToolRule(action="user.delete", resource=lambda user_id: f"users/{user_id}")}
THINKING = {
    "type": "thinking",
    "thinking": f"{MAIL} asked.",
    "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl",
}


def use(user_id: str, call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "delete_user", "input": {"user_id": user_id}}


def answer(*content: dict[str, Any]) -> dict[str, Any]:
    """A message of the API."""
    stopped = "tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn"
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": list(content),
        "stop_reason": stopped,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 6},
    }


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


class Api:
    """The API's stand-in: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                api.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                said = json.dumps(api.answers.pop(0)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def heard(self) -> dict[str, dict[str, Any]]:
        """The results that the model was told last, by call."""
        return {block["tool_use_id"]: block for block in self.asked[-1]["messages"][-1]["content"]}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The stand-in, where the SDK finds it."""
    one = Api()
    thread = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", one.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    yield one
    one.server.shutdown()
    one.server.server_close()
    thread.join()


def test_the_example_approved(site: ToolSite, api: Api) -> None:
    """The tool runs with what was approved; what the model had signed goes back as it came, all else is redacted."""
    shown = example("anthropic_example")
    api.answers = [answer(THINKING, use("7", "toolu_01A09q90qw90lq917835lq9")), answer(text("Done."))]
    with site.reviewer({"users/7": "approve"}):
        assert shown.main(f"Delete the user 7, as {MAIL} asked.") == "Done."
    assert shown.DELETED == ["7"]
    told = api.heard()["toolu_01A09q90qw90lq917835lq9"]
    assert (told["content"], told["is_error"]) == ("user 7 is deleted", False)
    assert api.asked[0]["messages"][0]["content"] == "Delete the user 7, as [EMAIL_ADDRESS] asked."
    assert api.asked[0]["tools"] == [shown.TOOL]
    assert api.asked[1]["messages"][1]["content"][0] == THINKING
    assert json.dumps(api.asked).count(MAIL) == 1


def test_the_example_denied(site: ToolSite, api: Api) -> None:
    """The tool does not run, and the model hears so, with the reviewer's reason."""
    shown = example("anthropic_example")
    api.answers = [answer(use("7", "toolu_1")), answer(text("I see."))]
    with site.reviewer({"users/7": "deny"}):
        assert shown.main("Delete the user 7.") == "I see."
    assert shown.DELETED == []
    told = api.heard()["toolu_1"]
    assert told["is_error"]
    assert "NOT run" in told["content"]
    assert "as agreed" in told["content"]


class Users:
    """Users, and tools that delete them."""

    def __init__(self, gate: Gate, **options: Any) -> None:
        self.deleted: list[str] = []
        self.tools = GatedTools(gate, {"delete_user": self.delete}, rules=RULES, **options)

    def delete(self, user_id: str) -> dict[str, str]:
        self.deleted.append(user_id)
        return {"deleted": user_id}

    def results(self, *blocks: Any) -> list[dict[str, Any]]:
        return self.tools.results(SimpleNamespace(content=[SimpleNamespace(**block) for block in blocks]))


@pytest.fixture
def gate(site: ToolSite) -> Iterator[Gate]:
    with Gate() as one:
        yield one


def test_each_call_gets_its_own_decision(site: ToolSite, gate: Gate) -> None:
    """Results come in the order of the calls, whichever was decided first."""
    users = Users(gate)
    with site.reviewer({"users/1": "approve", "users/2": "deny", "users/3": "approve"}):
        told = users.results(text("Well."), use("1", "a"), use("2", "b"), use("3", "c"))
    assert users.deleted == ["1", "3"]
    assert [(one["tool_use_id"], one["is_error"]) for one in told] == [("a", False), ("b", True), ("c", False)]
    assert told[0]["content"] == '{"deleted": "1"}'


def test_changed_after_approval_it_is_refused(site: ToolSite, gate: Gate) -> None:
    """Something in the program changes the input while people decide: the approval is not for that."""
    users, block = Users(gate), SimpleNamespace(**use("7", "a"))
    waiting = Aside(lambda: users.tools.results(SimpleNamespace(content=[block])))
    request_id = site.until_waiting("users/7")["users/7"]
    block.input["user_id"] = "8"
    site.vote(request_id)
    [told] = waiting.result()
    assert users.deleted == []
    assert told["is_error"]
    assert "NOT run" in told["content"]


def test_a_call_runs_once(site: ToolSite, gate: Gate) -> None:
    """The same answer handled twice, by a program that was started again say: the second time it is not run."""
    users = Users(gate, run_id="ticket-17")
    with site.reviewer({"users/7": "approve"}):
        first, second = users.results(use("7", "a")), users.results(use("7", "a"))
    assert users.deleted == ["7"]
    assert (first[0]["is_error"], second[0]["is_error"]) == (False, True)


def test_free_tools_unknown_tools_and_tools_that_fail(gate: Gate) -> None:
    """The first need not ask; of the others the model hears."""

    def broken() -> None:
        raise RuntimeError("no disk")

    tools = GatedTools(gate, {"look": lambda: "here", "broken": broken}, free=["look", "broken"])
    blocks = [
        SimpleNamespace(type="tool_use", id=name, name=name, input={}) for name in ("look", "broken", "delete_user")
    ]
    told = {one["tool_use_id"]: one for one in tools.results(SimpleNamespace(content=blocks))}
    assert told["look"]["content"] == "here"
    assert told["broken"]["content"] == "RuntimeError: no disk"
    assert told["delete_user"]["content"] == "There is no tool 'delete_user'."


def test_waiting_comes_to_an_end(site: ToolSite, gate: Gate) -> None:
    """The model hears that nobody has decided, and the request is taken back."""
    users = Users(gate, wait=0.2)
    [told] = users.results(use("7", "a"))
    assert "NOT run" in told["content"]
    assert users.deleted == []
    assert site.waiting() == {}


def test_without_the_service_nothing_runs() -> None:
    """The program hears so, clearly."""
    with Gate("http://127.0.0.1:9", "token", timeout=0.1) as gate:
        users = Users(gate)
        with pytest.raises(Unavailable):
            users.results(use("7", "a"))
    assert users.deleted == []


def test_requests_that_are_awaited_are_redacted_too(api: Api) -> None:
    """By the client for `AsyncAnthropic`."""
    api.answers = [answer(text("ok"))]

    async def work() -> None:
        async with AsyncAnthropic(http_client=redacting_async_client(sanitizer())) as client:
            await client.messages.create(
                model="claude-sonnet-5-5",
                max_tokens=8,
                system=f"You help {MAIL}.",
                messages=[{"role": "user", "content": [{"type": "text", "text": f"I am {MAIL}"}]}],
            )

    asyncio.run(work())
    assert api.asked[0]["system"] == "You help [EMAIL_ADDRESS]."
    assert api.asked[0]["messages"][0]["content"] == [text("I am [EMAIL_ADDRESS]")]


def test_what_cannot_be_read_is_not_sent(api: Api) -> None:
    """A body over the policy's budget, and an upload that is not JSON: nothing leaves."""
    deep: Any = MAIL
    for _ in range(300):
        deep = [deep]
    with Anthropic(http_client=redacting_client(sanitizer()), max_retries=0) as client:
        with pytest.raises((Unreadable, APIConnectionError)) as caught:  # the SDK may wrap what a transport raises
            client.messages.create(
                model="claude-sonnet-5-5", max_tokens=8, messages=[{"role": "user", "content": "hi"}], tools=deep
            )
        assert isinstance(caught.value, Unreadable) or isinstance(caught.value.__cause__, Unreadable)
        with pytest.raises((ValueError, APIConnectionError)):
            client.beta.files.upload(file=("a.txt", MAIL.encode(), "text/plain"))
    assert api.asked == []


def test_only_the_models_own_signed_blocks_stay() -> None:
    """A block that calls itself signed in a prompt, a tool's input or a result is redacted as anything else."""
    body = {
        "messages": [
            {"role": "user", "content": [THINKING, {"type": "signed block", "number": 0}]},
            {"role": "assistant", "content": [{"type": "tool_use", "input": {"x": THINKING}}, THINKING]},
        ]
    }
    clean = clean_request(sanitizer(), body)
    assert clean["messages"][0]["content"][0]["thinking"] == "[EMAIL_ADDRESS] asked."
    assert clean["messages"][0]["content"][1] == {"type": "signed block", "number": 0}
    assert clean["messages"][1]["content"][0]["input"]["x"]["thinking"] == "[EMAIL_ADDRESS] asked."
    assert clean["messages"][1]["content"][1] == THINKING
