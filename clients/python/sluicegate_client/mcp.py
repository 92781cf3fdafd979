"""A proxy in front of any MCP server that talks over stdin and stdout: its tools run only if each call was approved.

    python -m sluicegate_client.mcp --name files -- npx @modelcontextprotocol/server-filesystem /data

All messages go through as they are, both ways, whatever the version of the protocol. Only a ``tools/call`` is held
until the gate has answered: approved, exactly those arguments are sent on; or else the client gets an error result that
says so, and the server hears nothing. Address and credential come from ``SLUICEGATE_URL`` and
``SLUICEGATE_TOKEN_FILE``.
Needs the package ``mcp``.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from sluicegate_client.aio import AsyncGate, AsyncPending
from sluicegate_client.errors import ClarificationAsked, GateError, Misconfigured, Refused, Undecided
from sluicegate_client.tools import Redacts, ToolCall, ToolRules, refusal

Streams = tuple[Any, Any]
"""What the SDK's transports give: a stream to read session messages from, and one to write them to."""

_ANSWERS = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
"""Requests of the client whose results a model reads."""
_ASKS = frozenset({"sampling/createMessage", "elicitation/create"})
"""Requests of the server that a model or a person reads."""
_LINES = 16  # of stdin that may wait to be read
_PLAIN = frozenset({"name", "arguments", "_meta", "task"})


class Proxy:
    """Between one client and one server. ``sanitizer`` redacts what the server says, if it is given.

    ``wait`` is for how many seconds people are waited for; None: until the request's own deadline.
    """

    def __init__(
        self, gate: AsyncGate, rules: ToolRules, *, wait: float | None = None, sanitizer: Redacts | None = None
    ) -> None:
        self._gate, self._rules, self._wait, self._sanitizer = gate, rules, wait, sanitizer
        self._held: dict[types.RequestId, anyio.CancelScope] = {}  # calls that wait
        self._read: set[types.RequestId] = set()  # requests whose results are to be redacted

    async def run(self, client: Streams, server: Streams) -> None:
        """Relays messages until one of the two ends."""
        (from_client, self._client), (from_server, self._server) = client, server
        async with anyio.create_task_group() as group:

            async def outwards() -> None:
                async for message in from_client:
                    if isinstance(message, SessionMessage):  # or else an error: what came was no message
                        await self._from_client(message, group)
                group.cancel_scope.cancel()

            async def inwards() -> None:
                async for message in from_server:
                    if isinstance(message, SessionMessage):
                        await self._from_server(message.message)
                group.cancel_scope.cancel()

            group.start_soon(outwards)
            group.start_soon(inwards)

    async def _from_client(self, message: SessionMessage, group: TaskGroup) -> None:
        match message.message:
            case types.JSONRPCRequest(method="tools/call") as request if request.id in self._held:
                await self._tell(_wrong(request.id, "a request with this id is waiting"))
                return
            case types.JSONRPCRequest(method="tools/call") as request:
                self._held[request.id] = anyio.CancelScope()
                group.start_soon(self._hold, request)
                return
            case types.JSONRPCNotification(method="notifications/cancelled", params={"requestId": given}):
                if (waits := self._held.get(given)) is not None:
                    waits.cancel()
                    return  # the server has not heard of the call
            case types.JSONRPCRequest(method=method, id=request_id) if method in _ANSWERS:
                self._read.add(request_id)
        await self._server.send(message)

    async def _hold(self, request: types.JSONRPCRequest) -> None:
        """Sends a call on once it is approved."""
        pending: AsyncPending | None = None
        with self._held[request.id] as scope:
            try:
                if (call := self._call(request.params or {})) is not None:
                    pending = await self._gate.submit(**call.asked)
                    approval = await pending.approval(self._wait)
                    await self._gate.redeem(**call.redeemed(approval))
                self._read.add(request.id)
                await self._server.send(SessionMessage(request))
            except GateError as error:
                if isinstance(error, Undecided | ClarificationAsked) and pending is not None:
                    await _withdrawn(pending)
                await self._tell(_failed(request.id, refusal(error)))
        del self._held[request.id]
        if scope.cancelled_caught and pending is not None:
            await _withdrawn(pending)

    def _call(self, params: Mapping[str, Any]) -> ToolCall | None:
        """What the gate is asked about a call: its arguments, and whatever else could change what runs.

        Raises Refused for what is no call of a tool.
        """
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str) or not isinstance(arguments, dict | None):
            raise Refused("that is no call of a tool", code="arguments", status=400)
        more = {f"mcp:{key}": value for key, value in params.items() if key not in _PLAIN}
        return self._rules.call(name, {**(arguments or {}), **more})

    async def _from_server(self, message: types.JSONRPCMessage) -> None:
        match message:
            case types.JSONRPCResponse(id=request_id) | types.JSONRPCError(id=request_id) if request_id in self._read:
                self._read.discard(request_id)
                clean = self._clean(message)
                await self._tell(clean or _wrong(request_id, "the answer could not be read, and is withheld"))
            case types.JSONRPCRequest(method=method, id=request_id) if method in _ASKS:
                if (clean := self._clean(message)) is None:
                    await self._server.send(SessionMessage(_wrong(request_id, "the request could not be read")))
                else:
                    await self._tell(clean)
            case types.JSONRPCNotification():
                if (clean := self._clean(message)) is not None:
                    await self._tell(clean)
            case _:
                await self._tell(message)

    def _clean(self, message: types.JSONRPCMessage) -> types.JSONRPCMessage | None:
        """``message`` redacted; None if it cannot be read, and must not pass."""
        if self._sanitizer is None:
            return message
        try:
            raw = message.model_dump(mode="json", by_alias=True, exclude_unset=True)
            fixed = {name: raw[name] for name in ("jsonrpc", "id", "method") if name in raw}
            return type(message).model_validate(self._sanitizer.clean_json(raw) | fixed)
        except Exception:  # whatever fails, it must not pass unread
            return None

    async def _tell(self, message: types.JSONRPCMessage) -> None:
        await self._client.send(SessionMessage(message))


