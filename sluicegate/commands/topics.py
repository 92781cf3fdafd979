"""`sluicegate topics`: make the topics of a configuration, and see what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from engine.brokers.base import TopicSpec
    from engine.config import Config

_DAY = 86_400_000  # ms
_CONFIG = click.option(
    "-c", "--config", required=True, type=click.Path(dir_okay=False, path_type=Path), help="sluicegate.yaml."
)


def _users(command: Callable[..., None]) -> Callable[..., None]:
    engine = click.option("--engine-user", default="sluicegate-engine", show_default=True, help="For the ACL hints.")
    reviewer = click.option(
        "--reviewer-user", default="sluicegate-reviewer", show_default=True, help="For the ACL hints."
    )
    return engine(reviewer(command))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def topics() -> None:
    """Create the topics of a configuration, and check those that are there.

    \b
    Examples:
      sluicegate topics create -c sluicegate.yaml --dry-run
      sluicegate topics check -c sluicegate.yaml
    """


@topics.command()
@_CONFIG
@click.option(
    "--partitions", type=click.IntRange(1, 10_000), help="Of an activity topic that is missing.  [default: 6]"
)
@click.option(
    "--replication-factor", type=click.IntRange(1, 100), help="Copies of each partition.  [default: the cluster's]"
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@_users
def create(
    config: Path,
    partitions: int | None,
    replication_factor: int | None,
    *,
    dry_run: bool,
    engine_user: str,
    reviewer_user: str,
) -> None:
    """Create the topics that are missing, and print what engine and reviewer have to be allowed.

    Outputs get as many partitions as their activity topic has. What is there is never changed: what is wrong with
    it is told, each with the command that mends it, and the exit code is 1 then.

    \b
    Examples:
      sluicegate topics create -c sluicegate.yaml --partitions 12 --replication-factor 3
      sluicegate topics create -c sluicegate.yaml --dry-run
    """
    from engine.config import load_config
    from engine.connect import connect
    from engine.policy import load_policy
    from engine.topics import DEFAULT_PARTITIONS, examine

    loaded = load_config(config)
    if replication_factor is not None and not loaded.on_kafka:
        raise click.UsageError("--replication-factor is for Kafka; an embedded log is one file")
    policy = load_policy(loaded.policy)
    configured = loaded.file.create_topics
    width = partitions or (configured.partitions if configured else DEFAULT_PARTITIONS)
    with connect(loaded) as broker:
        found = examine(broker, loaded, policy, partitions=width, copies=replication_factor)
        if not dry_run:
            broker.create_topics(found.missing)
        for spec in found.missing:
            click.echo(f"{'would create' if dry_run else 'created'} {_told(spec)}")
        if not found.missing:
            click.echo("all topics are there")
        after = found if dry_run else examine(broker, loaded, policy)
    if loaded.on_kafka:
        _acls(loaded, engine_user, reviewer_user)
    _tell(loaded, [one.text for one in after.problems], after.hints)


@topics.command()
@_CONFIG
def check(config: Path) -> None:
    """Say everything that is wrong with the topics, each with the command that mends it.

    Exit codes: 0 fine, 1 something is wrong or the broker cannot be reached, 2 bad configuration.

    \b
    Example:
      sluicegate topics check -c sluicegate.yaml
    """
    from engine.config import load_config
    from engine.connect import connect
    from engine.policy import load_policy
    from engine.topics import absent, examine

    loaded = load_config(config)
    policy = load_policy(loaded.policy)
    with connect(loaded) as broker:
        found = examine(broker, loaded, policy)
    _tell(loaded, [one.text for one in (*absent(loaded, found.missing), *found.problems)], found.hints)
    click.echo("the topics are fine")


def _tell(config: Config, problems: list[str], hints: Sequence[str]) -> None:
    """Prints what is worth knowing, and what is wrong; the latter ends the command with 1."""
    for hint in hints:
        click.echo(f"hint: {hint}", err=True)
    for problem in problems:
        click.echo(f"{config.source.name}: {problem}", err=True)
    if problems:
        sys.exit(1)


def _told(spec: TopicSpec) -> str:
    keep = "for ever" if spec.retention_ms is None else f"for {spec.retention_ms / _DAY:g} days"
    copies = "" if spec.copies is None else f", {spec.copies} copies"
    return f"{spec.name}: {spec.partitions} partitions{copies}, records kept {keep}"


def _acls(config: Config, engine_user: str, reviewer_user: str) -> None:
    """What to type on a cluster with access control."""
    from approvals.service import PUBLISHER
    from engine.brokers.kafka_acls import commands, engine_grants, reviewer_grants
    from engine.brokers.kafka_reader import READERS

    sets = config.file.topics
    activity, outputs = [one.activity for one in sets], [name for one in sets for name in one.outputs()]
    engine = engine_grants(config.file.group, activity, outputs, creates=bool(config.file.create_topics))
    read = [name for one in sets for name in (one.approvals, one.decisions)]
    written = [name for one in sets for name in (one.approvals, one.decisions, one.sanitized)]
    reviewer = reviewer_grants(PUBLISHER, READERS, read, written)
    servers = config.servers
    click.echo("\nWhere the cluster has access control, the engine needs:")
    for line in commands(engine_user, engine, servers=servers):
        click.echo(f"  {line}")
    click.echo("and the reviewer:")
    for line in commands(reviewer_user, reviewer, servers=servers):
        click.echo(f"  {line}")
