"""Charts as SVG, drawn by ourselves: no script, nothing fetched. Colours are the page's (`benchmarks.page`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

WIDTH = 760
LEFT, RIGHT = 190, 90  # pixels for names, and for the figure at a bar's end
BAR, GAP, BETWEEN = 14, 2, 14  # pixels: a bar, between bars of a group, between groups
COLOURS = 6  # that the page has


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


def figure(title: str, height: float, parts: Sequence[Markup]) -> Markup:
    """An SVG of `WIDTH` by ``height`` with its title, which scales with the page."""
    drawing = Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>')
    drawn = drawing.format(WIDTH, height, title, Markup("").join(parts))
    return Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(title, drawn)


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
