"""LangGraph at the gate: its own graphs, checkpoints and interrupts; the model's answers are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import Field
from sluicegate_client import ClarificationAsked, Gate, Unavailable, Undecided
from sluicegate_client.langgraph import each_call, redacting, run, tool_node
from sluicegate_client.tools import ToolRule
from tool_site import Aside, ToolSite, example, sanitizer

MAIL = "jane.doe@example.com"
RULES = {"delete_user": ToolRule(action="user.delete", resource=lambda user_id: f"users/{user_id}")}


class Recorded(GenericFakeChatModel):
    """A chat model whose answers are given, which remembers what it was asked."""

    asked: list[list[BaseMessage]] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        return super()._generate(messages, *args, **kwargs)


def model(*answers: AIMessage) -> Recorded:
    return Recorded(messages=iter(answers))


def calls(*user_ids: str) -> AIMessage:
    """An answer that deletes these users, by calls named after them."""
    made = [{"name": "delete_user", "args": {"user_id": one}, "id": f"call-{one}"} for one in user_ids]
    return AIMessage("", tool_calls=made, id="asks")


class Users:
    """Users, and graphs that delete them."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.saver = gate, InMemorySaver()
        self.deleted: list[str] = []

    def graph(self, given: Recorded, *, together: bool = False) -> Any:
        """A graph; ``together`` hands all calls of an answer to one node at once."""

        @tool
        def delete_user(user_id: str) -> str:
            """Deletes a user."""
            self.deleted.append(user_id)
            return f"user {user_id}, {MAIL}, is deleted"

        graph = StateGraph(MessagesState)
        graph.add_node("agent", lambda state: {"messages": [given.invoke(state["messages"])]})
        graph.add_node("tools", tool_node([delete_user], self.gate, rules=RULES))
        graph.add_edge(START, "agent")
        to_tools = lambda state: "tools" if state["messages"][-1].tool_calls else "__end__"  # noqa: E731
        graph.add_conditional_edges("agent", to_tools if together else each_call)
        graph.add_edge("tools", "agent")
        return graph.compile(checkpointer=self.saver)


def heard(state: Any) -> dict[str, ToolMessage]:
    """What came of the calls, by their ids."""
    return {one.tool_call_id: one for one in state["messages"] if isinstance(one, ToolMessage)}


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


@pytest.fixture
def users(site: ToolSite) -> Iterator[Users]:
    with Gate() as gate:
        yield Users(gate)


DELETE = {"messages": [HumanMessage("Delete them.")]}


def test_the_example_approved(site: ToolSite) -> None:
    """The tool runs with what was approved; the model never reads the address."""
    shown, given = example("langgraph_example"), model(calls("7"), AIMessage("Done."))
    with site.reviewer({"users/7": "approve"}):
        assert shown.main(f"Delete the user 7, as {MAIL} asked.", given) == "Done."
    assert shown.DELETED == ["7"]
    assert [one.content for one in given.asked[1] if isinstance(one, ToolMessage)] == ["user 7 is deleted"]
    assert MAIL not in repr(given.asked)
    assert "as [EMAIL_ADDRESS] asked" in repr(given.asked[0])


def test_the_example_denied(site: ToolSite) -> None:
    """The tool does not run, and the model hears so, with the reviewer's reason."""
    shown, given = example("langgraph_example"), model(calls("7"), AIMessage("I see."))
    with site.reviewer({"users/7": "deny"}):
        assert shown.main("Delete the user 7.", given) == "I see."
    assert shown.DELETED == []
    [told] = [one for one in given.asked[1] if isinstance(one, ToolMessage)]
    assert "NOT run" in str(told.content)
    assert "as agreed" in str(told.content)
    assert told.status == "error"


