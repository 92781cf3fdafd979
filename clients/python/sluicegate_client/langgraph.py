"""LangGraph: a node of tools that suspends the graph until people have decided, and model inputs made clean.

    graph.add_node("tools", tool_node([delete_user], gate))
    graph.add_conditional_edges("agent", each_call)
    result = run(graph.compile(checkpointer=saver), {"messages": [...]}, config, gate)

and, with ``sluicegate`` installed beside this client::

    model = redacting(Sanitizer()) | ChatOpenAI(...).bind_tools(tools)

The graph is interrupted at a call that nobody has decided on yet, and its state is in the checkpointer. What it is
resumed with counts for nothing: each call asks the gate again, under its own key, so no decision reaches another call.
Needs the package ``langgraph``.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.graph import END
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command, Send, interrupt

from sluicegate_client.errors import ClarificationAsked, NotApproved, Refused, TokenRejected, Undecided
from sluicegate_client.gate import Asking, Gate
from sluicegate_client.model import Approval, Question
from sluicegate_client.tools import Redacts, ToolCall, ToolRule, ToolRules, call_key, refusal

Result = ToolMessage | Command[Any]

_WAITS = "sluicegate_request"
_TURN = 1.0  # seconds for which one of several requests is waited for
_KEPT = 1_000
_TEXTS = ("content", "tool_calls", "invalid_tool_calls", "additional_kwargs", "artifact", "name")
"""What of a message a model may read."""


def tool_node(
    tools: Sequence[Any],
    gate: Gate,
    *,
    rules: Mapping[str, ToolRule] | None = None,
    free: Collection[str] = (),
    **options: Any,
) -> ToolNode:
    """A `ToolNode` whose calls run only if exactly they were approved; needs a graph with a checkpointer.

    Every tool asks, unless it is in ``free``; ``rules`` say how, by the tool's name. ``options`` are those of
    `ToolNode`. The node raises Unavailable and Misconfigured: nobody could be asked, and the call did not run.
    """
    gated = _Gated(gate, ToolRules(rules, free=free))
    return ToolNode(tools, wrap_tool_call=gated.call, awrap_tool_call=gated.acall, **options)


def each_call(state: Any) -> list[Send] | str:
    """For `add_conditional_edges`: each call of the last message goes to the node ``tools`` on its own.

    So calls are decided, run and checkpointed one by one: none waits for the others, and none is lost with them.
    """
    message = (state["messages"] if isinstance(state, dict) else state.messages)[-1]
    calls = getattr(message, "tool_calls", None)
    return [
        Send("tools", {"__type": "tool_call_with_context", "tool_call": c, "state": state}) for c in calls or ()
    ] or END


def run(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    given: Any,
    config: RunnableConfig,
    gate: Gate,
    *,
    wait: float | None = None,
    on_question: Asking | None = None,
    **options: Any,
) -> Any:
    """``graph.invoke`` with the same ``options``, waiting at the gate whenever the graph is suspended there.

    With None in place of ``given`` a graph goes on that was suspended before, by a program that has died, say. Gives
    back what other interrupts than the gate's are for its caller to answer. ``wait`` is for how many seconds people
    are waited for at a time (None: the requests' own deadlines), and ``on_question`` answers what they ask.

    Raises Undecided, ClarificationAsked, Unavailable, Refused; the graph stays suspended, and can be run again.
    """
    result = graph.invoke(given, config, **options)
    while waiting := _waiting(graph, config):
        decided = _decided(gate, waiting, wait, on_question)
        result = graph.invoke(Command(resume=decided), config, **options)
    return result


def _waiting(graph: CompiledStateGraph[Any, Any, Any, Any], config: RunnableConfig) -> dict[str, str]:
    """From the graph's interrupts that wait at the gate to their requests; empty if it waits for something else too."""
    found = {one.id: one.value for one in graph.get_state(config).interrupts}
    ours = {key: value[_WAITS] for key, value in found.items() if isinstance(value, dict) and _WAITS in value}
    return ours if len(ours) == len(found) else {}


def _decided(gate: Gate, waiting: Mapping[str, str], wait: float | None, on_question: Asking | None) -> dict[str, str]:
    """Those of ``waiting`` that need not be waited for any more, as soon as there is one."""
    until = None if wait is None else time.monotonic() + wait
    pending = {interrupt_id: gate.resume(request_id) for interrupt_id, request_id in waiting.items()}
    while True:
        decided: dict[str, str] = {}
        for interrupt_id, one in pending.items():
            left = None if until is None else max(0.0, until - time.monotonic())
            turn = left if len(pending) == 1 else min(_TURN, left) if left is not None else _TURN
            try:
                told = one.wait(0 if decided else turn)
            except Undecided:
                continue
            except NotApproved:
                pass  # the call itself asks again, and tells the model
            else:
                if isinstance(told, Question):
                    if on_question is None:
                        raise ClarificationAsked(told)
                    one.answer(on_question(told))
                    continue
            decided[interrupt_id] = waiting[interrupt_id]
        if decided:
            return decided
        if until is not None and time.monotonic() >= until:
            raise Undecided("nobody has decided yet", request_id=next(iter(waiting.values())))


class _Gated:
    """Stands between a node and its tools."""

    def __init__(self, gate: Gate, rules: ToolRules) -> None:
        self._gate, self._rules = gate, rules
        # When one call of a node suspends it, all of them are done anew: those that have run are not run again.
        self._ran: OrderedDict[str, Result] = OrderedDict()

    def call(self, request: ToolCallRequest, execute: Callable[[ToolCallRequest], Result]) -> Result:
        """Runs a call if it is approved."""
        call, key = self._rules.call(request.tool_call["name"], request.tool_call["args"]), _key(request)
        if call is None:
            return execute(request)
        settled = self._settled(request, call, key)
        return self._keep(key, execute(request)) if settled is None else settled

    async def acall(self, request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[Result]]) -> Result:
        """The same, in an event loop."""
        call, key = self._rules.call(request.tool_call["name"], request.tool_call["args"]), _key(request)
        if call is None:
            return await execute(request)
        settled = await asyncio.to_thread(self._settled, request, call, key)
        return self._keep(key, await execute(request)) if settled is None else settled

    def _settled(self, request: ToolCallRequest, call: ToolCall, key: str) -> Result | None:
        """None if the call is to run now; or else what came of it. Suspends the graph while people decide."""
        if key in self._ran:
            return self._ran[key]
        try:
            self._gate.redeem(**call.redeemed(self._approval(call, key)))
        except (NotApproved, Refused, TokenRejected) as error:
            told = request.tool_call
            return ToolMessage(refusal(error), name=told["name"], tool_call_id=told["id"], status="error")
        return None

    def _approval(self, call: ToolCall, key: str) -> Approval:
        while True:
            standing = self._gate.check(**call.asked, idempotency_key=key)
            if isinstance(standing, Approval):
                return standing
            asked = {"question": standing.text} if isinstance(standing, Question) else {}
            interrupt({_WAITS: standing.request_id, "action": call.action, "resource": call.resource, **asked})

    def _keep(self, key: str, result: Result) -> Result:
        self._ran[key] = result
        while len(self._ran) > _KEPT:
            self._ran.popitem(last=False)
        return result


def _key(request: ToolCallRequest) -> str:
    """The key of a call: its thread, and its id there."""
    config: Mapping[str, Any] = request.runtime.config.get("configurable", {})
    return call_key(str(config.get("thread_id", "")), str(request.tool_call["id"]))


def redacting(sanitizer: Redacts) -> Runnable[Any, list[BaseMessage]]:
    """What stands before a chat model, ``redacting(sanitizer) | model``, so that it sees clean messages only.

    Contents, arguments of calls and results of tools are redacted; the graph's own state stays as it is.
    """

    def clean(given: Any) -> list[BaseMessage]:
        messages = given.to_messages() if isinstance(given, PromptValue) else convert_to_messages(_listed(given))
        return [_clean(message, sanitizer) for message in messages]

    return RunnableLambda(clean)


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, str | BaseMessage) else given


def _clean(message: BaseMessage, sanitizer: Redacts) -> BaseMessage:
    held = {name: getattr(message, name) for name in _TEXTS if getattr(message, name, None)}
    return message.model_copy(update=sanitizer.clean_json(held))
