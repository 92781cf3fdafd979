"""An agent of OpenAI's Agents SDK that deletes users: each deletion waits for a person.

It needs SLUICEGATE_URL and SLUICEGATE_TOKEN (or SLUICEGATE_TOKEN_FILE), and OPENAI_API_KEY.
"""

import asyncio

from agents import Agent, Model, function_tool
from sluicegate_client import AsyncGate
from sluicegate_client.openai_agents import gated, redacting, run
from sluicegate_client.tools import ToolRule

from sluicegate import Sanitizer

DELETED: list[str] = []


@function_tool
def delete_user(user_id: str) -> str:
    """Deletes a user and all that belongs to them."""
    DELETED.append(user_id)
    return f"user {user_id} is deleted"


async def main(task: str, model: str | Model | None = None) -> str:
    """What the agent says in the end."""
    async with AsyncGate() as gate:
        rule = ToolRule(action="user.delete", resource=lambda user_id: f"users/{user_id}")
        agent = Agent(name="Support", model=model, tools=[gated(delete_user, gate, rule)])
        result = await run(agent, task, gate, run_config=redacting(Sanitizer()))
        return str(result.final_output)


if __name__ == "__main__":
    print(asyncio.run(main("Delete the user 7, as jane.doe@example.com asked.")))
