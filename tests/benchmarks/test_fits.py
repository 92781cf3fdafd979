"""Growth as a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fits import line, power_law


@given(st.floats(-2, 2), st.floats(0.01, 1000))
def test_a_power_law_is_found(exponent: float, factor: float) -> None:
    """What grows by a power has that power as its exponent, whatever its unit; 0 has no logarithm and is left out."""
    found = power_law([(0, 1), *((x, factor * x**exponent) for x in (1, 10, 50, 1000))])
    assert found is not None
    assert found.exponent == pytest.approx(exponent, abs=1e-6)
    assert found.factor == pytest.approx(factor, rel=1e-6)


def test_noise_lowers_r2() -> None:
    """A fit that explains little says so."""
    found = power_law([(1, 1), (10, 100), (100, 1)])
    assert found is not None
    assert found.exponent == pytest.approx(0)
    assert found.r2 == pytest.approx(0)


def test_too_little_for_a_fit() -> None:
    """One point has no growth."""
    assert power_law([(1, 1), (1, 2)]) is None
    assert line([(1, 1)]) is None
