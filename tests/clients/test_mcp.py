"""The proxy for MCP: the official client on one side, an official server on the other, messages as they are between."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.message import SessionMessage
from sluicegate_client import AsyncGate
from sluicegate_client.mcp import Proxy
from sluicegate_client.tools import ToolRules
from tool_site import EXAMPLES, ToolSite, sanitizer

MAIL = "jane.doe@example.com"
PROXY = ["-m", "sluicegate_client.mcp"]
SERVER = [sys.executable, str(EXAMPLES / "users_server.py")]


def client(*options: str, through: Sequence[str] = PROXY) -> Client:
    """A client of the example's server behind the proxy."""
    given = [*through, "--name", "users", *options, "--", *SERVER]
    return Client(StdioServerParameters(command=sys.executable, args=given, env=dict(os.environ)))


def said(result: Any) -> str:
    return "".join(block.text for block in result.content)


def test_the_example_approved_and_denied(site: ToolSite) -> None:
    """Tools are listed as they are, free ones run at once, an approved call runs, a denied one does not."""
    entry = json.loads((EXAMPLES / "mcp_example.json").read_text())["mcpServers"]["users"]
    assert entry["args"][: entry["args"].index("--")] == [*PROXY, "--name", "users", "--free", "list_*"]

    async def work() -> None:
        async with client("--free", "list_*") as one:
            tools = (await one.list_tools()).tools
            assert [tool.name for tool in tools] == ["delete_user", "list_users"]
            assert tools[0].description == "Deletes a user and all that belongs to them."
            with site.reviewer({"mcp/users/delete_user": "deny"}):
                denied = await one.call_tool("delete_user", {"user_id": "7"})
            assert denied.is_error
            assert "NOT run" in said(denied)
            assert "as agreed" in said(denied)
            assert said(await one.call_tool("list_users")) == "78"
            with site.reviewer({"mcp/users/delete_user": "approve"}):
                approved = await one.call_tool("delete_user", {"user_id": "8"})
            assert not approved.is_error
            assert said(approved) == "user 8, li.wei@example.com, is deleted"
            assert said(await one.call_tool("list_users")) == "7"

    asyncio.run(work())


def test_by_the_command_line(site: ToolSite) -> None:
    """`sluicegate gate mcp` does the same, and redacts what the tool answers."""

    async def work() -> None:
        async with client("--free", "list_*", through=["-m", "sluicegate", "gate", "mcp"]) as one:
            with site.reviewer({"mcp/users/delete_user": "approve"}):
                approved = await one.call_tool("delete_user", {"user_id": "7"})
            assert said(approved) == "user 7, [EMAIL_ADDRESS], is deleted"
            assert said(await one.call_tool("list_users")) == "8"

    asyncio.run(work())


def test_what_must_be_changed_first(site: ToolSite) -> None:
    """No address, or a command that is not there: one line, exit code 2."""
    for environment, command, told in (
        ({"SLUICEGATE_URL": ""}, SERVER, "SLUICEGATE_URL"),
        ({}, ["/nowhere"], "/nowhere"),
    ):
        done = subprocess.run(
            [sys.executable, *PROXY, "--", *command],
            input=b"",
            capture_output=True,
            check=False,
            timeout=60,
            env=os.environ | environment,
        )
        assert done.returncode == 2
        assert told in done.stderr.decode()
        assert len(done.stderr.splitlines()) == 1


def test_the_server_does_not_get_the_credential(site: ToolSite, tmp_path: Path) -> None:
    """It has the environment of the proxy, but for what is Sluicegate's. When it ends, the proxy does."""
    out = tmp_path / "environment"
    code = f"import os; open({str(out)!r}, 'w').write(' '.join(os.environ))"
    command = [sys.executable, *PROXY, "--", sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | {"MINE": "1"}) as proxy:
        assert proxy.wait(30) == 0, "its stdin is still open"
    names = out.read_text().split()
    assert "MINE" in names
    assert not [name for name in names if name.startswith("SLUICEGATE")]


