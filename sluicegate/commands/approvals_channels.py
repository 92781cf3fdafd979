"""`sluicegate approvals channels`: how chats and webhooks fare, and what did not reach them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detectors.errors import ConfigError
from sluicegate.commands.database_option import database_option

if TYPE_CHECKING:
    from approvals.channels.deliveries import Deliveries, Delivery


def _on_database(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say which database."""
    config = click.option(
        "-c", "--config", required=True, type=click.Path(dir_okay=False, path_type=Path), help="sluicegate.yaml."
    )
    return config(database_option("As for 'serve'")(command))


@contextmanager
def _opened(config: Path, database: Path | str | None) -> Iterator[Deliveries]:
    from approvals.store import Store
    from engine.config import load_config

    path = database or load_config(config).state_dir / "approvals.db"
    if isinstance(path, Path) and not path.exists():
        raise ConfigError("there is no such database: 'sluicegate approvals serve' makes it", file=path)
    store = Store(path, decisions={})
    try:
        yield store.deliveries
    finally:
        store.close()


@click.group()
def channels() -> None:
    """Chats and webhooks: check the file, see how they fare, have what did not arrive sent again.

    \b
    Examples:
      sluicegate approvals channels check channels.yaml
      sluicegate approvals channels dead-letters list -c sluicegate.yaml
    """


@channels.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-p", "--policy", type=click.Path(dir_okay=False, path_type=Path), help="Whose channels must all be in FILE."
)
def check(file: Path, policy: Path | None) -> None:
    """Say which requests go where by FILE, secrets and all, and what is wrong with it. Nothing is sent.

    \b
    Example:
      sluicegate approvals channels check channels.yaml
      sluicegate approvals channels check channels.yaml --policy policy.yaml
    """
    from approvals.channels.settings import load_channels
    from engine.policy import load_policy

    found = load_channels(file).channels
    if policy is not None:
        named = load_policy(policy).channels
        if unknown := sorted(named - {channel.name for channel in found}):
            raise ConfigError(f"has no channel '{unknown[0]}', which {policy} names", file=file, key="channels")
    for channel in found:
        route = channel.route
        parts = {
            "risk": sorted(route.risks),
            "environment": route.environments,
            "rule": route.rules,
            "kind": sorted(route.kinds),
            "event": sorted(channel.events),
        }
        narrowed = "; ".join(f"{name} {' or '.join(values)}" for name, values in parts.items() if values)
        click.echo(f"{channel.name}: {channel.kind}, {narrowed or 'everything'}")


@channels.command()
@_on_database
def status(config: Path, database: Path | str | None) -> None:
    """Say how each channel fares. Exit code 1 if something is wrong with one.

    \b
    Example:
      sluicegate approvals channels status -c sluicegate.yaml
    """
    with _opened(config, database) as deliveries:
        states, counts = deliveries.states(), deliveries.counts()
    for name in sorted({*states, *(channel for channel, _ in counts)}):
        waiting, dead = counts.get((name, "waiting"), 0), counts.get((name, "dead"), 0)
        known = states.get(name)
        problem = f"  {known.problem}, since {_time(known.since)}" if known is not None and known.problem else "  fine"
        click.echo(f"{name}  {waiting} waiting, {dead} dead{problem}")
    if any(state.problem for state in states.values()) or any(state == "dead" for _, state in counts):
        raise SystemExit(1)


@channels.group(name="dead-letters")
def dead_letters() -> None:
    """What was tried until there was no more hope, and waits for somebody to look at it.

    \b
    Example:
      sluicegate approvals channels dead-letters replay -c sluicegate.yaml --all
    """


@dead_letters.command(name="list")
@click.option("--channel", help="Of this channel only.")
@_on_database
def list_(config: Path, database: Path | str | None, channel: str | None) -> None:
    """List dead letters, the oldest first: id, channel, event, request, attempts, why.

    \b
    Example:
      sluicegate approvals channels dead-letters list -c sluicegate.yaml --channel siem
    """
    with _opened(config, database) as deliveries:
        for one in _of(deliveries, channel):
            what = one.event or "message"
            click.echo(
                f"{one.id}  {one.channel}  {what}  {one.request_id}  {_time(one.created)}  "
                f"{one.attempts} attempts  {one.problem}"
            )


@dead_letters.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them, or all of --channel.")
@click.option("--channel", help="With --all: of this channel only.")
@_on_database
def replay(
    config: Path, database: Path | str | None, ids: tuple[str, ...], channel: str | None, *, everything: bool
) -> None:
    """Have dead letters sent again, by a service that runs. Webhooks keep their id, so nothing counts twice.

    \b
    Example:
      sluicegate approvals channels dead-letters replay -c sluicegate.yaml msg_2f6c
    """
    if everything == bool(ids) or (channel is not None and not everything):
        raise click.UsageError("name ids, or --all, which --channel may narrow")
    with _opened(config, database) as deliveries:
        known = [one.id for one in _of(deliveries, channel)]
        wanted = known if everything else [_exact(given, known) for given in ids]
        again = deliveries.replay(wanted, at=time.time_ns() // 1_000_000)
    click.echo(f"{len(again)} will be sent again")


def _of(deliveries: Deliveries, channel: str | None) -> list[Delivery]:
    if channel is not None and channel not in deliveries.states():
        raise click.UsageError(f"there is no channel '{channel}'; 'channels status' lists them")
    return [one for one in deliveries.dead(limit=10_000) if channel in (None, one.channel)]


def _exact(given: str, known: list[str]) -> str:
    found = [one for one in known if one.startswith(given)]
    if len(found) != 1:
        raise click.UsageError(f"'{given}' is {'several' if found else 'no'} dead letter{'s' if found else ''}")
    return found[0]


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
