"""OpenAI's Agents SDK: tools that wait for approval, and model inputs without sensitive values.

    agent = Agent(name="ops", tools=[gated(delete_user, gate)])
    result = await run(agent, "Delete user 7", gate)

and, with ``sluicegate`` installed beside this client::

    result = await run(agent, "Delete user 7", gate, run_config=redacting(Sanitizer()))

A run stops at a gated call as at any tool that needs approval (``result.interruptions``), is settled with the gate,
and goes on. Needs the package ``openai-agents``.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import json
import uuid
from contextvars import ContextVar
from typing import Any

from agents import Agent, FunctionTool, RunConfig, Runner, RunResult, RunState, TResponseInputItem
from agents.items import ToolApprovalItem
from agents.run_config import CallModelData, ModelInputData
from agents.tool_context import ToolContext

from sluicegate_client.aio import Asking, AsyncGate, AsyncPending
from sluicegate_client.errors import ClarificationAsked, NotApproved, Refused, TokenRejected, Undecided
from sluicegate_client.gate import new_key
from sluicegate_client.tools import Redacts, ToolCall, ToolRule, ToolRules, call_key, refusal

_RULE = "_sluicegate_rule"
_run_id: ContextVar[str | None] = ContextVar("sluicegate_run", default=None)

_STOPS = (NotApproved, Refused, TokenRejected, Undecided, ClarificationAsked)
"""What the model hears of; whatever else goes wrong ends the run, and nothing has run either."""


def gated(tool: FunctionTool, gate: AsyncGate, rule: ToolRule | None = None) -> FunctionTool:
    """``tool``, whose calls need approval, and that runs only with an approval for exactly its arguments.

    It asks the gate by itself: approving a call in the state of a run without the gate does not make it run.
    """
    inner = tool.on_invoke_tool

    async def invoke(context: ToolContext[Any], arguments: str) -> Any:
        try:
            call = _call(tool.name, arguments, rule)
            pending = await _submitted(gate, call, context.tool_call_id)
            await gate.redeem(**call.redeemed(await pending.approval()))
        except _STOPS as error:
            return refusal(error)
        return await inner(context, arguments)

    asking = copy.copy(tool)
    asking.on_invoke_tool, asking.needs_approval = invoke, True
    setattr(asking, _RULE, rule)
    return asking


async def run(
    agent: Agent[Any],
    given: str | list[TResponseInputItem] | RunState[Any],
    gate: AsyncGate,
    *,
    run_id: str | None = None,
    wait: float | None = None,
    on_question: Asking | None = None,
    **options: Any,
) -> RunResult:
    """`Runner.run` with the same ``options``, waiting at the gate whenever the run is interrupted for approval.

    ``run_id`` names the run: with the same one a program that was started again, with the state it had stored, finds
    the requests it had made. ``wait`` is for how many seconds people are waited for (None: the request's own
    deadline), and ``on_question`` answers what they ask. Tools that need approval and are not `gated` are rejected.
    """
    reset = _run_id.set(run_id or uuid.uuid4().hex)
    try:
        if isinstance(given, RunState):
            await _settle(given, gate, wait=wait, on_question=on_question)
        result = await Runner.run(agent, given, **options)
        while result.interruptions:
            state = result.to_state()
            await _settle(state, gate, wait=wait, on_question=on_question)
            result = await Runner.run(agent, state, **options)
        return result
    finally:
        _run_id.reset(reset)


async def _settle(
    state: RunState[Any], gate: AsyncGate, *, wait: float | None = None, on_question: Asking | None = None
) -> None:
    """Asks the gate about all calls that ``state`` waits for, and approves or rejects each, as `run` does.

    The model hears why a call was rejected. Approval of a tool that is not `gated` is used up here. Raises
    Unavailable, and has approved nothing then.
    """
    items = state.get_interruptions()
    told = await asyncio.gather(*(_settled(gate, item, wait, on_question) for item in items))
    for item, refused in zip(items, told, strict=True):
        if refused is None:
            state.approve(item)
        else:
            state.reject(item, rejection_message=refused)


async def _settled(
    gate: AsyncGate, item: ToolApprovalItem, wait: float | None, on_question: Asking | None
) -> str | None:
    """None if it was approved; or else what the model is told."""
    rules = [getattr(tool, _RULE) for tool in item.agent.tools if tool.name == item.name and hasattr(tool, _RULE)]
    pending: AsyncPending | None = None
    try:
        call = _call(item.name or "", item.arguments or "", rules[0] if rules else None)
        pending = await _submitted(gate, call, item.call_id)
        approval = await pending.approval(wait, on_question)
        if not rules:  # or else the tool does it when it runs
            await gate.redeem(**call.redeemed(approval))
    except _STOPS as error:
        if isinstance(error, Undecided | ClarificationAsked) and pending is not None:
            await pending.withdraw("the agent has stopped waiting")
        return refusal(error)
    return None


async def _submitted(gate: AsyncGate, call: ToolCall, call_id: str | None) -> AsyncPending:
    run_id = _run_id.get()
    key = new_key() if run_id is None or call_id is None else call_key(run_id, call_id)
    return await gate.submit(**call.asked, idempotency_key=key)


def _call(name: str, arguments: str, rule: ToolRule | None) -> ToolCall:
    """Raises Refused for arguments that are no object of JSON: nothing can be approved then."""
    try:
        parsed = json.loads(arguments or "{}")
    except ValueError:
        parsed = None
    call = ToolRules({} if rule is None else {name: rule}).call(name, parsed) if isinstance(parsed, dict) else None
    if call is None:
        raise Refused("the arguments of the call are no JSON object", code="arguments", status=400)
    return call


def redacting(sanitizer: Redacts, config: RunConfig | None = None) -> RunConfig:
    """``config`` with whose runs each input of the model is redacted, the results of tools included.

    The SDK's own traces then hold no inputs and outputs. A filter that ``config`` has already comes first.
    """
    config = config or RunConfig()
    before = config.call_model_input_filter

    async def clean(data: CallModelData[Any]) -> ModelInputData:
        given = data.model_data
        if before is not None:
            filtered = before(data)
            given = await filtered if inspect.isawaitable(filtered) else filtered
        items = [item for item in given.input if not _is_sealed(item)]
        cleaned = iter(sanitizer.clean_json(items))
        instructions = None if given.instructions is None else sanitizer.clean(given.instructions)
        return ModelInputData([item if _is_sealed(item) else next(cleaned) for item in given.input], instructions)

    return dataclasses.replace(config, call_model_input_filter=clean, trace_include_sensitive_data=False)


def _is_sealed(item: Any) -> bool:
    """Whether the model wrote and sealed it: it is taken back as it came, or not at all."""
    return isinstance(item, dict) and item.get("type") in ("reasoning", "compaction")