class Wire:
    """A proxy between streams in memory: what a client and a server send, and what reaches them."""

    def __init__(self, gate: AsyncGate, **options: Any) -> None:
        self.to_proxy, from_client = anyio.create_memory_object_stream[Any](10)
        to_client, self.client = anyio.create_memory_object_stream[Any](10)
        self.answer, from_server = anyio.create_memory_object_stream[Any](10)
        to_server, self.server = anyio.create_memory_object_stream[Any](10)
        rules = ToolRules(free=["look"], place="mcp/users")
        self.proxy = Proxy(gate, rules, **options)
        self.ends = (from_client, to_client), (from_server, to_server)
        self.streams = [
            self.to_proxy,
            self.client,
            self.answer,
            self.server,
            from_client,
            to_client,
            from_server,
            to_server,
        ]

    async def send(self, **message: Any) -> None:
        """From the client."""
        await self.to_proxy.send(
            SessionMessage(types.jsonrpc_message_adapter.validate_python({"jsonrpc": "2.0"} | message))
        )

    async def say(self, **message: Any) -> None:
        """From the server."""
        await self.answer.send(
            SessionMessage(types.jsonrpc_message_adapter.validate_python({"jsonrpc": "2.0"} | message))
        )

    async def told(self) -> dict[str, Any]:
        """What reaches the client next."""
        return _plain(await self.client.receive())

    async def asked(self) -> dict[str, Any]:
        """What reaches the server next."""
        return _plain(await self.server.receive())


def _plain(message: SessionMessage) -> dict[str, Any]:
    plain: dict[str, Any] = message.message.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return plain


@asynccontextmanager
async def wire(timeout: float = 30, **options: Any) -> AsyncIterator[Wire]:
    async with AsyncGate(timeout=timeout) as gate, anyio.create_task_group() as group:
        one = Wire(gate, **options)
        group.start_soon(one.proxy.run, *one.ends)
        with anyio.fail_after(20):
            yield one
        group.cancel_scope.cancel()
        for stream in one.streams:
            stream.close()


DELETE = {"name": "delete_user", "arguments": {"user_id": "7"}}


def test_exactly_what_was_approved_is_sent_on(site: ToolSite) -> None:
    """With what belongs to the protocol; other calls go by while it waits."""

    async def work() -> None:
        async with wire() as one:
            params = DELETE | {"_meta": {"progressToken": 3}}
            await one.send(id=1, method="tools/call", params=params)
            await one.send(id=2, method="tools/call", params={"name": "look"})
            assert (await one.asked())["id"] == 2
            waits = await asyncio.to_thread(site.until_waiting, "mcp/users/delete_user")
            assert one.server.statistics().current_buffer_used == 0
            await asyncio.to_thread(site.vote, waits["mcp/users/delete_user"])
            assert await one.asked() == {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}

    asyncio.run(work())


