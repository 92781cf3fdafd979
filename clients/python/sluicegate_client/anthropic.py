"""Anthropic's Messages API: the tool calls of an answer behind the gate, and requests without sensitive values.

    tools = GatedTools(Gate(), {"delete_user": delete_user})
    messages.append({"role": "user", "content": tools.results(answer)})

and, with ``sluicegate`` installed beside this client::

    client = Anthropic(http_client=redacting_client(Sanitizer()))

Needs the package ``anthropic``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

import httpx2
from anthropic import DefaultAsyncHttpxClient, DefaultHttpxClient

from sluicegate_client.errors import ClarificationAsked, NotApproved, Refused, TokenRejected, Undecided
from sluicegate_client.gate import Asking, Gate, Pending
from sluicegate_client.tools import Redacts, ToolCall, ToolRule, ToolRules, call_key, refusal

Function = Callable[..., Any]

_SIGNED = frozenset({"thinking", "redacted_thinking"})
"""Blocks that the model wrote and signed: the API takes them back as they came, or not at all."""
_MARK = "signed block"


class GatedTools:
    """Runs the tool calls of an answer, each only if exactly it was approved.

    ``functions`` are called with the input of the call, by name. Every tool asks, unless it is in ``free``; ``rules``
    say how, by the tool's name. ``run_id`` names this conversation: with the same one a program that was started again
    finds the requests it had made. ``wait`` is for how many seconds people are waited for (None: the request's own
    deadline), and ``on_question`` answers what they ask.
    """

    def __init__(
        self,
        gate: Gate,
        functions: Mapping[str, Function],
        *,
        rules: Mapping[str, ToolRule] | None = None,
        free: Collection[str] = (),
        run_id: str | None = None,
        wait: float | None = None,
        on_question: Asking | None = None,
    ) -> None:
        self._gate, self._functions = gate, dict(functions)
        self._rules = ToolRules(rules, free=free)
        self._run_id = run_id or uuid.uuid4().hex
        self._wait, self._on_question = wait, on_question

    def results(self, answer: Any) -> list[dict[str, Any]]:
        """The ``tool_result`` blocks for all ``tool_use`` blocks of ``answer``, a message of the API, in order.

        All requests are made before the first is waited for, so that reviewers see them together. A call that was not
        approved, or whose tool failed, is an error that the model hears of. Raises Unavailable and Misconfigured:
        nobody could be asked, and nothing ran.
        """
        uses = [block for block in answer.content if block.type == "tool_use"]
        asked = [(use, *self._asked(use)) for use in uses]
        return [self._result(use, call, pending) for use, call, pending in asked]

    def _asked(self, use: Any) -> tuple[ToolCall | None, Pending | Refused | NotApproved | None]:
        call = self._rules.call(use.name, use.input)
        if call is None or use.name not in self._functions:
            return call, None
        try:
            return call, self._gate.submit(**call.asked, idempotency_key=call_key(self._run_id, use.id))
        except (Refused, NotApproved) as error:
            return call, error

    def _result(
        self, use: Any, call: ToolCall | None, pending: Pending | Refused | NotApproved | None
    ) -> dict[str, Any]:
        function = self._functions.get(use.name)
        if function is None:
            return _result(use.id, f"There is no tool '{use.name}'.", is_error=True)
        if call is not None:
            try:
                if not isinstance(pending, Pending):
                    raise pending or AssertionError("a gated call was not asked for")
                approval = pending.approval(self._wait, self._on_question)
                self._gate.redeem(**call.redeemed(approval))
            except (NotApproved, Refused, TokenRejected, Undecided, ClarificationAsked) as error:
                if isinstance(error, Undecided | ClarificationAsked) and isinstance(pending, Pending):
                    pending.withdraw("the agent has stopped waiting")
                return _result(use.id, refusal(error), is_error=True)
        try:
            said = function(**use.input)
        except Exception as error:
            return _result(use.id, f"{type(error).__name__}: {error}", is_error=True)
        return _result(use.id, said if isinstance(said, str) else json.dumps(said, default=str), is_error=False)


def _result(tool_use_id: str, content: str, *, is_error: bool) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": tool_use_id, "content": content, "is_error": is_error}


def redacting_client(sanitizer: Redacts, transport: httpx2.BaseTransport | None = None) -> httpx2.Client:
    """An HTTP client for `Anthropic` whose requests are redacted before they leave: prompts, tool inputs and results.

    What cannot be read raises, and nothing is sent; so do uploads of files, which are not JSON.
    """
    return DefaultHttpxClient(transport=_Redacting(sanitizer, transport or httpx2.HTTPTransport()))


def redacting_async_client(
    sanitizer: Redacts, transport: httpx2.AsyncBaseTransport | None = None
) -> httpx2.AsyncClient:
    """The same for `AsyncAnthropic`."""
    return DefaultAsyncHttpxClient(transport=_AsyncRedacting(sanitizer, transport or httpx2.AsyncHTTPTransport()))


class _Redacting(httpx2.BaseTransport):
    def __init__(self, sanitizer: Redacts, wrapped: httpx2.BaseTransport) -> None:
        self._sanitizer, self._wrapped = sanitizer, wrapped

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._wrapped.handle_request(_redacted(request, request.read(), self._sanitizer))

    def close(self) -> None:
        self._wrapped.close()


class _AsyncRedacting(httpx2.AsyncBaseTransport):
    def __init__(self, sanitizer: Redacts, wrapped: httpx2.AsyncBaseTransport) -> None:
        self._sanitizer, self._wrapped = sanitizer, wrapped

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._wrapped.handle_async_request(_redacted(request, await request.aread(), self._sanitizer))

    async def aclose(self) -> None:
        await self._wrapped.aclose()


def _redacted(request: httpx2.Request, content: bytes, sanitizer: Redacts) -> httpx2.Request:
    if not content:
        return request
    try:
        body = json.loads(content)
    except ValueError:  # the error carries the content
        raise ValueError("what is sent is not JSON, so that it cannot be redacted; nothing was sent") from None
    headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() != "content-length"]
    clean = json.dumps(clean_request(sanitizer, body)).encode()
    return httpx2.Request(request.method, request.url, headers=headers, content=clean, extensions=request.extensions)


def clean_request(sanitizer: Redacts, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request to the API, redacted. Blocks that the model has signed stay as they are."""
    signed: list[Any] = []
    messages = [_marked(message, signed) for message in body.get("messages", ())]
    clean: dict[str, Any] = sanitizer.clean_json({**body, "messages": messages} if signed else dict(body))
    if signed:
        for message in clean["messages"]:
            if message.get("role") == "assistant" and isinstance(message.get("content"), list):
                message["content"] = [signed[b["number"]] if b.get("type") == _MARK else b for b in message["content"]]
    return clean


def _marked(message: Mapping[str, Any], signed: list[Any]) -> Mapping[str, Any]:
    """``message`` with numbered marks where signed blocks stood, which are added to ``signed``."""
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list):
        return message
    blocks: list[Any] = []
    for block in content:
        if block.get("type") in _SIGNED:
            block = {"type": _MARK, "number": len(signed)}
            signed.append(content[len(blocks)])
        blocks.append(block)
    return {**message, "content": blocks}
