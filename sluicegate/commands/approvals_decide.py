"""What reviewers do from a terminal: list and show requests, vote, ask, answer, take back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import click

from sluicegate.commands.approvals_client import Client, Usage, asks, client_of
from sluicegate.commands.approvals_words import description_of, line_of, printable, standing_of


@click.command(name="list")
@click.option("--state", type=click.Choice(["waiting", "decided", "all"]), default="waiting", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@asks
def list_(state: str, *, as_json: bool, url: str, token_file: Path | None) -> None:
    """List requests, the most urgent first; decided ones, the latest first.

    Each line says how long it still waits, and whether you can decide on it ('show' says why not).

    \b
    Examples:
      sluicegate approvals list
      sluicegate approvals list --state all --json | jq .request_id
    """
    answer = client_of(url, token_file).get("/requests", state=state)
    found = answer["requests"]
    for request in found:
        click.echo(json.dumps(request) if as_json else line_of(request))
    if answer["truncated"]:
        click.echo(f"sluicegate: these are the first {len(found)}; there are more", err=True)
    if not found and not as_json:
        click.echo("nothing waits for a decision" if state == "waiting" else "no requests", err=True)


@click.command()
@click.argument("request_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@asks
def show(request_id: str, *, as_json: bool, url: str, token_file: Path | None) -> None:
    """Show one request. ID may be the beginning of an id, if no other id begins like it.

    \b
    Example:
      sluicegate approvals show 7f3a
    """
    request = client_of(url, token_file).get(f"/requests/{quote(request_id, safe='')}")
    click.echo(json.dumps(request) if as_json else "\n".join(description_of(request)))


@click.command()
@click.argument("request_id", metavar="ID")
@click.option("--reason", default="", help="Why. Needed where the risk is high or critical.")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@click.option("--break-glass", is_flag=True, help="Approve alone, in an emergency: flagged, and reviewed afterwards.")
@asks
def approve(
    request_id: str, reason: str, seen: int | None, *, break_glass: bool, url: str, token_file: Path | None
) -> None:
    """Approve a request. Exit code 1 if you may not, with the reason.

    \b
    Examples:
      sluicegate approvals approve 7f3a --reason "expected, covered by CHG-1042"
      sluicegate approvals approve 7f3a --break-glass --reason "INC-77, nobody else is awake"
    """
    _vote(client_of(url, token_file), request_id, "approve", reason, seen, break_glass=break_glass)


@click.command()
@click.argument("request_id", metavar="ID")
@click.argument("question")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@asks
def clarify(request_id: str, question: str, seen: int | None, url: str, token_file: Path | None) -> None:
    """Ask those who are behind a request. Until they answer it can only be denied; then everybody votes anew.

    \b
    Example:
      sluicegate approvals clarify 7f3a "which customers, and who reads the report?"
    """
    _say(client_of(url, token_file), request_id, "questions", {"question": question}, seen)


@click.command()
@click.argument("request_id", metavar="ID")
@click.argument("text")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@asks
def answer(request_id: str, text: str, seen: int | None, url: str, token_file: Path | None) -> None:
    """Answer what was asked, if you take part in the action: a new version, and the votes so far are void.

    \b
    Example:
      sluicegate approvals answer 7f3a "those of 2019, for the audit"
    """
    _say(client_of(url, token_file), request_id, "answers", {"answer": text}, seen)


@click.command()
@click.argument("request_id", metavar="ID")
@click.option("--reason", default="", help="Why.")
@asks
def withdraw(request_id: str, reason: str, url: str, token_file: Path | None) -> None:
    """Take a request back, if you take part in the action. It is never released then.

    \b
    Example:
      sluicegate approvals withdraw 7f3a --reason "no longer needed"
    """
    client = client_of(url, token_file)
    after = client.post(f"/requests/{quote(request_id, safe='')}/withdrawal", {"reason": reason})
    click.echo(f"{after['request_id'][:12]}  {standing_of(after)}")


@click.command()
@click.argument("request_id", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@asks
def deny(request_id: str, reason: str, seen: int | None, url: str, token_file: Path | None) -> None:
    """Deny a request: one denial is enough. Exit code 1 if you may not, with the reason.

    \b
    Example:
      sluicegate approvals deny 7f3a --reason "this agent has no business in payments"
    """
    _vote(client_of(url, token_file), request_id, "deny", reason, seen)


@click.command(name="who-can")
@click.argument("request_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@asks
def who_can(request_id: str, *, as_json: bool, url: str, token_file: Path | None) -> None:
    """Say who can decide on a request, and why not the others.

    \b
    Example:
      sluicegate approvals who-can 7f3a
    """
    answer = client_of(url, token_file).get(f"/requests/{quote(request_id, safe='')}/who-can")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for standing in answer["people"]:
        can = "can   " if standing["can"] else "cannot"
        click.echo(f"{can}  {standing['id']:<16} {printable(standing['why'])}")
    able = sum(standing["can"] for standing in answer["people"])
    if able < answer["quorum"]:
        click.echo(f"it needs {answer['quorum']}, so it will expire", err=True)


def _vote(
    client: Client, request_id: str, decision: str, reason: str, seen: int | None, *, break_glass: bool = False
) -> None:
    body: dict[str, object] = {"decision": decision, "reason": reason}
    _say(client, request_id, "votes", {**body, "break_glass": True} if break_glass else body, seen)


def _say(client: Client, request_id: str, what: str, body: Mapping[str, object], seen: int | None) -> None:
    """Posts ``body`` for the version that was seen, which has to be said once there are several."""
    request = client.get(f"/requests/{quote(request_id, safe='')}")
    version = request["version"]
    if seen is None and version > 1:
        raise Usage(
            f"this request has changed and is now version {version}: look at it with 'show', "
            f"then say --version {version}"
        )
    said = {**body, "version": version if seen is None else seen}
    after = client.post(f"/requests/{request['request_id']}/{what}", said)
    click.echo(f"{after['request_id'][:12]}  {standing_of(after)}")