@pytest.mark.parametrize("together", [False, True])
def test_each_call_gets_its_own_decision(site: ToolSite, users: Users, *, together: bool) -> None:
    """Of three calls two are approved and one is denied, each runs at most once, whichever way the node is reached."""
    graph = users.graph(model(calls("1", "2", "3"), AIMessage("Done.")), together=together)
    with site.reviewer({"users/1": "approve", "users/2": "deny", "users/3": "approve"}):
        state = run(graph, DELETE, thread("t"), users.gate)
    assert sorted(users.deleted) == ["1", "3"]
    assert {name: one.status for name, one in heard(state).items()} == {
        "call-1": "success",
        "call-2": "error",
        "call-3": "success",
    }


def test_a_call_that_ran_is_not_run_again(site: ToolSite, users: Users) -> None:
    """In one node with another that still waits: when that is decided, the first keeps its result."""
    graph = users.graph(model(calls("1", "2"), AIMessage("Done.")), together=True)
    waiting = Aside(lambda: run(graph, DELETE, thread("t"), users.gate))
    site.vote(site.until_waiting("users/1", "users/2")["users/1"])
    site.until(lambda: users.deleted == ["1"])
    site.vote(site.waiting()["users/2"])
    state = waiting.result()
    assert users.deleted == ["1", "2"]
    assert "is deleted" in heard(state)["call-1"].content


def test_a_resume_of_the_wrong_call_changes_nothing(site: ToolSite, users: Users) -> None:
    """Interrupts resumed with each other's values, and with an approval that somebody made up."""
    graph = users.graph(model(calls("7", "8"), AIMessage("Done.")))
    graph.invoke(DELETE, thread("t"))
    waits = site.until_waiting("users/7", "users/8")
    site.vote(waits["users/7"], "deny")
    site.vote(waits["users/8"], "approve")
    one, other = graph.get_state(thread("t")).interrupts
    swapped = {one.id: other.value, other.id: {**one.value, "approved": True}}
    state = graph.invoke(Command(resume=swapped), thread("t"))
    assert users.deleted == ["8"]
    assert "NOT run" in heard(state)["call-7"].content


def test_resumed_before_the_decision_it_waits_on(site: ToolSite, users: Users) -> None:
    """A resume is no approval: the graph is suspended again."""
    graph = users.graph(model(calls("7"), AIMessage("Done.")))
    graph.invoke(DELETE, thread("t"))
    for _ in range(2):
        graph.invoke(Command(resume="approved"), thread("t"))
        assert len(graph.get_state(thread("t")).interrupts) == 1
    assert users.deleted == []


def test_changed_after_approval_it_is_refused(site: ToolSite, users: Users) -> None:
    """The stored state was changed: the same call, other arguments. No approval is for these."""
    graph = users.graph(model(calls("7"), AIMessage("I see.")))
    graph.invoke(DELETE, thread("t"))
    site.vote(site.until_waiting("users/7")["users/7"])
    changed = calls("7")
    changed.tool_calls[0]["args"] = {"user_id": "8"}
    graph.update_state(thread("t"), {"messages": [changed]}, as_node="agent")
    state = run(graph, None, thread("t"), users.gate)
    assert users.deleted == []
    assert "NOT run" in heard(state)["call-7"].content


def test_a_program_that_was_started_again_goes_on(site: ToolSite, users: Users) -> None:
    """From the checkpoint, with the request that was made before."""
    users.graph(model(calls("7"))).invoke(DELETE, thread("t"))
    site.vote(site.until_waiting("users/7")["users/7"])
    state = run(users.graph(model(AIMessage("Done."))), None, thread("t"), users.gate)
    assert users.deleted == ["7"]
    assert state["messages"][-1].content == "Done."


def test_in_an_event_loop(site: ToolSite, users: Users) -> None:
    """A graph that is awaited is suspended and goes on alike."""
    graph = users.graph(model(calls("7"), AIMessage("Done.")))

    async def work() -> Any:
        await graph.ainvoke(DELETE, thread("t"))
        site.vote(site.until_waiting("users/7")["users/7"])
        return await graph.ainvoke(Command(resume=True), thread("t"))

    assert asyncio.run(work())["messages"][-1].content == "Done."
    assert users.deleted == ["7"]


