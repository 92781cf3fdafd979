"""`sluicegate rules`: list the detection rules, check that they do what they say, explain what they make of a text."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson

if TYPE_CHECKING:
    from detectors.catalogue import Catalogue
    from detectors.costs import Cost
    from detectors.explain import Explanation
    from engine.policy import Policy
    from engine.views import View

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)
DEAREST = 10
READ = 16 * 1024 * 1024  # bytes of logs that a check reads

as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON instead.")


def which_rules(command: Command) -> Command:
    """The options that say which rules a command is about."""
    policy = click.option("-c", "--policy", type=FILE, help="A policy file, with the rule files that it names.")
    more = click.option("--rules", "more", type=FILE, multiple=True, help="A rule file of your own (repeatable).")
    return policy(more(command))


@click.group()
def rules() -> None:
    """List, check and explain the detection rules."""


@rules.command(name="list")
@click.option("--family", help="Only this family: cloud, personal, private-keys…")
@which_rules
@as_json
def list_(family: str | None, policy: Path | None, more: tuple[Path, ...], *, as_json: bool) -> None:
    """List the rules: id, entity, score, what decides besides the pattern.

    \b
    Examples:
      sluicegate rules list --family private-keys
      sluicegate rules list --policy policy.yaml
    """
    from detectors.yamlfile import closest
    from engine.policy import load_policy

    found = [one.rule for one in load_policy(policy, more=more).detector.rules]
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
@click.argument("files", nargs=-1, type=FILE)
@which_rules
@click.option("--logs", type=FILE, multiple=True, help="Measure each rule on these records, a line each (repeatable).")
@as_json
def check(
    files: tuple[Path, ...], policy: Path | None, more: tuple[Path, ...], logs: tuple[Path, ...], *, as_json: bool
) -> None:
    """Check rule FILES against their own examples: those of the policy, or the shipped catalogue, if left out.

    Ids are unique, every example is found with exactly the marked span, every counter-example is silent, the
    gate sees each example in raw JSON too, what is switched off or changed exists, and all rules compile together.
    With --logs, the cost of each rule by itself and how often it hits and finds, the dearest first. The exit code is 1
    if something fails.

    \b
    Examples:
      sluicegate rules check my-rules.yaml
      sluicegate rules check --policy policy.yaml --logs yesterday.ndjson
    """
    from detectors.catalogue import Catalogue, shipped_files
    from detectors.check import check_files

    shipped, own = (True, []) if policy is None else _named_by(policy)
    own += [*files, *more]
    catalogue = Catalogue.read(shipped_files() if shipped and own else ())
    report = check_files(own or shipped_files(), after=catalogue)
    measured = _costs(catalogue, logs) if logs and not report.failures else []
    if as_json:
        dearest = [{**asdict(cost), "total_ms": cost.total_ms} for cost in measured]
        click.echo(_json(asdict(report) | ({"costs": dearest} if logs else {})))
    else:
        for failure in report.failures:
            click.echo(str(failure), err=True)
        changed = [
            f"{count} {what}"
            for count, what in (
                (report.disabled, "switched off"),
                (report.overridden, "changed"),
                (report.exemptions, "exempted"),
            )
            if count
        ]
        click.echo(
            f"{_count(report.files, 'file')}, {_count(report.rules, 'rule')}{', ' if changed else ''}"
            f"{', '.join(changed)}: "
            f"{_count(report.examples, 'example')}, {_count(report.counter_examples, 'counter-example')}, "
            f"{_count(report.known_misses, 'known miss', 'known misses')}; {_count(len(report.failures), 'failure')}"
        )
        _print_costs(measured)
    if report.failures:
        sys.exit(1)


@rules.command()
@click.argument("text")
@click.option("--key", default="", help="The JSON key that TEXT stands under, if any.")
@which_rules
@as_json
def explain(text: str, key: str, policy: Path | None, more: tuple[Path, ...], *, as_json: bool) -> None:
    """Explain what the rules make of TEXT (- reads stdin): plain text, or a JSON record.

    For each text in it: whose gate hit, what confirmed or refused each candidate, and where some overlap, which finding
    wins and why. Offsets are bytes of the decoded text; the text itself is not repeated.

    \b
    Examples:
      sluicegate rules explain 'card 4111 1111 1111 1111'
      echo '{"password": "hunter2"}' | sluicegate rules explain -
    """
    from detectors.explain import explain as explained
    from detectors.finding import Finding, Text
    from engine.neighbours import keys_of
    from engine.policy import load_policy
    from engine.reading import read_record
    from engine.views import Limits

    data = sys.stdin.buffer.read() if text == "-" else text.encode("utf-8", "surrogateescape")
    data = data.rstrip(b"\r\n")
    loaded = load_policy(policy, more=more)
    views = [view for view in read_record(data, "auto", Limits()) if view.readable]
    texts = [Text(v.readable, name or key.encode()) for v, name in zip(views, keys_of(views), strict=True)]

    def exempt(number: int, finding: Finding) -> str | None:
        return _exempt(loaded, views[number], finding)

    found = explained(loaded.detector, texts, exempt)
    if as_json:
        told = [asdict(e) | {"findings": [f._asdict() for f in e.findings]} for e in found]
        click.echo(_json([{"path": _path(v), "kind": v.kind, **e} for v, e in zip(views, told, strict=True)]))
        return
    for view, explanation in zip(views, found, strict=True):
        if explanation.gated:
            _print(view, explanation)
    total = sum(len(e.findings) for e in found)
    click.echo(f"{_count(len(views), 'text')} read, {_count(total, 'finding')}")


def _named_by(policy: Path) -> tuple[bool, list[Path]]:
    """Whether the policy has the shipped rules on, and the files that it names."""
    from detectors.yamlfile import YamlFile
    from engine.policy.model import PolicyFile

    source = YamlFile.read(policy)
    file = source.validate(PolicyFile, {} if source.data is None else None)
    return file.rules.shipped, [policy.parent / name for name in file.rules.files]


def _exempt(policy: Policy, view: View, finding: Any) -> str | None:
    least = policy.file.redaction.min_score
    if finding.score < least:
        return f"score {finding.score:.2f} is below the policy's {least:.2f}"
    entry = policy.places.exemption(view, finding)
    if entry is not None:
        because = f" ({entry.entry.because})" if entry.entry.because else ""
        return f"allowed by {entry.file}:{entry.line}{because}"
    return None if policy.places.apply(view, [finding]) else "the policy leaves its place alone"


def _costs(catalogue: Catalogue, logs: Sequence[Path]) -> list[Cost]:
    from detectors.costs import costs
    from detectors.errors import BudgetExceeded, ConfigError
    from detectors.finding import Text
    from engine.reading import read_record
    from engine.views import Limits

    def texts(raw: bytes) -> Sequence[Text]:
        """What the rules read in a record."""
        try:
            return [Text(view.readable, view.key) for view in read_record(raw, "auto", Limits()) if view.readable]
        except BudgetExceeded:
            return [Text(raw)]

    records: list[bytes] = []
    size = 0
    for path in logs:
        try:
            with path.open("rb") as lines:
                for line in lines:
                    raw = line.rstrip(b"\r\n")
                    size += len(raw)
                    if size > READ:
                        break
                    records.append(raw)
        except OSError as error:
            raise ConfigError((error.strerror or "cannot be read").lower(), file=path) from None
    if not records:
        raise ConfigError("holds no records", file=logs[0])
    all_rules = list(catalogue.rules.values())
    with click.progressbar(
        costs(all_rules, records, texts), length=len(all_rules), label="rules", file=sys.stderr
    ) as measured:
        found = list(measured)
    click.echo(f"{len(records):,} records, {min(size, READ):,} bytes", err=True)
    return sorted(found, key=lambda cost: -cost.total_ms)


def _print_costs(measured: Sequence[Cost]) -> None:
    if not measured:
        return
    wide = max(len(cost.rule_id) for cost in measured[:DEAREST])
    click.echo(f"{'the dearest rules':{wide}}  gate ms  then ms  records hit  findings")
    for cost in measured[:DEAREST]:
        click.echo(
            f"{cost.rule_id:{wide}}  {cost.gate_ms:7.1f}  {cost.confirm_ms:7.1f}  {cost.hits:11,}  {cost.findings:8,}"
        )
    silent = sum(cost.hits == 0 for cost in measured)
    gate, confirm = sum(cost.gate_ms for cost in measured), sum(cost.confirm_ms for cost in measured)
    click.echo(f"all {len(measured)} rules, each alone: {gate:.0f} and {confirm:.0f} ms; {silent} never hit")


def _print(view: View, explanation: Explanation) -> None:
    path = _path(view)
    click.echo(f"{path or '(the whole record)'} ({view.kind}, {len(view.readable)} bytes)")
    for one in explanation.candidates:
        verdict = (
            f"refused: {one.refused}"
            if one.refused is not None
            else f"confirmed, {one.score:.2f}" + ("" if one.won else f", covered by {one.lost_to}: {one.because}")
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
