"""Lines as SVG over one scale, linear or logarithmic. Colours are the page's (`benchmarks.page`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from benchmarks.charts import WIDTH, figure

HEIGHT = 300
_CLOSE = 0.02
_NOTHING = Markup("")
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 18, 14, 46  # pixels around the plot


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) joined by a line; ``dashed`` is for what was not measured but worked out, or is a limit."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    dashed: bool = False
    dots: bool = True


def lines(
    title: str,
    found: Sequence[Line],
    *,
    x: str,
    y: str,
    log: bool = False,
    ticks: Sequence[tuple[float, str]] | None = None,
    below: Markup = _NOTHING,
) -> Markup:
    """Lines over a common scale; a linear scale of y begins at 0. ``x`` and ``y`` say what stands at the axes.

    On logarithmic scales, points that are not above 0 are left out. ``ticks`` are those of x, where they are not
    numbers like others. ``below`` follows in the same figure.
    """
    usable = [(line, [(a, b) for a, b in line.points if (a > 0 and b > 0) or not log]) for line in found]
    usable = [(line, points) for line, points in usable if points]
    if not usable:
        return _NOTHING
    xs, ys = ([point[axis] for _, points in usable for point in points] for axis in (0, 1))
    ticks_x = [*(ticks or _ticks(min(xs), max(xs), log=log))]
    ticks_y = _ticks(min(ys) if log else min(0.0, *ys), max(ys), log=log)
    at_x = _scale(min(*xs, ticks_x[0][0]), max(*xs, ticks_x[-1][0]), _LEFT, WIDTH - _RIGHT, log=log)
    at_y = _scale(min(*ys, ticks_y[0][0]), max(*ys, ticks_y[-1][0]), HEIGHT - _BOTTOM, _TOP, log=log)
    parts = _axes(
        [(at_x(value), name) for value, name in ticks_x], [(at_y(value), name) for value, name in ticks_y], x, y
    )
    for line, points in usable:
        places = [(at_x(a), at_y(b)) for a, b in points]
        way = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        parts.append(
            Markup('<path class="line l{}{}" d="{}"/>').format(line.colour, " dashed" if line.dashed else "", way)
        )
        if line.dots:
            parts += [
                Markup('<circle class="c{}" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle>').format(
                    line.colour, *place, f"{line.name}: {short(u)} → {short(v)}"
                )
                for place, (u, v) in zip(places, points, strict=True)
            ]
    keys = [
        Markup('<span><i class="l{}{}"></i>{}</span>').format(line.colour, " dashed" if line.dashed else "", line.name)
        for line, _ in usable
    ]
    legend = Markup('<div class="legend">{}</div>').format(Markup("").join(keys))
    return figure(title, HEIGHT, parts, above=legend, below=below)


def _axes(xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, str]], x: str, y: str) -> list[Markup]:
    foot, text = HEIGHT - _BOTTOM, Markup('<text class="faint" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    parts = []
    for at, name in ys:
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(_LEFT, at, WIDTH - _RIGHT))
        parts.append(text.format(_LEFT - 8, at + 4, "end", name))
    for at, name in xs:
        parts.append(Markup('<path class="grid" d="M{:.1f} {}v4"/>').format(at, foot))
        parts.append(text.format(at, foot + 18, "middle", name))
    parts.append(text.format((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, "middle", x))
    turned = Markup('<text class="faint" text-anchor="middle" transform="translate(13 {}) rotate(-90)">{}</text>')
    return [*parts, turned.format((foot + _TOP) / 2, y)]


def short(value: float) -> str:
    """A number as one reads it on an axis: 0.5, 20, 1.5k, 200k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _ticks(low: float, high: float, *, log: bool) -> list[tuple[float, str]]:
    """Values that are read easily and take in ``low`` and ``high``."""
    if log:
        # A value that is hardly beyond a power of ten needs no room up to the next.
        first, last = math.floor(math.log10(low) + _CLOSE), math.ceil(math.log10(high) - _CLOSE)
        last = max(last, first + 1)
        return [(10.0**power, short(10.0**power)) for power in range(first, last + 1)]
    span = (high - low) or abs(high) or 1.0
    rough = span / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 2.5, 5, 10) if size * times >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [(number * step, short(number * step)) for number in range(first, max(last, first + 1) + 1)]


def _scale(low: float, high: float, start: float, end: float, *, log: bool) -> Callable[[float], float]:
    if log:
        low, high = math.log10(low), math.log10(high)
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * ((math.log10(value) if log else value) - low) / span
