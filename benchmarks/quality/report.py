"""Quality as a page: what each tool finds, leaks and harms, set by set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from benchmarks.charts import bars
from benchmarks.page import Part, page, table
from benchmarks.quality.show import COLUMNS, MORE, percent
from benchmarks.quality.tools import OURS

METHOD = """
Every tool is judged by its output alone, aligned with its input: what it says of its findings does not count. Found
values are labelled ones that a replacement touches; exact ones it covers and no more; typed ones bear a label that
means the same. Precision is the share of replacements that touch a labelled value, on rows whose values are known.

A value is clean if it is gone, at least 80 % of its letters and digits were replaced, and the row lost at most 20 % of
its text outside all values. It has leaked if it can still be read in the output, as it stands or in an encoding.

False alarms are raw lines in which something other than an e-mail address, IP, MAC or phone number was replaced.
"""


def report(found: Mapping[str, Any]) -> str:
    """The page for the object that ``bench quality --json`` writes."""
    parts = []
    for one in found["sets"]:
        tools = {name: figures for name, figures in one["tools"].items() if "skipped" not in figures}
        skipped = [f"{name}: {figures['skipped']}" for name, figures in one["tools"].items() if "skipped" in figures]
        body = Markup("").join(_figures(tools))
        head = ("", *(name for name, _ in (*COLUMNS, *MORE)))
        body += table(head, [(name, *(shown(f) for _, shown in (*COLUMNS, *MORE))) for name, f in tools.items()])
        for title, parts_of in (("family", "families"), ("label", "entities")):
            values = tools.get(OURS, {}).get(parts_of, {})
            if values:
                head = (f"Ours, by {title}", "values", *(name for name, _ in COLUMNS))
                rows = [(name, f"{f['spans']:,}", *(shown(f) for _, shown in COLUMNS)) for name, f in values.items()]
                body += table(head, rows)
        body += Markup("").join(Markup('<p class="faint">{}</p>').format(why) for why in skipped)
        parts.append(Part(one["name"], body, f"{one['rows']:,} rows."))
    return page("Sluicegate: quality of detection", found, parts, method=METHOD)


def _figures(tools: Mapping[str, Mapping[str, Any]]) -> list[Markup]:
    """What is found and what is harmed by tool, and what ours finds by family; as far as the set tells."""
    out = []
    found = {
        name: {"recall": f["overlapping"]["recall"], "precision": f["overlapping"]["precision"], "clean": f["clean"]}
        for name, f in tools.items()
        if f["spans"]
    }
    if found:
        out.append(bars("Labelled values, by tool", found, percent, top=1))
    changed = {name: {"": f["negatives_changed"]} for name, f in tools.items() if f["negatives"]}
    if changed:
        out.append(bars("Negatives changed: what looks like a secret and is none", changed, percent, top=1))
    alarms = {name: {"": f["false_alarms_per_10k"]} for name, f in tools.items() if f["raw"]}
    if alarms:
        out.append(bars("False alarms for each 10,000 raw lines", alarms, lambda value: f"{value:,.1f}"))
    families = tools.get(OURS, {}).get("families", {})
    if families:
        parts = {name: {"recall": f["overlapping"]["recall"], "clean": f["clean"]} for name, f in families.items()}
        out.append(bars("Ours, by family", parts, percent, top=1))
    return out