@pytest.mark.parametrize("environment", [{"SLUICEGATE_TOKEN": "wrong"}, {"SLUICEGATE_URL": "http://127.0.0.1:9"}])
def test_without_the_service_nothing_runs(
    site: ToolSite, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """The model hears that the gate did not approve it; free tools go on."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    async def work() -> None:
        async with wire(timeout=0.1) as one:
            await one.send(id=1, method="tools/call", params=DELETE)
            assert "NOT run" in (await one.told())["result"]["content"][0]["text"]
            await one.send(id=2, method="tools/call", params={"name": "look"})
            assert (await one.asked())["id"] == 2

    asyncio.run(work())


def test_a_call_that_was_cancelled_never_runs(site: ToolSite) -> None:
    """The request is taken back, and the server hears of neither."""

    async def work() -> None:
        async with wire() as one:
            await one.send(id=1, method="tools/call", params=DELETE)
            await asyncio.to_thread(site.until_waiting, "mcp/users/delete_user")
            await one.send(method="notifications/cancelled", params={"requestId": 1})
            await asyncio.to_thread(site.until, lambda: not site.waiting())
            await one.send(id=2, method="ping")
            assert (await one.asked())["method"] == "ping"

    asyncio.run(work())


def test_what_else_could_change_a_call_is_reviewed_too(site: ToolSite) -> None:
    """Answers that a client gives to a server's questions about a call are a part of it."""

    async def work() -> None:
        async with wire() as one:
            await one.send(id=1, method="tools/call", params=DELETE | {"inputResponses": {"sure": "yes, both"}})
            waits = await asyncio.to_thread(site.until_waiting, "mcp/users/delete_user")
            request = site.request(waits["mcp/users/delete_user"])
            assert json.loads(request.params) == {"user_id": "7", "mcp:inputResponses": {"sure": "yes, both"}}
            await asyncio.to_thread(site.vote, request.request_id, "deny")
            assert (await one.told())["result"]["isError"]

    asyncio.run(work())


@pytest.mark.parametrize(
    "params", [None, {}, {"name": 7}, {"name": "delete_user", "arguments": [7]}, {"name": "look", "arguments": "x"}]
)
def test_what_is_no_call_is_not_sent_on(site: ToolSite, params: Any) -> None:
    """Nobody can approve it, and no server guesses at it."""

    async def work() -> None:
        async with wire() as one:
            await one.send(id=1, method="tools/call", **({} if params is None else {"params": params}))
            told = await one.told()
            assert told["result"]["isError"]
            assert one.server.statistics().current_buffer_used == 0

    asyncio.run(work())


def test_one_id_is_for_one_call(site: ToolSite) -> None:
    """A second call under the id of one that waits is refused: an answer could be taken for the other's."""

    async def work() -> None:
        async with wire() as one:
            await one.send(id=1, method="tools/call", params=DELETE)
            await asyncio.to_thread(site.until_waiting, "mcp/users/delete_user")
            await one.send(id=1, method="tools/call", params={"name": "look"})
            assert (await one.told())["error"]["message"] == "a request with this id is waiting"
            assert one.server.statistics().current_buffer_used == 0

    asyncio.run(work())


def test_waiting_comes_to_an_end(site: ToolSite) -> None:
    """The model hears that nobody has decided, and the request is taken back."""

    async def work() -> None:
        async with wire(wait=0.2) as one:
            await one.send(id=1, method="tools/call", params=DELETE)
            assert "NOT run" in (await one.told())["result"]["content"][0]["text"]
            await asyncio.to_thread(site.until, lambda: not site.waiting())

    asyncio.run(work())


def test_what_a_server_says_is_redacted(site: ToolSite) -> None:
    """Results of tools, resources and prompts, logs, and what it asks a model; listings and ids stay as they are."""

    async def work() -> None:
        async with wire(sanitizer=sanitizer()) as one:
            for number, method in enumerate(("tools/call", "resources/read", "prompts/get")):
                await one.send(id=number, method=method, params={"name": "look"})
                await one.asked()
                await one.say(id=number, result={"content": [{"type": "text", "text": f"to {MAIL}"}], "n": 1.5})
                assert (await one.told())["result"] == {
                    "content": [{"type": "text", "text": "to [EMAIL_ADDRESS]"}],
                    "n": 1.5,
                }
            await one.say(method="notifications/message", params={"level": "info", "data": {"to": MAIL}})
            assert (await one.told())["params"]["data"] == {"to": "[EMAIL_ADDRESS]"}
            await one.say(id="s1", method="sampling/createMessage", params={"messages": [f"I am {MAIL}"]})
            assert await one.told() == {
                "jsonrpc": "2.0",
                "id": "s1",
                "method": "sampling/createMessage",
                "params": {"messages": ["I am [EMAIL_ADDRESS]"]},
            }
            await one.send(id=9, method="tools/list")
            await one.asked()
            await one.say(id=9, result={"tools": [{"name": "mail", "description": f"like {MAIL}"}]})
            assert MAIL in json.dumps(await one.told())

    asyncio.run(work())


def test_what_cannot_be_read_is_withheld(site: ToolSite) -> None:
    """A result over the policy's budget becomes an error, a question of the server's too, a log line is left out."""
    deep: Any = MAIL
    for _ in range(300):
        deep = [deep]

    async def work() -> None:
        async with wire(sanitizer=sanitizer()) as one:
            await one.send(id=1, method="tools/call", params={"name": "look"})
            await one.asked()
            await one.say(method="notifications/message", params={"data": deep})
            await one.say(id=1, result={"content": deep})
            assert "withheld" in (await one.told())["error"]["message"]
            await one.say(id="s1", method="sampling/createMessage", params={"messages": deep})
            assert "could not be read" in (await one.asked())["error"]["message"]

    asyncio.run(work())
