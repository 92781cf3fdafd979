"""What stands on the page of a report: results in, one HTML document out. Pure.

``results`` hold the machine, when it was, and under ``parts`` the JSON of each command that was run, by its name:
`benchmarks.commands.report` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from benchmarks.charts import Rate, rates
from benchmarks.curves import Line, lines, short
from benchmarks.fits import power_law
from benchmarks.page import Part, Tile, command, folded, page, table
from benchmarks.report.compare import Change

Results = Mapping[str, Any]

ROWS = {
    "core": ("core", "ours"),
    "gate": ("Hyperscan alone", "limit"),
    "parse": ("orjson loads + dumps", "limit"),
    "engine": ("engine, on a broker", "ours"),
    "relay": ("relay, no work", "limit"),
    "core_clean": ("core, clean records", "ours"),
    "gate_clean": ("Hyperscan, clean records", "limit"),
}
RATIOS = {
    "core/gate": "core over Hyperscan alone",
    "core_clean/gate_clean": "core over Hyperscan alone, on records without findings",
    "core/parse": "core over parsing and writing JSON",
    "engine/relay": "engine over relay",
}
COLUMNS = ("", "records/s", "MB/s", "µs a record", "CPU µs", "repetitions", "spread")
QUANTILES = ("p50", "p95", "p99", "p99.9")


METHOD = """
Each figure is the median of several repetitions after a warm-up. Repetitions take turns: one of each task, then the
next of each, so that a machine that slows down slows all of them. The spread is half the range of the repetitions
over their median. Seconds are those of the clock on the wall; CPU µs is processor time of the measured process alone.
1 MB is 1,000,000 bytes.

