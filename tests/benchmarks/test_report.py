"""The report: what changed between two runs, and a page that needs nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench_command import bench
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.curves import Line, lines, short
from benchmarks.delays import Delay
from benchmarks.fits import power_law
from benchmarks.growth import Series
from benchmarks.measurement import Measurement, Skipped
from benchmarks.memory import Soak
from benchmarks.report.compare import compared, interval
from benchmarks.report.parts import MAKERS, report

SAMPLES = st.lists(st.floats(0.5, 2), min_size=1, max_size=8)


def row(*wall: float) -> dict[str, Any]:
    return Measurement("core", 1000, 500_000, wall, wall).as_json()


def results(core: tuple[float, ...] = (0.1, 0.11, 0.12), p99: float = 0.05, processor: str = "X 1") -> dict[str, Any]:
    """A run of everything, as `bench report` keeps it."""
    made = {"name": "made <up>", "origin": "generated", "records": 1000, "bytes": 500_000, "mean_bytes": 500}
    ratios = {"core/gate": 0.5}
    corpus = {
        **made,
        "core": row(*core),
        "gate": row(0.05, 0.05, 0.05),
        "relay": Skipped("relay", "no <broker>").as_json(),
    }
    throughput = {**corpus, "peers": {}, "ratios": ratios, "hits": 0.44, "outcomes": {"clean": 560}}
    peers = {
        **made,
        "core": row(*core),
        "peers": {"vrl": row(0.4, 0.4), "gone": {"skipped": "install it"}},
        "ratios": {"core/peer:vrl": 4.0},
    }
    points = [(10.0, Measurement("", 10, 10, (1.0,))), (100.0, Measurement("", 10, 10, (2.0,)))]
    series = [
        Series("rules", "rules", "rules", points, points),
        Series("workers", "workers", "processes", points, rising=True),
    ]
    delays = [Delay(100, None, [[0.001, 0.002]], half=True), Delay(100, 25, [[p99 / 2, p99]], half=True)]
    late = [one.as_json() for one in delays]
    late[1]["added_p99_ms"] = 48.0
    return {
        "format": 1,
        "when": "2026-01-02T03:04:05Z",
        "command": "sluicegate bench report",
        "machine": {
            "processor": processor,
            "cores": 2,
            "memory_gb": 8.0,
            "system": "Linux",
            "python": "CPython",
            "versions": {"orjson": "3"},
        },
        "parts": {
            "throughput": {
                "command": "bench t",
                "rules": 350,
                "startup": {"seconds": 0.5, "rules": 350},
                "core": row(*core),
                "ratios": ratios,
                "corpora": [throughput],
            },
            "peers": {"command": "bench p", "corpora": [peers]},
            "latency": {"command": "bench l", "latency": late},
            "scaling": {"command": "bench g", "series": [{"name": one.name, **one.as_json()} for one in series]},
            "soak": {
                "command": "bench s",
                "broker": False,
                "soak": Soak([(n * 1000, 80.0) for n in range(1, 30)], 1.0).as_json(),
            },
        },
    }


@given(SAMPLES, SAMPLES)
def test_an_interval_lies_within_what_the_repetitions_allow(old: list[float], new: list[float]) -> None:
    """Never beyond the ratio of extremes; a run compared with itself may be the same."""
    low, high = interval(old, new)
    assert min(old) / max(new) <= low <= high <= max(old) / min(new)
    low, high = interval(old, old)
    assert low <= 1 <= high


def test_changes_are_told_by_what_they_mean() -> None:
    """Half the time is twice as fast, half the latency too; repetitions that overlap tell nothing."""
    old = results()["parts"]
    found = {one.name: one for one in compared(old, results(core=(0.05, 0.055, 0.06), p99=0.1)["parts"])}
    core = found["throughput: made <up>, core"]
    assert (core.ratio, core.verdict) == (pytest.approx(2.0), "faster")
    late = found["latency: p99, half load, commit interval 25 ms"]
    assert (late.ratio, late.verdict, late.unit) == (pytest.approx(0.5), "slower", "ms")
    assert found["throughput: made <up>, gate"].verdict == "same"
    assert {"peers: made <up>, vrl", "scaling: rules, 100"} <= set(found)
    noisy = compared(old, results(core=(0.08, 0.11, 0.2))["parts"])
    assert {one.verdict for one in noisy} == {"same"}


def test_what_one_run_lacks_is_not_compared() -> None:
    """Only what both hold."""
    some = {"throughput": results()["parts"]["throughput"]}
    assert {one.name.partition(":")[0] for one in compared(some, results()["parts"])} == {"throughput"}
    assert compared({}, results()["parts"]) == []


def test_the_page_holds_everything_and_needs_nothing() -> None:
    """Each part with plot and command, machine and versions; no script, nothing to fetch; names are escaped."""
    now = results()
    text = report(now, compared(results(processor="Y 2")["parts"], now["parts"]), results(processor="Y 2"))
    ElementTree.fromstring(
        text.replace("<!doctype html>", "").replace('<meta charset="utf-8">', "").replace('scale=1">', 'scale=1"/>')
    )
    assert set(now["parts"]) == set(MAKERS)
    assert text.count("<svg") == 6
    for shown in (
        "bench t",
        "bench p",
        "bench l",
        "bench g",
        "bench s",
        "orjson",
        "made &lt;up&gt;",
        "Y 2 then, X 1 now",
    ):
        assert shown in text, shown
    assert "no &lt;broker&gt;" in text
    assert "install it" in text
    assert not re.search(r"<script|<link|src=|href=.[^#]|url\(|@import|<up>", text)


@pytest.mark.parametrize("part", list(MAKERS))
def test_a_page_of_a_part_alone(part: str) -> None:
    """Whatever was not measured is not on the page."""
    one = results()
    one["parts"] = {part: one["parts"][part]}
    assert report(one).count("<section") == 2


def test_lines_are_drawn_to_scale() -> None:
    """On logarithmic scales, ten times as much is as far everywhere; what has no logarithm is left out."""
    chart = lines("x", [Line("a", [(0, 5), (1, 10), (10, 100), (100, 1000)])], x="x", y="y", log=True)
    dots = [(float(a), float(b)) for a, b in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart)]
    assert len(dots) == 3
    (a, b, c) = dots
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.2)
    assert a[1] - b[1] == pytest.approx(b[1] - c[1], abs=0.2)
    assert lines("x", [Line("a", [])], x="x", y="y") == ""


def test_numbers_on_an_axis_are_short() -> None:
    """As people write them."""
    assert [short(n) for n in (0.5, 20, 1500, 200_000, 3e6)] == ["0.5", "20", "1.5k", "200k", "3M"]
    assert power_law([]) is None


def test_report_measures_writes_and_compares(tmp_path: Path) -> None:
    """A page and its figures; then the same figures as a page beside themselves."""
    page, figures = tmp_path / "page.html", tmp_path / "page.json"
    done = bench(
        *("report", "--out", page, "--part", "throughput", "--part", "soak", "--soak-records", "2000"),
        *("--records", "100", "--repetitions", "2", "--rules", "1", "--no-stream"),
    )
    assert done.returncode == 0, done.stderr
    assert "sluicegate bench throughput" in page.read_text()
    found = json.loads(figures.read_text())
    assert set(found["parts"]) == {"throughput", "soak"}
    assert found["core"]["records_per_s"] > 0
    again = tmp_path / "again.html"
    done = bench("report", "--from", figures, "--compare", figures, "--out", again, "--json")
    assert done.returncode == 0, done.stderr
    assert {one["verdict"] for one in json.loads(done.stdout)["changes"]} == {"same"}
    assert "Compared" in again.read_text()
    assert not again.with_suffix(".json").exists()


@pytest.mark.parametrize("content", [None, "{}", "no json", '{"format": 0, "parts": {}, "machine": {}}'])
def test_what_is_no_earlier_run_is_said_first(tmp_path: Path, content: str | None) -> None:
    """One line that names the file, before anything is measured."""
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content)
    done = bench("report", "--compare", path, "--out", tmp_path / "new.html")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert not (tmp_path / "new.html").exists()
