"""Growth as a number: least squares over what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import LinearRegression, correlation, linear_regression


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``y = factor * x ** exponent``; ``r2`` is the share of the logarithms' variance that it explains."""

    exponent: float
    factor: float
    r2: float

    def __str__(self) -> str:
        return f"exponent {self.exponent:+.2f} (R² {self.r2:.2f})"


def power_law(points: Sequence[tuple[float, float]]) -> PowerLaw | None:
    """The power law through ``points`` by least squares of the logarithms; None for fewer than two of them above 0."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    xs, ys = zip(*logs, strict=True)
    line = linear_regression(xs, ys)
    return PowerLaw(line.slope, math.exp(line.intercept), _r2(xs, ys))


def line(points: Sequence[tuple[float, float]]) -> LinearRegression | None:
    """The straight line through ``points``; None for fewer than two."""
    if len({x for x, _ in points}) < 2:
        return None
    xs, ys = zip(*points, strict=True)
    return linear_regression(xs, ys)


def _r2(xs: Sequence[float], ys: Sequence[float]) -> float:
    return correlation(xs, ys) ** 2 if len(set(ys)) > 1 else 1.0