def test_waiting_comes_to_an_end(site: ToolSite, users: Users) -> None:
    """With a limit; the graph stays suspended, and goes on when it is run again."""
    graph = users.graph(model(calls("7"), AIMessage("Done.")))
    with pytest.raises(Undecided):
        run(graph, DELETE, thread("t"), users.gate, wait=0.2)
    with site.reviewer({"users/7": "approve"}):
        run(graph, None, thread("t"), users.gate)
    assert users.deleted == ["7"]


def test_questions_are_answered(site: ToolSite, users: Users) -> None:
    """By ``on_question``; without it the caller is told what was asked."""
    graph = users.graph(model(calls("7"), AIMessage("Done.")))
    graph.invoke(DELETE, thread("t"))
    request_id = site.until_waiting("users/7")["users/7"]
    site.ask(request_id, "Why?")
    with pytest.raises(ClarificationAsked):
        run(graph, None, thread("t"), users.gate)
    waiting = Aside(lambda: run(graph, None, thread("t"), users.gate, on_question=lambda asked: f"{asked.text} Asked."))
    site.until(lambda: site.request(request_id).version == 2)
    site.vote(request_id, version=2)
    waiting.result()
    assert users.deleted == ["7"]


def test_other_interrupts_are_the_callers(site: ToolSite, users: Users) -> None:
    """What the gate has not asked, it does not answer."""

    def ask(state: MessagesState) -> dict[str, Sequence[BaseMessage]]:
        return {"messages": [HumanMessage(interrupt("how old?"))]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    compiled = graph.compile(checkpointer=InMemorySaver())
    run(compiled, DELETE, thread("t"), users.gate)
    assert [one.value for one in compiled.get_state(thread("t")).interrupts] == ["how old?"]


def test_without_the_service_nothing_runs(users: Users) -> None:
    """The run ends with an error that says so."""
    with Gate("http://127.0.0.1:9", "token", timeout=0.1) as users.gate, pytest.raises(Unavailable):
        run(users.graph(model(calls("7"))), DELETE, thread("t"), users.gate)
    assert users.deleted == []


def test_messages_before_a_model() -> None:
    """Contents, blocks, calls, invalid calls and prompts; ids and everything else stay."""
    given = model(AIMessage("ok"))
    call = {"name": "mail", "args": {"to": [MAIL]}, "id": "call_9", "type": "tool_call"}
    (redacting(sanitizer()) | given).invoke(
        [
            SystemMessage(f"You help {MAIL}."),
            HumanMessage([{"type": "text", "text": f"I am {MAIL}"}], id="h1"),
            AIMessage("", tool_calls=[call], additional_kwargs={"raw": f'{{"to": "{MAIL}"}}'}),
            ToolMessage(f"sent to {MAIL}", tool_call_id="call_9", artifact={"to": MAIL}),
        ]
    )
    assert MAIL not in repr(given.asked)
    system, human, ai, result = given.asked[0]
    assert system.content == "You help [EMAIL_ADDRESS]."
    assert (human.content, human.id) == ([{"type": "text", "text": "I am [EMAIL_ADDRESS]"}], "h1")
    assert isinstance(ai, AIMessage)
    assert ai.tool_calls == [call | {"args": {"to": ["[EMAIL_ADDRESS]"]}}]
    assert isinstance(result, ToolMessage)
    assert (result.tool_call_id, result.artifact) == ("call_9", {"to": "[EMAIL_ADDRESS]"})


def test_prompts_and_texts_before_a_model() -> None:
    """Whatever a chat model takes."""
    given = model(AIMessage("ok"), AIMessage("ok"))
    chain = redacting(sanitizer()) | given
    (ChatPromptTemplate.from_messages([("human", "I am {who}")]) | chain).invoke({"who": MAIL})
    chain.invoke(f"I am {MAIL}")
    assert [asked[0].content for asked in given.asked] == ["I am [EMAIL_ADDRESS]"] * 2
