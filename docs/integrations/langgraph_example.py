"""A graph of LangGraph whose tool deletes users: it is suspended until a person has decided on each call.

It needs SLUICEGATE_URL and SLUICEGATE_TOKEN (or SLUICEGATE_TOKEN_FILE), and a chat model.
"""

from typing import Any

from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from sluicegate_client import Gate
from sluicegate_client.langgraph import each_call, redacting, run, tool_node
from sluicegate_client.tools import ToolRule

from sluicegate import Sanitizer

DELETED: list[str] = []


@tool
def delete_user(user_id: str) -> str:
    """Deletes a user and all that belongs to them."""
    DELETED.append(user_id)
    return f"user {user_id} is deleted"


def build(model: Runnable[Any, Any], gate: Gate) -> Any:
    """The graph. ``model`` is a chat model that knows the tool: ``ChatModel(...).bind_tools([delete_user])``."""
    rules = {"delete_user": ToolRule(action="user.delete", resource=lambda user_id: f"users/{user_id}")}
    clean = redacting(Sanitizer()) | model

    def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [clean.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("agent", agent)
    graph.add_node("tools", tool_node([delete_user], gate, rules=rules))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", each_call)
    graph.add_edge("tools", "agent")
    return graph.compile(checkpointer=InMemorySaver())


def main(task: str, model: Runnable[Any, Any]) -> str:
    """What the agent says in the end."""
    with Gate() as gate:
        config: Any = {"configurable": {"thread_id": "ticket-17"}}
        state = run(build(model, gate), {"messages": [("user", task)]}, config, gate)
        return str(state["messages"][-1].content)
