"""`sluicegate approvals serve`: the reviewer service."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.commands.approvals_gate import gate_of
from sluicegate.commands.database_option import database_option

if TYPE_CHECKING:
    from engine.config import Config


@click.command()
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False, path_type=Path), help="sluicegate.yaml.")
@click.option("--people", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Who may be asked.")
@click.option(
    "--identity",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The OpenID provider at which people sign in: identity.yaml.",
)
@click.option(
    "--channels",
    "channels_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The chats and webhooks that are told of requests: channels.yaml.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Without --identity: of this machine only.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--published-on-loopback",
    is_flag=True,
    help="In a container whose port is published on 127.0.0.1 and nowhere else: listen on all its addresses.",
)
@database_option("Requests, votes and events")
@click.option(
    "--gate-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What signs approvals at the gate (Ed25519, PEM); instances share it.  [default: gate.key in state_dir; "
    "SLUICEGATE_GATE_KEY holds the key itself]",
)
@click.option(
    "--secret-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What signs sessions; instances on one PostgreSQL share it.  [default: beside the database, or in state_dir]",
)
def serve(
    config: Path,
    people: Path,
    identity: Path | None,
    channels_file: Path | None,
    host: str,
    port: int,
    *,
    published_on_loopback: bool,
    database: Path | str | None,
    secret_file: Path | None,
    gate_key_file: Path | None,
) -> None:
    """Serve the reviewer's page and API, and carry verdicts to the log.

    SIGTERM and SIGINT stop it; what was decided and not yet published is published at the next start. Several
    instances may share a database: all take votes, one at a time carries the log, another takes over when it ends.

    \b
    Examples:
      sluicegate approvals serve -c sluicegate.yaml --people people.yaml
      sluicegate approvals serve -c sluicegate.yaml --people people.yaml --identity identity.yaml --host 0.0.0.0
    """
    from approvals.channels.settings import load_channels
    from approvals.identity.settings import load_identity
    from approvals.server import Settings, build
    from approvals.server import serve as run
    from engine.config import load_config
    from engine.connect import connect
    from engine.policy.load import load_policy
    from engine.sanitizer import cleaner_of

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    loaded = load_config(config)
    policy = load_policy(loaded.policy)
    cleaner = cleaner_of(policy)
    settings = Settings(
        people=people,
        database=database or loaded.state_dir / "approvals.db",
        topics=decisions_of(loaded),
        format=loaded.file.decisions_format,
        host=host,
        port=port,
        published_on_loopback=published_on_loopback,
        identity=load_identity(identity) if identity is not None else None,
        channels=load_channels(channels_file) if channels_file is not None else None,
        secret_file=secret_file or (loaded.state_dir / "approvals.secret" if isinstance(database, str) else None),
        gate=gate_of(loaded, policy, cleaner, gate_key_file),
    )
    with connect(loaded) as broker:
        server = build(settings, broker, scrub=cleaner.scrub)
        run(server, ready=lambda url: click.echo(f"Decide at {url} (Ctrl-C stops)", err=True))


def decisions_of(config: Config) -> dict[str, str]:
    """The topic of verdicts for each topic of requests."""
    found: dict[str, str] = {}
    for index, topics in enumerate(config.file.topics):
        decisions = found.setdefault(topics.approvals, topics.decisions)
        if decisions != topics.decisions:
            message = f"the verdicts of '{topics.approvals}' already go to '{decisions}'"
            raise config.source.error(message, ("topics", index, "decisions"))
    return found
