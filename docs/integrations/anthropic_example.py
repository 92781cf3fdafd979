"""A loop of Anthropic's Messages API whose tool deletes users: each deletion waits for a person.

It needs SLUICEGATE_URL and SLUICEGATE_TOKEN (or SLUICEGATE_TOKEN_FILE), and ANTHROPIC_API_KEY.
"""

from typing import Any

from anthropic import Anthropic
from sluicegate_client import Gate
from sluicegate_client.anthropic import GatedTools, redacting_client
from sluicegate_client.tools import ToolRule

from sluicegate import Sanitizer

DELETED: list[str] = []

TOOL: Any = {
    "name": "delete_user",
    "description": "Deletes a user and all that belongs to them.",
    "input_schema": {"type": "object", "properties": {"user_id": {"type": "string"}}, "required": ["user_id"]},
}


def delete_user(user_id: str) -> str:
    """Deletes a user."""
    DELETED.append(user_id)
    return f"user {user_id} is deleted"


def main(task: str) -> str:
    """What the model says in the end."""
    messages: list[Any] = [{"role": "user", "content": task}]
    with Gate() as gate, Anthropic(http_client=redacting_client(Sanitizer())) as client:
        rules = {"delete_user": ToolRule(action="user.delete", resource=lambda user_id: f"users/{user_id}")}
        tools = GatedTools(gate, {"delete_user": delete_user}, rules=rules)
        while True:
            answer = client.messages.create(model="claude-sonnet-5-5", max_tokens=1024, tools=[TOOL], messages=messages)
            messages.append({"role": "assistant", "content": answer.content})
            if answer.stop_reason != "tool_use":
                return "".join(block.text for block in answer.content if block.type == "text")
            messages.append({"role": "user", "content": tools.results(answer)})


if __name__ == "__main__":
    print(main("Delete the user 7, as jane.doe@example.com asked."))
