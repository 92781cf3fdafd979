"""`sluicegate bench report`: everything in one HTML page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import orjson

from benchmarks import cli
from benchmarks.tables import FORMAT, header, write_json
from detectors.errors import ConfigError

PARTS = ("throughput", "latency", "scaling", "peers", "soak")


@click.command()
@click.option(
    "--out",
    default="sluicegate-benchmark.html",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page; its figures are written beside it, as .json.",
)
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this; may be given several times.")
@cli.inputs_option
@cli.seed_option
@cli.records_option
@cli.repetitions_option
@cli.rules_option
@cli.policy_option
@cli.broker_option
@click.option("--stream/--no-stream", default=True, show_default=True, help="Also what needs a broker.")
@click.option("--soak-records", type=click.IntRange(1), help="How many go through the worker whose memory is watched.")
@click.option(
    "--from", "given", type=click.Path(path_type=Path), help="Measure nothing: show the figures of an earlier run."
)
@click.option("--compare", type=click.Path(path_type=Path), help="The .json of an earlier run to compare with.")
@cli.json_option
def report(
    out: Path,
    parts: tuple[str, ...],
    inputs: tuple[Path, ...],
    seed: int,
    records: int | None,
    repetitions: int,
    rules: int,
    policy: Path | None,
    broker: str | None,
    stream: bool,
    soak_records: int | None,
    given: Path | None,
    compare: Path | None,
    as_json: bool,
) -> None:
    """Measure everything, and write one HTML page about it that needs nothing else.

    The page has plots, tables, the machine, versions, the method, and the command behind each figure. --compare shows
    how each figure changed since an earlier run, as ratios with confidence intervals. It takes some minutes; with
    --broker, records travel through that Kafka instead of the embedded broker.

    \b
    Examples:
      sluicegate bench report --out report.html
      sluicegate bench report --part throughput --part latency --broker kafka://localhost:9092
      sluicegate bench report --out new.html --compare report.json
    """
    from benchmarks.report.compare import compared
    from benchmarks.report.parts import report as shown

    troubles = cli.Troubles()
    old = None if compare is None else _read(compare)  # before anything is measured
    if given is not None:
        results = _read(given)
    else:
        options = _options(inputs, seed, records, repetitions, rules, policy, broker, soak_records)
        if not stream:
            del options["latency"]
            for name in ("throughput", "scaling"):
                options[name].append("--no-stream")
        results = {**header(), "parts": {}}
        for name in parts or PARTS:
            if name in options and (found := _measured(name, options[name], troubles)) is not None:
                results["parts"][name] = found
        results |= {name: row for name, row in results["parts"].get("throughput", {}).items() if name in _ROWS}
        results["peers"] = results["parts"].get("peers", {}).get("peers", {})
    changes = [] if old is None else compared(old["parts"], results["parts"])
    if old is not None:
        results |= {"compared_with": old["when"], "changes": [one.as_json() for one in changes]}
    _write(out, shown(results, changes, old).encode())
    if given is None:
        _write(out.with_suffix(".json"), orjson.dumps(results, option=orjson.OPT_INDENT_2))
    if as_json:
        write_json(results)
    else:
        click.echo(f"{out} written" + ("" if given else f", its figures in {out.with_suffix('.json')}"))
    troubles.exit()


_ROWS = ("core", "gate", "parse", "relay", "engine", "ratios", "startup")


def _options(
    inputs: tuple[Path, ...],
    seed: int,
    records: int | None,
    repetitions: int,
    rules: int,
    policy: Path | None,
    broker: str | None,
    soak_records: int | None,
) -> dict[str, list[str]]:
    """What each command is given."""
    common = ["--seed", str(seed), "--rules", str(rules), *(["--policy", str(policy)] if policy else [])]
    corpora = [word for path in inputs for word in ("--input", str(path))]
    some = corpora + (["--records", str(records)] if records else [])
    repeated = ["--repetitions", str(repetitions)]
    on_broker = ["--broker", broker] if broker else []
    return {
        "throughput": [*common, *some, *repeated, *on_broker],
        "latency": [*common, *some, *on_broker],
        "scaling": [*common, *on_broker],
        "peers": [*common, *some, *repeated],
        "soak": [*common, *corpora, *(["--records", str(soak_records)] if soak_records else [])],
    }


def _measured(name: str, options: list[str], troubles: cli.Troubles) -> dict[str, Any] | None:
    """What a command found, run as it stands on the page; None if it could not be run, which is noted."""
    command = [sys.executable, "-P", "-m", "sluicegate", "bench", name, *options, "--json"]
    click.echo(f"{name} …", err=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 (our own interpreter and options)
    try:
        found: dict[str, Any] = orjson.loads(done.stdout)
    except orjson.JSONDecodeError:
        troubles.note(f"{name} is left out: it ended with exit code {done.returncode}")
        return None
    if done.returncode:
        troubles.note(f"{name} found something wrong: it ended with exit code {done.returncode}")
    return found


def _read(path: Path) -> dict[str, Any]:
    """The figures of an earlier run. Raises ConfigError."""
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot be read: {(error.strerror or 'failed').lower()}", file=str(path)) from None
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or "parts" not in found or "machine" not in found:
        raise ConfigError("is not what 'sluicegate bench report' writes beside its page", file=str(path))
    if found.get("format") != FORMAT:
        raise ConfigError(f"is of another version ({found.get('format')}, not {FORMAT})", file=str(path))
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"cannot be written: {(error.strerror or 'failed').lower()}", file=str(path)) from None
