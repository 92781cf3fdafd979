"""`sluicegate policy`: check a policy, describe the format, show the text behind a digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import orjson

from engine.redaction import Method
from sluicegate.commands.policy_simulate import simulate

if TYPE_CHECKING:
    from engine.policy.model import Tenant


@click.group()
def policy() -> None:
    """Check policies, and show what was in force."""


@policy.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def check(file: Path | None) -> None:
    """Check a policy FILE (the shipped one if left out) and say what it does and costs.

    \b
    Example:
      sluicegate policy check policy.yaml
    """
    from approvals.simulate import asked
    from engine.policy import load_policy

    loaded = load_policy(file)
    rules = loaded.actions.rules
    effects = [rule.rule.effect for rule in rules]
    click.echo(f"{file or 'the shipped policy'}: fine")
    click.echo(f"  digest      {loaded.digest}")
    click.echo(f"  detection   {len(loaded.detector.rules)} rules, {len(loaded.entities)} entities")
    click.echo(f"  redaction   {_methods(loaded.file.redaction.default, loaded.methods)}")
    if loaded.keys.ids:
        click.echo(f"  keys        {_keys(loaded.keys.ids, loaded.file.tenant)}")
    counts = ", ".join(f"{effects.count(e)} {e}" for e in ("review", "deny", "allow") if e in effects)
    click.echo(f"  privileged  {len(rules)} rules ({counts}), first match wins")
    for number, rule in enumerate(rules, 1):
        click.echo(f"    {number:3} {rule.rule.effect:7} {rule.rule.id:40} {rule.rule.reason}".rstrip())
    for number, entry in enumerate(loaded.reviews.entries, 1):
        click.echo(f"  decides     {number:3} {asked(entry.requirement)}")
    for reason in loaded.reads_all:
        click.echo(f"  cost        every record is parsed, since {reason}")
    for warning in loaded.actions.lint():
        click.echo(f"  warning     {warning}", err=True)


@policy.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors.

    \b
    Example:
      sluicegate policy schema > policy.schema.json
      # then, as the first line of policy.yaml:
      # yaml-language-server: $schema=policy.schema.json
    """
    from engine.policy.model import PolicyFile

    found = PolicyFile.model_json_schema()
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Sluicegate policy", **found}
    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))


@policy.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--policy", "path", type=click.Path(dir_okay=False, path_type=Path), help="A policy file.")
def explain(file: BinaryIO, path: Path | None) -> None:
    """Say which actions a record in FILE (or stdin) tells of, and which rule decides on each, and why.

    \b
    Example:
      echo '{"actor": "etl-7", "action": "db.export", "environment": "prod"}' | sluicegate policy explain
    """
    from engine.actions.extract import extract
    from engine.actions.tree import parse
    from engine.policy import load_policy

    loaded = load_policy(path)
    try:
        trees = parse(file.read(), max_depth=loaded.file.limits.depth)
    except ValueError:
        raise click.ClickException("the record is not JSON, so it tells of no action") from None
    actions = extract(trees, loaded.profiles, loaded.principals)
    if not actions:
        click.echo("no profile reads an action from this record: it passes")
    for action in actions:
        decision = loaded.actions.decide(action)
        click.echo(f"{action.profile} {action.kind}: {action.action} on {action.resource or 'nothing named'}")
        for principal in action.principals:
            click.echo(f"  {principal.role}: {principal.issuer}:{principal.subject}")
        if not action.principals:
            click.echo("  nobody is named as its initiator")
        for trial in loaded.actions.explain(action):
            click.echo(f"  {'→' if trial.matched else ' '} {trial.rule_id}: {trial.why}")
        click.echo(f"  {decision.effect}" + (f" by {decision.rule.id}" if decision.rule else ": no rule matches"))


@policy.command()
@click.argument("digest")
@click.option("-c", "--config", type=click.Path(dir_okay=False, path_type=Path), help="Look in its topics.")
@click.option(
    "--decisions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look in a file that `sanitize --decisions` wrote.",
)
def show(digest: str, config: Path | None, decisions: Path | None) -> None:
    """Print the policy that had this DIGEST (or its beginning), or the shipped one for `default`.

    \b
    Examples:
      sluicegate policy show default > policy.yaml
      sluicegate policy show sha256:1377f1 -c sluicegate.yaml
    """
    from engine.policy.load import DEFAULT_POLICY
    from engine.policy.snapshots import find_snapshot, in_file, in_topics

    if digest == "default":
        click.echo(DEFAULT_POLICY.read_text(encoding="utf-8"), nl=False)
        return
    if (config is None) == (decisions is None):
        raise click.UsageError("say where to look: -c CONFIG or --decisions FILE")
    snapshots = in_file(decisions) if decisions is not None else in_topics(config)  # type: ignore[arg-type]
    found = find_snapshot(digest, snapshots)
    if found is None:
        raise click.ClickException(f"no policy with a digest that begins with {digest} was in force there")
    text = orjson.loads(found.text)
    click.echo(f"# {found.digest}")
    click.echo(text["policy"], nl=False)
    for name, body in text["rules"].items():
        click.echo(f"\n# ---- rules: {name}\n{body}")
    click.echo(f"\n# ---- profiles: {text['profiles']}")
    if text["actions"]:
        click.echo(f"\n# ---- actions: default\n{text['actions']}", nl=False)


policy.add_command(simulate)


def _keys(ids: Sequence[str], tenant: Tenant | None) -> str:
    first, *older = ids
    whose = "all records are of one tenant"
    if tenant is not None:
        whose = f"by tenant: field {tenant.field}" if tenant.field is not None else f"by tenant: topic {tenant.topic}"
    return f"{first} writes{''.join(f', {one} reveals' for one in older)}; {whose}"


def _methods(default: Method, methods: Mapping[str, Method]) -> str:
    return ", ".join([f"{entity}: {method}" for entity, method in methods.items()] + [f"all else: {default}"])
