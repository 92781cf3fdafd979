"""`sluicegate approvals delegate`: somebody else decides in your place until a day that you name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from sluicegate.commands.approvals_client import Usage, asks, client_of
from sluicegate.commands.approvals_words import printable, time_of


@click.group()
def delegate() -> None:
    """While you are away: lend your right to decide, see what is lent, take it back.

    \b
    Example:
      sluicegate approvals delegate to linus --until 2026-12-24
    """


@delegate.command()
@click.argument("person", metavar="PERSON")
@click.option("--until", required=True, help="A date (its end, in UTC), or a time with its zone; within a year.")
@click.option("--group", "groups", multiple=True, help="Only the right of this group; may be repeated.  [default: all]")
@asks
def to(person: str, until: str, groups: tuple[str, ...], url: str, token_file: Path | None) -> None:
    """Have PERSON (an id, or ISSUER:SUBJECT) decide in your place. Their votes say so, and use up your right.

    What you could not decide on, they cannot either.

    \b
    Examples:
      sluicegate approvals delegate to linus --until 2026-12-24
      sluicegate approvals delegate to okta:00u1 --until 2026-12-24T18:00:00Z --group local:approvers
    """
    from approvals.people import end_of

    try:
        ends = end_of(until)
    except ValueError as error:
        raise Usage(f"--until {error}") from None
    made = client_of(url, token_file).post("/delegations", {"to": person, "until": ends, "groups": list(groups)})
    click.echo(_line(made))


@delegate.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@asks
def list_(*, as_json: bool, url: str, token_file: Path | None) -> None:
    """List what is lent now, beside what people.yaml says; what ends first stands first.

    \b
    Example:
      sluicegate approvals delegate list
    """
    found = client_of(url, token_file).get("/delegations")["delegations"]
    for one in found:
        click.echo(json.dumps(one) if as_json else _line(one))
    if not found and not as_json:
        click.echo("nobody has lent anything", err=True)


@delegate.command()
@click.argument("delegation_id", metavar="ID")
@asks
def revoke(delegation_id: str, url: str, token_file: Path | None) -> None:
    """End a delegation before its time: yours, or one to you. Votes by it on what is open no longer count.

    \b
    Example:
      sluicegate approvals delegate revoke dlg_1f3a5b7c9d
    """
    client_of(url, token_file).delete(f"/delegations/{quote(delegation_id, safe='')}")
    click.echo(f"{printable(delegation_id)} is revoked")


def _line(one: Mapping[str, Any]) -> str:
    part = f", for {', '.join(one['groups'])}" if one["groups"] else ""
    return printable(f"{one['id']}  {one['lender']} to {one['taker']} until {time_of(one['until'])}{part}")