Without a file as input, records are made up by seed: the activity of a small company's agents in nine shapes
(proposals, OpenAI, Anthropic and MCP calls, CloudTrail, Kubernetes audit, logs, access logs, chats), 324 to 723 bytes
for most, 44 % of them with secrets or personal data, about 1 % asking for something that a person should decide on. A
catalogue smaller than asked for is padded with made-up rules for providers' tokens.
"""


def report(results: Results, changes: Sequence[Change] = (), old: Results | None = None) -> str:
    """The whole document; with ``old``, ``changes`` since then come first."""
    found = results["parts"]
    parts = [] if old is None else [_compared(results, changes, old)]
    parts += [MAKERS[name](found[name]) for name in MAKERS if name in found]
    return page("Sluicegate benchmark", results, parts, method=METHOD, tiles=tiles(found))


def tiles(parts: Mapping[str, Any]) -> list[Tile]:
    """The figures that operators ask for first, as far as they were measured."""
    found: list[Tile] = []
    throughput = parts.get("throughput", {})
    core = throughput.get("core", {})
    if "records_per_s" in core:
        size = core["bytes"] / core["records"]
        found.append(
            Tile(
                short(core["records_per_s"]),
                "records/s",
                "one core",
                f"{_number(core['mb_per_s'])} MB/s, {size:,.0f} B each, {throughput['rules']} rules",
            )
        )
    for name, label in (("core_clean/gate_clean", "of Hyperscan alone"), ("engine/relay", "of an exactly-once relay")):
        if (ratio := throughput.get("ratios", {}).get(name)) is not None:
            note = "records without findings" if name.startswith("core") else "one worker, end to end"
            found.append(Tile(f"{ratio:.0%}", "", label, note))
    rows = [row for row in parts.get("latency", {}).get("latency", ()) if row.get("added_p99_ms") is not None]
    if rows:
        best = min((row for row in rows if row["load"] == "half load"), key=_added, default=min(rows, key=_added))
        note = f"{best['load']}, commits every {best['commit_interval_ms']} ms"
        found.append(Tile(f"{best['added_p99_ms']:.0f}", "ms", "added at p99", note))
    if soak := parts.get("soak", {}).get("soak"):
        state = {True: "flat", False: "growing", None: "not watched for long"}[soak["flat"]]
        found.append(
            Tile(f"{soak['peak_mb']:.0f}", "MB", "a worker, at most", f"{short(soak['records'])} records, {state}")
        )
    if begun := throughput.get("startup"):
        found.append(Tile(f"{begun['seconds']:.2f}", "s", "to start", f"{begun['rules']} rules, gate in the cache"))
    return found


def throughput(found: Results) -> Part:
    """A plot for each corpus: what is ours beside its limits."""
    body, skipped = [], []
    for corpus in found["corpora"]:
        rows = {name: corpus[name] for name in ROWS if name in corpus}
        skipped += [f"{corpus['name']}, {name}: {row['skipped']}" for name, row in rows.items() if "skipped" in row]
        measured = {name: row for name, row in rows.items() if "wall_s" in row}
        ratios = [f"{RATIOS[name]}: {value:.2f}" for name, value in corpus["ratios"].items() if name in RATIOS]
        hits = f", {corpus['hits']:.0%} with something to redact or to decide on" if "hits" in corpus else ""
        figures = table(COLUMNS, [[ROWS[name][0], *_cells(row)] for name, row in measured.items()])
        title = f"{corpus['name']}: {corpus['records']:,} records of {corpus['mean_bytes']:,.0f} B{hits}; records/s"
        body.append(
            rates(
                title,
                [_rate(*ROWS[name], row) for name, row in measured.items()],
                below=_told("; ".join(ratios)) + folded("Figures", figures),
            )
        )
    note = (
        f"Bytes in, outcomes and decision entries out, on one core, with {found['rules']} rules; beside it what limits "
        "it, measured in the same run: the regular-expression engine alone, JSON parsing, and a relay that moves the "
        "same records through the same broker without looking at them. Whiskers are the fastest and slowest repetition."
    )
    return _part("Throughput", note, body, skipped, found)


def peers(found: Results) -> Part:
    """A plot for each corpus: other tools beside ours."""
    body, skipped = [], []
    for corpus in found["corpora"]:
        rows = {**{name: row for name, row in corpus.items() if _is_row(row)}, **corpus["peers"]}
        skipped += [f"{name}: {row['skipped']}" for name, row in rows.items() if "skipped" in row]
        shown = {
            n: row for n, row in rows.items() if "wall_s" in row and (n in corpus["peers"] or n.startswith("core"))
        }
        ordered = sorted(shown.items(), key=lambda one: -float(one[1]["records_per_s"]))
        if not ordered:
            continue
        times = {name.replace("/peer:", " over "): value for name, value in corpus["ratios"].items() if "peer:" in name}
        told = "; ".join(f"{name}: {value:,.1f} times" for name, value in times.items())
        figures = table(COLUMNS, [[name, *_cells(row)] for name, row in ordered])
        title = f"{corpus['name']}: {corpus['records']:,} records of {corpus['mean_bytes']:,.0f} B; records/s"
        kinds = [_rate(name, "other" if name in corpus["peers"] else "ours", row) for name, row in ordered]
        body.append(rates(title, kinds, below=_told(told) + folded("Figures", figures)))
    note = "Other redactors and scanners on the same bytes, one core each, taking turns."
    return _part("Peers", note, body, skipped, found)


def latency(found: Results) -> Part:
    """Percentiles for each load."""
    rows = [row for row in found["latency"] if "p50_ms" in row]
    ticks = [(float(number), name) for number, name in enumerate(QUANTILES)]
    body = []
    for load in dict.fromkeys(row["load"] for row in rows):
        mine = [row for row in rows if row["load"] == load]
        drawn = []
        for colour, row in enumerate(mine):
            points = [(float(number), row[f"{name}_ms"]) for number, name in enumerate(QUANTILES)]
            direct = row["commit_interval_ms"] is None
            drawn.append(Line(_engine(row), points, 5 if direct else colour - 1, dashed=direct))
        cells = [
            [
                _engine(row),
                *(f"{row[f'{name}_ms']:,.1f}" for name in (*QUANTILES, "max")),
                "" if row.get("added_p99_ms") is None else f"{row['added_p99_ms']:,.1f}",
            ]
            for row in mine
        ]
        title = f"{load[:1].upper()}{load[1:]}" + (f": {mine[0]['rate']:,.0f} records/s" if load == "half load" else "")
        figures = table(("", *(f"{name} ms" for name in (*QUANTILES, "max")), "added at p99"), cells)
        body.append(lines(title, drawn, x="percentile", y="ms", ticks=ticks, below=folded("Figures", figures)))
    note = (
        "From the moment a record was due to when a read-committed reader of the sanitized topic has it, at fixed "
        "rates; a writer that is held up is no excuse (no coordinated omission). Direct is the same without the engine."
    )
    return _part("Latency", note, body, [row["skipped"] for row in found["latency"] if "skipped" in row], found)


def scaling(found: Results) -> Part:
    """A plot for each series, with its fit."""
    note = (
        "How the cost of a record, or the rate of several workers, grows. The exponent is that of a power law fitted "
        "by least squares of the logarithms: 0 costs nothing, 1 grows in proportion."
    )
    skipped = [
        f"{one['title']}, {point['x']:g}: {point['skipped']}"
        for one in found["series"]
        for point in one["points"]
        if "skipped" in point
    ]
    return _part("Scaling", note, [_series(one) for one in found["series"]], skipped, found)


def soak(found: Results) -> Part:
    """Memory over records."""
    one = found["soak"]
    state = {True: "It stays flat", False: "It grows", None: "That is too short to tell whether it grows"}[one["flat"]]
    told = (
        f"{one['level_mb']:.0f} MB on average after the warm-up, {one['peak_mb']:.0f} MB at most; "
        f"{one['growth_mb_per_million']:+.2f} MB for a million records. {state}."
    )
    line = Line("resident memory", [(records / 1e6, mb) for records, mb in one["samples"]], dots=False)
    title = f"{one['records']:,} records"
    where = "on a broker" if found["broker"] else "on a log that makes up its records"
    note = f"The resident memory of one worker {where}, in MB of 1,000,000 bytes."
    return _part("Memory", note, [lines(title, [line], x="million records", y="MB", below=_told(told))], [], found)


MAKERS: Mapping[str, Callable[[Results], Part]] = {
    "throughput": throughput,
    "peers": peers,
    "latency": latency,
    "scaling": scaling,
    "soak": soak,
}
"""The sections of the page, in their order."""


def _compared(results: Results, changes: Sequence[Change], old: Results) -> Part:
    note = (
        f"With the run of {old['when'].replace('T', ' ').replace('Z', ' UTC')}. Ratios are of speed, new over old: "
        "above 1 is better. The interval holds 95 % of the ratios that the repetitions allow (bootstrap); where it "
        "holds 1, there is no difference that can be told."
    )
    before, now = old["machine"]["processor"], results["machine"]["processor"]
    body = (
        [] if before == now else [Markup('<p class="warning">Other machines: {} then, {} now.</p>').format(before, now)]
    )
    rows = [
        [
            one.name,
            _number(one.old),
            _number(one.new),
            one.unit,
            f"{one.ratio:.2f}",
            f"{one.low:.2f} to {one.high:.2f}",
            Markup('<span class="verdict {0}">{0}</span>').format(one.verdict),
        ]
        for one in changes
    ]
    if rows:
        body.append(table(("", "old", "new", "", "ratio", "95 % interval", ""), rows))
    else:
        body.append(_told("The two runs have nothing in common."))
    return Part("Compared", Markup("").join(body), note)


def _part(title: str, note: str, body: Sequence[Markup], skipped: Sequence[str], found: Results) -> Part:
    parts = [*body]
    if skipped:
        once = dict.fromkeys(skipped)
        items = Markup("").join(Markup("<li>{}</li>").format(one) for one in once)
        parts.append(folded(f"Not measured: {len(once)}", Markup("<ul>{}</ul>").format(items)))
    return Part(title, Markup("").join([*parts, command(found["command"])]), note)


def _series(one: Results) -> Markup:
    rising = one["exponent_of"] == "records_per_s"
    key = "records_per_s" if rising else "us_per_record"
    points, gate = ([(p["x"], p[key]) for p in one[kind] if key in p] for kind in ("points", "gate"))
    drawn = [Line("measured", points)]
    logarithmic = one["unit"] in ("rules", "bytes")
    if logarithmic and (fit := power_law(points)) is not None:
        ends = [(x, fit.factor * x**fit.exponent) for x in (points[0][0], points[-1][0])]
        drawn.append(Line(f"fit: exponent {fit.exponent:.2f}", ends, 1, dashed=True, dots=False))
    if gate:
        drawn.append(Line("Hyperscan alone", gate, 5))
    if rising and points:
        x, y = points[0]
        drawn.append(Line("in proportion", [(a, y * a / x) for a, _ in points], 5, dashed=True, dots=False))
    share = one["unit"] == "share"
    names = [f"{p['x']:.0%}" if share else f"{p['x']:,.0f}" for p in one["points"] if "wall_s" in p]
    cells = [[name, *_cells(p)] for name, p in zip(names, (p for p in one["points"] if "wall_s" in p), strict=True)]
    told = one["told"]
    return lines(
        f"{one['title'][:1].upper()}{one['title'][1:]}",
        drawn,
        x="records with findings" if share else str(one["unit"]),
        y="records/s" if rising else "µs a record",
        log=logarithmic,
        ticks=None if logarithmic else list(zip((x for x, _ in points), names, strict=True)),
        below=_told(f"{told[:1].upper()}{told[1:]}.") + folded("Figures", table((one["unit"], *COLUMNS[1:]), cells)),
    )


def _rate(name: str, kind: str, row: Mapping[str, Any]) -> Rate:
    found = [row["records"] / seconds for seconds in row["wall_s"]]
    return Rate(name, row["records_per_s"], min(found), max(found), kind)


def _cells(row: Mapping[str, Any]) -> list[str]:
    cpu = row["cpu_us_per_record"]
    return [
        f"{row['records_per_s']:,.0f}",
        f"{row['mb_per_s']:,.1f}",
        f"{row['us_per_record']:,.2f}",
        "–" if cpu is None else f"{cpu:,.2f}",
        str(row["median_of"]),
        f"±{row['spread'] / 2:.1%}",
    ]


def _told(words: str) -> Markup:
    return Markup('<p class="told">{}</p>').format(words) if words else Markup("")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _engine(row: Mapping[str, Any]) -> str:
    interval = row["commit_interval_ms"]
    return "direct, no engine" if interval is None else f"commits every {interval} ms"


def _added(row: Mapping[str, Any]) -> float:
    return float(row["added_p99_ms"])


def _is_row(value: object) -> bool:
    return isinstance(value, dict) and ("wall_s" in value or "skipped" in value)
