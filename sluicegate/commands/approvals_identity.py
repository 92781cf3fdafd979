"""`sluicegate approvals people` and `tokens`: who may come in, for whoever runs the service."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detectors.errors import ConfigError
from sluicegate.commands.approvals_gate import authority_of, authority_options
from sluicegate.commands.database_option import database_option

if TYPE_CHECKING:
    from approvals.identity.store import IdentityStore
    from approvals.store import Store

SCOPES = ("read", "vote", "answer", "people", "gate", "redeem")


def _on_database(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say which database."""
    config = click.option(
        "-c", "--config", required=True, type=click.Path(dir_okay=False, path_type=Path), help="sluicegate.yaml."
    )
    return config(database_option("As for 'serve'")(command))


@contextmanager
def _opened(config: Path, database: Path | str | None) -> Iterator[IdentityStore]:
    with _opened_whole(config, database) as store:
        yield store.identities


@contextmanager
def _opened_whole(config: Path, database: Path | str | None) -> Iterator[Store]:
    from approvals.store import Store
    from engine.config import load_config

    path = database or load_config(config).state_dir / "approvals.db"
    if isinstance(path, Path) and not path.exists():
        raise ConfigError("there is no such database: 'sluicegate approvals serve' makes it", file=path)
    store = Store(path, decisions={})
    try:
        yield store
    finally:
        store.close()


def _now() -> int:
    return time.time_ns() // 1_000_000


@click.group()
def people() -> None:
    """Bar somebody at once, or let them in again.

    \b
    Example:
      sluicegate approvals people bar -c sluicegate.yaml okta:00u1ab2cd
    """


@people.command()
@click.argument("identity", metavar="ISSUER:SUBJECT")
@_on_database
def bar(identity: str, config: Path, database: Path | str | None) -> None:
    """End somebody's sessions, and count none of their votes on what is open. They cannot sign in again.

    Somebody in people.yaml is named by 'local:ID' or any identity they have there.

    \b
    Example:
      sluicegate approvals people bar -c sluicegate.yaml okta:00u1ab2cd
    """
    from approvals.person import Identity

    issuer, colon, subject = identity.partition(":")
    if not colon or not issuer or not subject:
        raise click.UsageError("an identity is written ISSUER:SUBJECT, for example okta:00u1ab2cd or local:ada")
    with _opened(config, database) as store:
        ended = store.bar(Identity(issuer, subject), at=_now())
    click.echo(f"{identity} is barred; {ended} session{'' if ended == 1 else 's'} ended")


@people.command()
@click.argument("identity", metavar="ISSUER:SUBJECT")
@_on_database
def unbar(identity: str, config: Path, database: Path | str | None) -> None:
    """Let somebody in again who was barred.

    \b
    Example:
      sluicegate approvals people unbar -c sluicegate.yaml okta:00u1ab2cd
    """
    from approvals.person import Identity

    issuer, _, subject = identity.partition(":")
    with _opened(config, database) as store:
        if not store.unbar(Identity(issuer, subject)):
            raise click.ClickException(f"{identity} was not barred")
    click.echo(f"{identity} may sign in again")


@click.group()
def tokens() -> None:
    """API tokens of machines: make, list, revoke.

    \b
    Example:
      sluicegate approvals tokens create -c sluicegate.yaml inventory --scope read > inventory.token
    """


@tokens.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), default=["read"], show_default=True)
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 366), help="How long it is good.")
@authority_options
@_on_database
def create(
    name: str,
    scopes: tuple[str, ...],
    days: int,
    agent: str | None,
    owner: str | None,
    acts_for: tuple[str, ...],
    audiences: tuple[str, ...],
    config: Path,
    database: Path | str | None,
) -> None:
    """Make a token for a machine. It goes to stdout, and is kept as a hash only.

    With the scope 'gate' an agent asks and waits: --agent says as whom, --owner who answers for it, --acts-for for
    whom it may act (ISSUER:SUBJECT, or ISSUER:* for anybody). None of them can approve what it asks for. With 'redeem'
    an executor uses approvals up, under the names given with --audience, or its own. With 'vote' it may decide where
    the policy names 'machine:NAME' among its people, and then as that.

    \b
    Example:
      sluicegate approvals tokens create -c sluicegate.yaml change-bot --scope read --scope vote > bot.token
      sluicegate approvals tokens create -c sluicegate.yaml etl --scope gate --agent agent:etl-7 > etl.token
      sluicegate approvals tokens create -c sluicegate.yaml warehouse --scope redeem > warehouse.token
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", name):
        raise click.UsageError("a name has up to 60 letters, digits, dots, dashes and underscores")
    authority = authority_of(name, frozenset(scopes), agent, owner, acts_for, audiences)
    now = _now()
    with _opened_whole(config, database) as whole:
        store = whole.identities
        made = store.make_token(name, frozenset(scopes), at=now, expires=now + days * 86_400_000)
        if made is not None and authority is not None:
            whole.grant(authority)
    if made is None:
        raise click.UsageError(f"there is or was a token called '{name}'; names are never used again")
    click.echo(made)
    click.echo(f"machine:{name}, for {', '.join(scopes)}, good until {_day(now + days * 86_400_000)}", err=True)


@tokens.command(name="list")
@_on_database
def list_(config: Path, database: Path | str | None) -> None:
    """List tokens: whose, for what, until when.

    \b
    Example:
      sluicegate approvals tokens list -c sluicegate.yaml
    """
    with _opened(config, database) as store:
        for token in store.tokens():
            end = f"revoked {_day(token.revoked)}" if token.revoked else f"until {_day(token.expires)}"
            click.echo(f"{token.identity}  {' '.join(sorted(token.scopes))}  {end}")


@tokens.command()
@click.argument("name")
@_on_database
def revoke(name: str, config: Path, database: Path | str | None) -> None:
    """Revoke a token; votes that it cast on what is open are no longer counted.

    \b
    Example:
      sluicegate approvals tokens revoke -c sluicegate.yaml inventory
    """
    with _opened(config, database) as store:
        if not store.revoke_token(name, at=_now()):
            raise click.ClickException(f"there is no token called '{name}', or it is revoked already")
    click.echo(f"machine:{name} is revoked")


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")
