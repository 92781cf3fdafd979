"""OpenAI's Agents SDK at the gate: its own runner and tools, the model's answers scripted by its own test model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, FunctionTool, RunConfig, Runner, RunState, function_tool, set_tracing_disabled
from agents.run_config import CallModelData, ModelInputData
from agents.testing import ScriptedModel, assistant_message, function_call
from sluicegate_client import AsyncGate, Unavailable
from sluicegate_client.openai_agents import gated, redacting, run
from sluicegate_client.tools import ToolRule, call_key
from tool_site import ToolSite, example, sanitizer

MAIL = "jane.doe@example.com"
RULE = ToolRule(action="user.delete", resource=lambda user_id: f"users/{user_id}")


@pytest.fixture(autouse=True)
def no_traces() -> None:
    """The SDK would send its traces to its maker."""
    set_tracing_disabled(True)


def call(user_id: str, call_id: str) -> Any:
    return function_call("delete_user", {"user_id": user_id}, call_id=call_id)


def heard(model: ScriptedModel) -> dict[str, str]:
    """What the model was told of its calls, by their ids, when it was asked last."""
    assert model.last_call is not None
    items = [item for item in model.last_call.input if item.get("type") == "function_call_output"]
    return {item["call_id"]: item["output"] for item in items}


class Users:
    """Users, and an agent that deletes them."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

        @function_tool
        def delete_user(user_id: str) -> str:
            """Deletes a user."""
            self.deleted.append(user_id)
            return f"{user_id}, {MAIL}, is deleted"

        self.tool: FunctionTool = delete_user

    def agent(self, model: ScriptedModel, gate: AsyncGate) -> Agent[Any]:
        return Agent(name="Support", model=model, tools=[gated(self.tool, gate, RULE)])


def test_the_example_approved(site: ToolSite) -> None:
    """The tool runs with what was approved; the model never reads the address, and hears the tool's answer."""
    shown, model = example("openai_agents_example"), ScriptedModel([[call("7", "c1")], [assistant_message("Done.")]])
    with site.reviewer({"users/7": "approve"}):
        assert asyncio.run(shown.main(f"Delete the user 7, as {MAIL} asked.", model)) == "Done."
    assert shown.DELETED == ["7"]
    assert heard(model) == {"c1": "user 7 is deleted"}
    assert MAIL not in repr(model.calls)
    assert "as [EMAIL_ADDRESS] asked" in repr(model.calls[0].input)


def test_the_example_denied(site: ToolSite) -> None:
    """The tool does not run, and the model hears so, with the reviewer's reason."""
    shown, model = example("openai_agents_example"), ScriptedModel([[call("7", "c1")], [assistant_message("I see.")]])
    with site.reviewer({"users/7": "deny"}):
        assert asyncio.run(shown.main("Delete the user 7.", model)) == "I see."
    assert shown.DELETED == []
    assert "NOT run" in heard(model)["c1"]
    assert "as agreed" in heard(model)["c1"]


def test_each_call_gets_its_own_decision(site: ToolSite) -> None:
    """Of three calls at once two are approved, and the one between them is denied."""
    users = Users()
    model = ScriptedModel([[call("1", "a"), call("2", "b"), call("3", "c")], [assistant_message("Done.")]])

    async def work() -> None:
        async with AsyncGate() as gate:
            await run(users.agent(model, gate), "Delete 1, 2 and 3.", gate)

    with site.reviewer({"users/1": "approve", "users/2": "deny", "users/3": "approve"}):
        asyncio.run(work())
    assert sorted(users.deleted) == ["1", "3"]
    assert "NOT run" in heard(model)["b"]
    assert "NOT run" not in heard(model)["a"] + heard(model)["c"]


async def stored(agent: Agent[Any]) -> RunState[Any, Any]:
    """The state of a run that waits for approval, stored and read again."""
    result = await Runner.run(agent, "Delete 7.")
    assert len(result.interruptions) == 1
    return await RunState.from_string(agent, result.to_state().to_string())


def test_other_arguments_than_were_approved_are_refused(site: ToolSite) -> None:
    """The same call of the same run was approved with others: no approval is for these, and nobody is asked again."""
    users, model = Users(), ScriptedModel([[call("8", "c1")], [assistant_message("I see.")]])

    async def work() -> None:
        async with AsyncGate() as gate:
            pending = await gate.submit(
                "user.delete", "users/7", {"user_id": "7"}, idempotency_key=call_key("run-1", "c1")
            )
            with site.reviewer({"users/7": "approve", "users/8": "approve"}):
                await pending.approval()
                await run(users.agent(model, gate), "Delete.", gate, run_id="run-1")

    asyncio.run(work())
    assert users.deleted == []
    assert "NOT run" in heard(model)["c1"]


