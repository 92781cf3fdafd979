"""`sluicegate gate`: asking before something runs, for shell scripts and CI."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sluicegate.commands.gate_mcp import mcp


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def gate() -> None:
    """Ask before it runs: what agents and scripts do at the gate of 'approvals serve'.

    \b
    Example:
      sluicegate gate exec --action db.migrate --resource warehouse/orders -- ./migrate.sh orders
    """


@gate.command(name="exec")
@click.option("--action", required=True, help="What is done, for example db.migrate.")
@click.option("--resource", required=True, help="To what it is done.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter more; repeatable.")
@click.option("--on-behalf-of", multiple=True, metavar="ISSUER:SUBJECT", help="For whom; as far as the token allows.")
@click.option("--environment", help="For example production.")
@click.option("--reason", help="Why, for the reviewer.")
@click.option("--idempotency-key", help="The same key finds the same request again.")
@click.option("--wait", type=click.FloatRange(0), help="Seconds to wait for people.  [default: until its deadline]")
@click.option(
    "--timeout", default=30.0, show_default=True, type=click.FloatRange(0), help="Seconds that the gate may be away."
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file with the agent's token.  [env: SLUICEGATE_TOKEN_FILE; SLUICEGATE_TOKEN holds the token itself]",
)
@click.option("--url", help="Where the gate is.  [env: SLUICEGATE_URL]")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def exec_(
    action: str,
    resource: str,
    params: tuple[str, ...],
    on_behalf_of: tuple[str, ...],
    environment: str | None,
    reason: str | None,
    idempotency_key: str | None,
    wait: float | None,
    timeout: float,
    token_file: Path | None,
    url: str | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND once exactly this is approved: the command line is part of what is approved.

    Exits with the command's own code; 1 if it was denied, expired, or the gate is away; 2 if it cannot be asked for
    like that. While it waits, Ctrl-C takes the request back; afterwards signals reach the command.

    \b
    Examples:
      sluicegate gate exec --action db.migrate --resource warehouse/orders -- ./migrate.sh orders
      sluicegate gate exec --action deploy --resource shop --environment production \\
        --reason CHG-1042 --idempotency-key "$CI_JOB_ID" -- helm upgrade shop ./chart
    """
    try:
        from sluicegate_client.command import Job, UsageError, run
    except ImportError:
        raise click.UsageError("this needs the gate's client: pip install sluicegate-client") from None
    job = Job(action, resource, command, params, on_behalf_of, environment, reason, idempotency_key, wait)
    try:
        sys.exit(run(job, url=url, token_file=token_file, timeout=timeout))
    except UsageError as error:
        raise click.UsageError(str(error)) from None


gate.add_command(mcp)
