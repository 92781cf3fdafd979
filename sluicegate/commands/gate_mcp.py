"""`sluicegate gate mcp`: a proxy that puts the tools of any MCP server behind the gate, and redacts what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--name", default="server", show_default=True, help="What reviewers and the policy call the server.")
@click.option("--free", multiple=True, metavar="GLOB", help="Tools that need not ask; repeatable.")
@click.option("--wait", type=click.FloatRange(0), help="Seconds to wait for people.  [default: until the deadline]")
@click.option("--redact/--no-redact", default=True, show_default=True, help="What the server says, before it is read.")
@click.option("--policy", type=click.Path(dir_okay=False, path_type=Path), help="A policy file to redact by.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def mcp(
    name: str, free: tuple[str, ...], wait: float | None, redact: bool, policy: Path | None, command: tuple[str, ...]
) -> None:
    """Run COMMAND, an MCP server that speaks over stdio, so that each call of its tools waits for approval.

    A tool's action is its name, and its resource mcp/NAME/TOOL. SLUICEGATE_URL and SLUICEGATE_TOKEN_FILE say where
    the gate is and who asks. Exits with 0 when either side has ended, with 2 for what must be changed first.

    \b
    Example, as a client of MCP would start it:
      sluicegate gate mcp --name files --free 'read_*' -- npx @modelcontextprotocol/server-filesystem /data
    """
    try:
        from sluicegate_client.mcp import run
    except ImportError:
        raise click.UsageError("this needs the packages sluicegate-client and mcp: pip install them") from None
    from sluicegate.library import Sanitizer

    sys.exit(run(command, name=name, free=free, wait=wait, sanitizer=Sanitizer(policy) if redact else None))