def test_a_stored_run_goes_on_with_its_request(site: ToolSite) -> None:
    """After a restart, under the same name, the request that was made before is found, and not made again."""
    users, model = Users(), ScriptedModel([[call("7", "c1")], [assistant_message("Done.")]])

    async def work() -> None:
        async with AsyncGate() as gate:
            agent = users.agent(model, gate)
            state = await stored(agent)
            await gate.submit("user.delete", "users/7", {"user_id": "7"}, idempotency_key=call_key("run-2", "c1"))
            site.vote(site.until_waiting("users/7")["users/7"])
            await run(agent, state, gate, run_id="run-2")

    asyncio.run(work())
    assert users.deleted == ["7"]


def test_an_approval_by_hand_does_not_make_it_run(site: ToolSite) -> None:
    """What the state says was approved counts for nothing: the tool asks, and is denied."""
    users, model = Users(), ScriptedModel([[call("7", "c1")], [assistant_message("I see.")]])

    async def work() -> None:
        async with AsyncGate() as gate:
            agent = users.agent(model, gate)
            state = await stored(agent)
            state.approve(state.get_interruptions()[0], always_approve=True)
            await Runner.run(agent, state)

    with site.reviewer({"users/7": "deny"}):
        asyncio.run(work())
    assert users.deleted == []
    assert "NOT run" in heard(model)["c1"]


def test_other_tools_that_need_approval(site: ToolSite) -> None:
    """They are asked for too, as the policy knows them by name, and approved for one run."""
    ran, model = (
        [],
        ScriptedModel([[function_call("Bash", {"command": "ls"}, call_id="c1")], [assistant_message("ok")]]),
    )

    @function_tool(name_override="Bash", needs_approval=True)
    def bash(command: str) -> str:
        """Runs a command."""
        ran.append(command)
        return "a b"

    async def work() -> None:
        async with AsyncGate() as gate:
            await run(Agent(name="Ops", model=model, tools=[bash]), "List.", gate)

    with site.reviewer({"tool/Bash": "approve"}):
        asyncio.run(work())
    assert ran == ["ls"]


def test_arguments_that_are_no_object(site: ToolSite) -> None:
    """Nobody can approve them; the model hears so."""
    users, model = (
        Users(),
        ScriptedModel([[function_call("delete_user", "[7", call_id="c1")], [assistant_message("I see.")]]),
    )

    async def work() -> None:
        async with AsyncGate() as gate:
            await run(users.agent(model, gate), "Delete 7.", gate)

    asyncio.run(work())
    assert users.deleted == []
    assert "NOT run" in heard(model)["c1"]
    assert site.waiting() == {}


def test_without_the_service_nothing_runs(site: ToolSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with an error that says so."""
    users, model = Users(), ScriptedModel([[call("7", "c1")], [assistant_message("I see.")]])
    monkeypatch.setenv("SLUICEGATE_URL", "http://127.0.0.1:9")

    async def work() -> None:
        async with AsyncGate(timeout=0.1) as gate:
            await run(users.agent(model, gate), "Delete 7.", gate)

    with pytest.raises(Unavailable):
        asyncio.run(work())
    assert users.deleted == []


def test_waiting_comes_to_an_end(site: ToolSite) -> None:
    """With a limit the model hears that nobody has decided, and the request is taken back: no late approval runs it."""
    users, model = Users(), ScriptedModel([[call("7", "c1")], [assistant_message("Later then.")]])

    async def work() -> None:
        async with AsyncGate() as gate:
            await run(users.agent(model, gate), "Delete 7.", gate, wait=0.3)

    asyncio.run(work())
    assert users.deleted == []
    assert "NOT run" in heard(model)["c1"]
    assert site.waiting() == {}


def test_a_filter_of_ones_own_comes_first() -> None:
    """What it adds is redacted too; sealed reasoning goes back as it came; traces hold no inputs."""
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": f"sealed {MAIL}"}

    async def add(data: CallModelData[Any]) -> ModelInputData:
        return ModelInputData([*data.model_data.input, {"role": "user", "content": f"cc {MAIL}"}], f"For {MAIL}.")

    config = redacting(sanitizer(), RunConfig(call_model_input_filter=add))
    given = ModelInputData([sealed, {"role": "user", "content": "hello"}], None)  # type: ignore[list-item]
    clean: Any = config.call_model_input_filter
    out = asyncio.run(clean(CallModelData(given, Agent(name="a"), None)))
    assert out.input == [
        sealed,
        {"role": "user", "content": "hello"},
        {"role": "user", "content": "cc [EMAIL_ADDRESS]"},
    ]
    assert out.instructions == "For [EMAIL_ADDRESS]."
    assert config.trace_include_sensitive_data is False