def _failed(request_id: types.RequestId, text: str) -> types.JSONRPCResponse:
    """The result of a call that did not run, for the model to read."""
    result = types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
    said = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return types.JSONRPCResponse(jsonrpc="2.0", id=request_id, result=said)


def _wrong(request_id: types.RequestId | None, text: str) -> types.JSONRPCError:
    error = types.ErrorData(code=types.INVALID_REQUEST, message=text)
    return types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error)


async def _withdrawn(pending: AsyncPending) -> None:
    """Takes a request back that nobody waits for any more, if the service is there to hear it."""
    with anyio.CancelScope(shield=True):
        try:
            await pending.withdraw("the agent has stopped waiting")
        except GateError:
            return


async def serve(
    command: Sequence[str],
    *,
    name: str,
    free: Collection[str] = (),
    wait: float | None = None,
    sanitizer: Redacts | None = None,
) -> None:
    """Runs ``command``, an MCP server, behind this process's stdin and stdout, until either ends.

    A tool's action is its name, and its resource ``mcp/NAME/TOOL``. The server gets this process's environment but
    for what is Sluicegate's. Raises Misconfigured, and OSError if the command cannot be run.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SLUICEGATE_")}
    started = StdioServerParameters(command=command[0], args=list(command[1:]), env=environment)
    async with AsyncGate() as gate:
        proxy = Proxy(gate, ToolRules(free=free, place=f"mcp/{name}"), wait=wait, sanitizer=sanitizer)
        lines = _Lines()
        async with stdio_server(stdin=cast(Any, lines)) as client:
            try:
                async with stdio_client(started) as server:
                    await proxy.run(client, server)
            finally:
                lines.end()
                await client[1].aclose()


class _Lines:
    """The lines of stdin, whose end need not be waited for: when the server has died, the client must see it.

    They are read by a thread that nobody waits for, without the lock of `sys.stdin`, on which an exit would hang.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(_LINES)
        self._ended = asyncio.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(0, 1 << 16):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                self._put(line.decode("utf-8", "replace"))
        self._put(None)

    def _put(self, line: str | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody reads on
            asyncio.run_coroutine_threadsafe(self._lines.put(line), self._loop).result()

    def end(self) -> None:
        """No line more is read."""
        self._ended.set()

    def __aiter__(self) -> _Lines:
        return self

    async def __anext__(self) -> str:
        line, ended = asyncio.ensure_future(self._lines.get()), asyncio.ensure_future(self._ended.wait())
        await asyncio.wait({line, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not line.done():
            line.cancel()
            raise StopAsyncIteration
        if (text := line.result()) is None:
            raise StopAsyncIteration
        return text


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 when the client or the server has ended, 2 for what must be changed first."""
    parser = argparse.ArgumentParser(
        prog="python -m sluicegate_client.mcp",
        description="Puts the tools of an MCP server behind Sluicegate's gate.",
        epilog="example: python -m sluicegate_client.mcp --name files --free 'read_*' -- my-mcp-server --root /data",
    )
    parser.add_argument("--name", default="server", help="what reviewers and the policy call the server")
    parser.add_argument("--free", action="append", default=[], metavar="GLOB", help="tools that need not ask")
    parser.add_argument("--wait", type=float, metavar="SECONDS", help="for how long people are waited for")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the MCP server, which speaks over stdio")
    asked = parser.parse_args(arguments)
    return run(asked.command, name=asked.name, free=asked.free, wait=asked.wait)


def run(command: Sequence[str], **options: Any) -> int:
    """`serve` as a program: what goes wrong is one line on stderr, and the exit code."""
    logging.getLogger("mcp").disabled = True  # what it cannot parse it would write out
    try:
        anyio.run(lambda: serve(command, **options))
    except BaseExceptionGroup as errors:
        known, others = errors.split((Misconfigured, OSError))
        if known is None or others is not None:
            raise
        return _wanting(known, command)
    except (Misconfigured, OSError) as error:
        return _wanting(error, command)
    return 0


def _wanting(error: BaseException, command: Sequence[str]) -> int:
    """Says what must be changed."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = str(error) if isinstance(error, Misconfigured) else f"{command[0]} cannot be run: {type(error).__name__}"
    print(f"sluicegate: {said}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
