"""Charts as SVG, drawn by ourselves: no script, nothing fetched. Colours are the page's (`benchmarks.page`).

`bars` compares several series, `rates` shows measurements with the range of their repetitions, `lines` is in
`benchmarks.curves`. Pointing at a mark shows its figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 760
LEFT, RIGHT = 190, 90  # pixels for names, and for the figure at a bar's end
BAR, GAP, BETWEEN = 14, 2, 14  # pixels: a bar, between bars of a group, between groups
COLOURS = 6  # that the page has
_ROW = 16  # pixels: a bar that stands alone
_NOTHING = Markup("")


def bars(
    title: str,
    groups: Mapping[str, Mapping[str, float | None]],
    shown: Callable[[float], str],
    *,
    top: float | None = None,
    log: bool = False,
) -> Markup:
    """Horizontal bars: a group for each name, a bar for each series in it, in the same order everywhere.

    ``shown`` writes a value; a value of None has no bar. ``top`` is the end of the scale, by default the largest value.
    On a logarithmic scale bars begin at a power of ten below the smallest value.
    """
    series = list(dict.fromkeys(name for group in groups.values() for name in group))
    values = [value for group in groups.values() for value in group.values() if value is not None]
    scale = _scale(values, top, log=log)
    parts: list[Markup] = []
    at = 30 if len(series) > 1 else 8
    if len(series) > 1:
        parts += _legend(series)
    for name, group in groups.items():
        height = len(group) * (BAR + GAP)
        parts.append(_text(LEFT - 8, at + height / 2 + 4, name, "end"))
        for one, value in group.items():
            if value is None:
                parts.append(_text(LEFT + 4, at + BAR - 3, "–", "start", "faint"))
            else:
                wide = max(1.0, scale(value) * (WIDTH - LEFT - RIGHT))
                told = f"{name}, {one}: {shown(value)}" if len(series) > 1 else f"{name}: {shown(value)}"
                parts.append(
                    Markup(
                        '<rect class="c{}" x="{}" y="{}" width="{:.1f}" height="{}" rx="2"><title>{}</title></rect>'
                    ).format(series.index(one) % COLOURS, LEFT, at, wide, BAR, told)
                )
                parts.append(_text(LEFT + wide + 6, at + BAR - 3, shown(value), "start", "figure"))
            at += BAR + GAP
        at += BETWEEN
    return figure(title, at, parts)


@dataclass(frozen=True, slots=True)
class Rate:
    """One bar, with a whisker from ``low`` to ``high``. ``kind`` is its class: ours, limit, other."""

    name: str
    value: float
    low: float
    high: float
    kind: str = "other"


def rates(title: str, rows: Sequence[Rate], *, below: Markup = _NOTHING) -> Markup:
    """A bar for each of ``rows``, on one scale that begins at 0; ``below`` follows it in the same figure."""
    top = max((row.high for row in rows), default=1) or 1
    room = WIDTH - LEFT - RIGHT
    parts: list[Markup] = []
    for number, row in enumerate(rows):
        at = number * (_ROW + BETWEEN) + 4
        middle, wide = at + _ROW / 2, max(1.0, row.value / top * room)
        shown = f"{row.value:,.0f}"
        parts.append(_text(LEFT - 10, middle + 4, row.name, "end"))
        parts.append(
            Markup('<rect class="{}" x="{}" y="{}" width="{:.1f}" height="{}" rx="3"><title>{}</title></rect>').format(
                row.kind, LEFT, at, wide, _ROW, f"{row.name}: {shown}, {row.low:,.0f} to {row.high:,.0f}"
            )
        )
        low, high = LEFT + row.low / top * room, LEFT + row.high / top * room
        parts.append(
            Markup('<path class="whisker" d="M{0:.1f} {2}H{1:.1f}M{0:.1f} {3}v8M{1:.1f} {3}v8"/>').format(
                low, high, middle, middle - 4
            )
        )
        parts.append(_text(max(LEFT + wide, high) + 8, middle + 4, shown, "start", "figure"))
    return figure(title, len(rows) * (_ROW + BETWEEN), parts, below=below)


def figure(
    title: str, height: float, parts: Sequence[Markup], *, above: Markup = _NOTHING, below: Markup = _NOTHING
) -> Markup:
    """An SVG of `WIDTH` by ``height`` with its title, which scales with the page; HTML may stand around it."""
    drawing = Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>')
    drawn = drawing.format(WIDTH, height, title, _NOTHING.join(parts))
    return Markup("<figure><figcaption>{}</figcaption>{}{}{}</figure>").format(title, above, drawn, below)


def _scale(values: Sequence[float], top: float | None, *, log: bool) -> Callable[[float], float]:
    """From a value to its share of the width."""
    most = top or max(values, default=1) or 1
    positive = [value for value in values if value > 0]
    if not log or not positive:
        return lambda value: value / most
    low = math.floor(math.log10(min(positive))) - 0.2
    span = math.log10(most) - low
    return lambda value: (math.log10(value) - low) / span if value > 0 else 0


def _legend(series: Sequence[str]) -> list[Markup]:
    out, x = [], LEFT
    for number, name in enumerate(series):
        out.append(Markup('<rect class="c{}" x="{}" y="6" width="10" height="10" rx="2"/>').format(number % COLOURS, x))
        out.append(_text(x + 15, 15, name))
        x += 40 + 7 * len(name)
    return out


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, kind, escape(text)
    )
