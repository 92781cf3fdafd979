"""An MCP server with two tools, to put behind the gate."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("users")
users = {"7": "jane.doe@example.com", "8": "li.wei@example.com"}


@server.tool()
def delete_user(user_id: str) -> str:
    """Deletes a user and all that belongs to them."""
    return f"user {user_id}, {users.pop(user_id)}, is deleted"


@server.tool()
def list_users() -> list[str]:
    """The ids of all users."""
    return sorted(users)


if __name__ == "__main__":
    server.run("stdio")
