"""The gate's part of `sluicegate approvals`: what a token may do there, and the gate of `serve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from approvals.gate.authority import Authority
    from approvals.person import Identity
    from approvals.server import GateSettings
    from engine.cleaning import Cleaner
    from engine.config import Config
    from engine.policy.compiled import Policy


def authority_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say what a token may do at the gate."""
    for option in reversed(
        (
            click.option("--agent", metavar="ISSUER:SUBJECT", help="With the scope 'gate': who asks with it."),
            click.option("--owner", metavar="ISSUER:SUBJECT", help="Who answers for that agent."),
            click.option(
                "--acts-for", multiple=True, metavar="ISSUER:SUBJECT", help="For whom it may act; repeatable."
            ),
            click.option("--audience", "audiences", multiple=True, metavar="NAME", help="As what it executes."),
        )
    ):
        command = option(command)
    return command


def authority_of(
    name: str,
    scopes: frozenset[str],
    agent: str | None,
    owner: str | None,
    acts_for: tuple[str, ...],
    audiences: tuple[str, ...],
) -> Authority | None:
    """What the token ``name`` may do at the gate; None if that is nothing. Raises UsageError."""
    from approvals.gate.authority import Authority

    if (agent is None) == ("gate" in scopes):
        raise click.UsageError("the scope 'gate' and --agent ISSUER:SUBJECT go together")
    if agent is None and (owner or acts_for):
        raise click.UsageError("--owner and --acts-for are of an --agent")
    if audiences and "redeem" not in scopes:
        raise click.UsageError("--audience goes with the scope 'redeem'")
    if scopes.isdisjoint({"gate", "redeem"}):
        return None
    return Authority(
        name,
        _identity(agent) if agent else None,
        _identity(owner) if owner else None,
        tuple(map(_identity, acts_for)),
        audiences,
    )


def gate_of(loaded: Config, policy: Policy, cleaner: Cleaner, key: Path | None) -> GateSettings:
    """The gate of a service that is configured so: requests travel by the first of its topics."""
    from approvals.server import GateSettings

    topics = loaded.file.topics[0]
    return GateSettings(
        policy=policy,
        cleaner=cleaner,
        topic=topics.approvals,
        release_to=topics.sanitized,
        key=key or loaded.state_dir / "gate.key",
    )


def _identity(text: str) -> Identity:
    from approvals.person import Identity

    issuer, colon, subject = text.partition(":")
    if not (issuer and colon and subject and text.isprintable()):
        raise click.UsageError("somebody is written ISSUER:SUBJECT, for example agent:etl-7 or okta:00u1ab2cd")
    return Identity(issuer, subject)
