"""Charts are drawn to scale, and what they show is text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from benchmarks.charts import LEFT, RIGHT, WIDTH, bars
from benchmarks.page import Part, page, table

MACHINE = {"processor": "<q>", "cores": 2, "memory_gb": 8.0, "system": "s", "python": "p", "versions": {}}


def widths(chart: str) -> dict[str, float]:
    """The width of each bar, by what it tells when pointed at."""
    found = ElementTree.fromstring(chart).iter("rect")
    return {rect[0].text or "": float(rect.attrib["width"]) for rect in found if len(rect)}


def test_bars_are_as_long_as_their_values() -> None:
    """The longest fills the room; what is not known has no bar, and its place."""
    chart = bars("Speed", {"a": {"x": 50.0, "y": None}, "b": {"x": 100.0, "y": 25.0}}, lambda value: f"{value:.0f}/s")
    room = WIDTH - LEFT - RIGHT
    assert widths(chart) == {"a, x: 50/s": room / 2, "b, x: 100/s": room, "b, y: 25/s": room / 4}
    assert chart.count("–") == 1


def test_a_logarithmic_scale_keeps_order_and_ratios() -> None:
    """Ten times as much is as much longer everywhere."""
    chart = bars("Speed", {name: {"": 10.0**n} for n, name in enumerate("abc")}, str, log=True)
    first, second, third = widths(chart).values()
    assert 0 < first < second < third
    assert third - second == pytest.approx(second - first, abs=0.2)


def test_names_are_escaped() -> None:
    """A file may be called anything."""
    chart = bars("<b>", {"<script>": {"": 1.0}}, str)
    shown = page("<i>", {"when": "", "command": "<c>", "machine": MACHINE}, [Part("<h>", chart)], method="<m>")
    shown += str(table(["<x>"], [["<y>"]]))
    assert not re.search(r"<(b|i|script|c|h|m|q|x|y)>", shown)  # as they are
    assert "&lt;script&gt;" in shown
