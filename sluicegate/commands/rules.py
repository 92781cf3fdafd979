"""`sluicegate rules`: list the detection rules, check that they do what they say, explain what they make of a text."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

if TYPE_CHECKING:
    from detectors.explain import Explanation
    from engine.views import View

as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON instead.")


@click.group()
def rules() -> None:
    """List, check and explain the detection rules."""


@rules.command(name="list")
@click.option("--family", help="Only this family: cloud, personal, private-keys…")
@as_json
def list_(family: str | None, *, as_json: bool) -> None:
    """List the shipped rules: id, entity, score, what decides besides the pattern.

    \b
    Example:
      sluicegate rules list --family private-keys
    """
    from detectors.catalogue import load_rules, shipped_files
    from detectors.yamlfile import closest

    found = load_rules(*shipped_files())
    families = sorted({rule.family for rule in found})
    if family is not None and family not in families:
        known = ", ".join(families)
        raise click.BadParameter(f"no family '{family}'{closest(family, families)}; there are {known}")
    found = [rule for rule in found if family in (None, rule.family)]
    if as_json:
        shown = ("id", "family", "entity", "name", "score", "key", "context", "validator", "references")
        click.echo(_json([{name: getattr(rule, name) for name in shown} for rule in found]))
        return
    wide = max(len(rule.id) for rule in found)
    entity = max(len(rule.entity) for rule in found)
    for one, _ in Counter(rule.family for rule in found).items():
        click.echo(f"{one}:")
        for rule in found:
            if rule.family == one:
                checks = [
                    *(["key"] if rule.key else []),
                    *(["context"] if rule.context else []),
                    *([rule.validator] if rule.validator else []),
                    *([f"entropy {rule.min_entropy:g}"] if rule.min_entropy else []),
                ]
                line = f"  {rule.id:{wide}}  {rule.entity:{entity}}  {rule.score:.2f}  {', '.join(checks)}"
                click.echo(line.rstrip())
    click.echo(f"{len(found)} rules")


@rules.command()
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@as_json
def check(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check rule FILES (the shipped catalogue if left out) against their own examples.

    Ids are unique, every example is found with exactly the marked span, every counter-example is silent, the
    gate sees each example in raw JSON too, and all rules compile together. The exit code is 1 if something fails.

    \b
    Example:
      sluicegate rules check my-rules.yaml
    """
    from detectors.catalogue import shipped_files
    from detectors.check import check_files

    report = check_files(files or shipped_files())
    if as_json:
        click.echo(_json(asdict(report)))
    else:
        for failure in report.failures:
            click.echo(str(failure), err=True)
        click.echo(
            f"{_count(report.files, 'file')}, {_count(report.rules, 'rule')}: "
            f"{_count(report.examples, 'example')}, {_count(report.counter_examples, 'counter-example')}, "
            f"{_count(report.known_misses, 'known miss', 'known misses')}; {_count(len(report.failures), 'failure')}"
        )
    if report.failures:
        sys.exit(1)


@rules.command()
@click.argument("text")
@click.option("--key", default="", help="The JSON key that TEXT stands under, if any.")
@as_json
def explain(text: str, key: str, *, as_json: bool) -> None:
    """Explain what the shipped rules make of TEXT (- reads stdin): plain text, or a JSON record.

    For each text in it: whose gate hit, what confirmed or refused each candidate, and which finding wins where
    some overlap. Offsets are bytes of the decoded text; the text itself is not repeated.

    \b
    Examples:
      sluicegate rules explain 'card 4111 1111 1111 1111'
      echo '{"password": "hunter2"}' | sluicegate rules explain -
    """
    from detectors.catalogue import load_rules, shipped_files
    from detectors.explain import explain as explained
    from detectors.finding import Text
    from detectors.patterns import PatternDetector
    from engine.views import Limits, read_record

    data = sys.stdin.buffer.read() if text == "-" else text.encode("utf-8", "surrogateescape")
    data = data.rstrip(b"\r\n")
    views = [view for view in read_record(data, "auto", Limits()) if view.readable]
    texts = [Text(view.readable, view.key or key.encode()) for view in views]
    found = explained(PatternDetector(load_rules(*shipped_files())), texts)
    if as_json:
        told = [asdict(e) | {"findings": [f._asdict() for f in e.findings]} for e in found]
        click.echo(_json([{"path": _path(v), "kind": v.kind, **e} for v, e in zip(views, told, strict=True)]))
        return
    for view, explanation in zip(views, found, strict=True):
        if explanation.gated:
            _print(view, explanation)
    total = sum(len(e.findings) for e in found)
    click.echo(f"{_count(len(views), 'text')} read, {_count(total, 'finding')}")


def _print(view: View, explanation: Explanation) -> None:
    path = _path(view)
    click.echo(f"{path or '(the whole record)'} ({view.kind}, {len(view.readable)} bytes)")
    for one in explanation.candidates:
        verdict = (
            f"refused: {one.refused}"
            if one.refused is not None
            else f"confirmed, {one.score:.2f}" + ("" if one.won else ", covered by a better finding")
        )
        click.echo(f"  {one.start}-{one.end}  {one.rule_id}  {one.entity}  {verdict}")
    if explanation.silent:
        click.echo(f"  gate hit, no match: {', '.join(explanation.silent)}")
    for finding in explanation.findings:
        click.echo(f"  → {finding.start}-{finding.end}  [{finding.entity}] by {finding.rule_id}")


def _path(view: View) -> str:
    """Where the text stands in the record, as policies write paths."""
    from engine.policy.paths import written

    return "" if view.step is None else written(view.step.names())


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
