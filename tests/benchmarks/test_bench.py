"""`sluicegate bench` as it is used: from a shell, on the embedded broker."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from bench_command import bench, bench_json

from engine.policy import load_policy

QUICK = ("--records", "200", "--repetitions", "2", "--rules", "1")


def test_throughput_measures_the_core_and_its_limits() -> None:
    """One object: each row with rate, volume, repetitions and spread; ratios between them; what it ran on."""
    found = bench_json("throughput", *QUICK, "--stream-records", "400")
    for name in ("core", "gate", "parse", "relay", "engine", "core_clean", "gate_clean"):
        assert found[name]["records_per_s"] > 0, name
        assert found[name]["mb_per_s"] > 0
        assert found[name]["median_of"] >= 2
        assert found[name]["spread"] >= 0
    assert found["peers"] == {}
    assert set(found["ratios"]) == {"core/gate", "core_clean/gate_clean", "core/parse", "engine/relay"}
    assert found["startup"]["seconds"] > found["startup"]["policy_seconds"] > 0
    [corpus] = found["corpora"]
    assert sum(corpus["outcomes"].values()) == corpus["records"] == 200
    assert 0.3 < corpus["hits"] < 0.6
    assert found["machine"]["versions"]["hyperscan"]


def test_a_bad_input_is_one_line_and_the_rest_runs(tmp_path: Path) -> None:
    """Two of three inputs cannot be used: both are named, the third is measured, the exit code says so."""
    good, empty = tmp_path / "good.ndjson", tmp_path / "empty.ndjson"
    good.write_text('{"user": "jane@example.com"}\n{"user": "nobody"}\n')
    empty.write_text("")
    done = bench(
        "throughput", "--input", empty, "--input", good, "--input", tmp_path / "no.ndjson", "--no-stream", *QUICK
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"sluicegate: {empty}: is empty: there is no record in it",
        f"sluicegate: {tmp_path / 'no.ndjson'}: cannot be read: no such file or directory",
    ]
    assert "good: 2 records" in done.stdout


@pytest.mark.parametrize("content", [None, "", "not json\n"])
def test_without_any_input_there_is_nothing_to_do(tmp_path: Path, content: str | None) -> None:
    """One line, exit code 2."""
    path = tmp_path / "bad.ndjson"
    if content is not None:
        path.write_text(content)
    done = bench("throughput", "--input", path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr


def test_a_broker_that_is_not_there_is_a_line(tmp_path: Path) -> None:
    """The rows that need it say so; the others are measured."""
    broker = "kafka://127.0.0.1:1?timeout=1"
    done = bench("throughput", *QUICK, "--broker", broker, "--json")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    found = json.loads(done.stdout)
    assert found["core"]["records_per_s"] > 0
    assert "127.0.0.1:1" in found["engine"]["skipped"]
    assert set(found["ratios"]) == {"core/gate", "core_clean/gate_clean", "core/parse"}


def test_a_small_catalogue_is_padded() -> None:
    """To as many rules as were asked for."""
    wanted = len(load_policy().detector.rules) + 9
    found = bench_json("throughput", "--no-stream", "--records", "20", "--repetitions", "1", "--rules", str(wanted))
    assert found["startup"]["rules"] == wanted


def test_scaling_fits_exponents() -> None:
    """Each axis is a series of points with the fit; the gate alone stands beside the core."""
    found = bench_json("scaling", "size", "hits", "--volume", "0.2", "--repetitions", "1", "--rules", "1")
    clean, mixed, hits = found["series"]
    assert [one["x"] for one in hits["points"]] == [0, 0.1, 0.25, 0.5, 0.75, 1]
    assert [len(one["points"]) for one in (clean, mixed)] == [len(one["gate"]) for one in (clean, mixed)] == [7, 7]
    assert 0.5 < mixed["exponent"] < 2
    assert "exponent" in hits["told"]


def test_scaling_puts_workers_side_by_side() -> None:
    """Processes of the core alone, and a group on a broker."""
    found = bench_json(
        *("scaling", "workers", "--workers", "2", "--volume", "0.1"),
        *("--repetitions", "1", "--rules", "1", "--stream-records", "800"),
    )
    alone, group = found["series"]
    assert [one["x"] for one in alone["points"]] == [one["x"] for one in group["points"]] == [1, 2]
    assert all(one["records_per_s"] > 0 for one in alone["points"])
    assert group["points"][0]["records_per_s"] > 0


def test_latency_is_told_by_rate_and_commit_interval() -> None:
    """Direct and through the engine at each rate, with what the engine adds."""
    found = bench_json(
        *("latency", "--records", "100", "--rules", "1", "--rate", "100", "--seconds", "0.5", "--repetitions", "1"),
        *("--commit-interval", "5", "--commit-interval", "400"),
    )
    assert [one["commit_interval_ms"] for one in found["latency"]] == [None, 5, 400]
    for one in found["latency"]:
        assert 0 < one["p50_ms"] <= one["p95_ms"] <= one["p99_ms"] <= one["p99.9_ms"] <= one["max_ms"]
    assert found["latency"][2]["added_p50_ms"] > found["latency"][1]["added_p50_ms"]


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
def test_soak_watches_memory() -> None:
    """Without a broker, and on one; short as it is, it tells records, level and growth."""
    for more in ((), ("--broker", "embedded")):
        done = bench("soak", "--records", "4000", "--rules", "1", *more, "--json")
        found = json.loads(done.stdout)["soak"]
        assert done.returncode == (1 if found["flat"] is False else 0)
        assert found["records"] == 4_000
        assert 20 < found["level_mb"] <= found["peak_mb"] < 1000


def test_gate_measures_from_the_click_to_the_return_and_what_waiting_costs() -> None:
    """Agents that wait on a service in a process of its own: times with their limit, its memory and threads."""
    found = bench_json("gate", "--agents", "20", "--decisions", "5", "--seconds", "1")["gate"]
    assert (found["agents_waiting"], found["decisions"], found["limit_ms"]) == (20, 5, 250)
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["max_ms"]
    service = found["service"]
    assert len(service["waiting_mb"]) >= 3
    assert 20 < service["before_mb"] < 2_000
    assert 0 < service["threads"] < 80


def test_approvals_measures_pages_votes_and_live() -> None:
    """The reviewer service in a process of its own: each figure with its limit, pages by their size, all votes cast."""
    small = ("--requests", "150", "--waiting", "30", "--votes", "20", "--people", "4", "--samples", "5")
    done = bench("approvals", *small, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["name"]: row for row in found["approvals"]}
    assert (found["requests"], found["waiting"], found["database"]) == (150, 30, "sqlite")
    assert rows["vote committed, 4 at once"]["count"] == 20
    assert rows["queue"]["limit_ms"] == 150
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["max_ms"] for row in rows.values())
    assert all(0 < rows[name]["bytes"] < 50_000 for name in ("queue", "history", "one request"))


def test_hostile_texts_are_measured_against_prose() -> None:
    """Each text as a text and in JSON: how many times prose it takes, what comes of it, how much is found."""
    found = {
        (one["text"], one["form"]): one for one in bench_json("hostile", "--bytes", "2000", "--passes", "1")["texts"]
    }
    assert {form for _, form in found} == {"text", "json"}
    assert all(one["ms"] > 0 and one["core"] > 0 and one["gate"] > 0 for one in found.values())
    assert found["percent-encoding", "json"]["outcome"] == "clean"
    assert found["e-mail addresses", "text"]["findings"] == 2000 // 21
