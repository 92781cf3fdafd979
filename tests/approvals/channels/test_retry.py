"""When the next attempt is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from approval_makers import NOW
from hypothesis import given
from hypothesis import strategies as st

from approvals.channels.retry import ATTEMPTS, pause_ms, retry_after_ms

HOUR = 3_600_000


@given(st.integers(1, 1_000), st.floats(0, 1))
def test_a_pause_grows_is_bounded_and_varies(attempts, luck):
    """From 2.5 s to 6 h; who failed together does not come back together."""
    pause = pause_ms(attempts, luck=luck)
    assert 2_500 <= pause <= 6 * HOUR
    assert pause <= pause_ms(attempts, luck=0) <= pause_ms(attempts + 1, luck=0)
    assert pause_ms(attempts, luck=1) * 2 == pause_ms(attempts, luck=0)


def test_all_attempts_together_span_a_night():
    """An end that is away from evening to morning misses nothing."""
    assert 6 * HOUR < sum(pause_ms(n, luck=0.5) for n in range(1, ATTEMPTS)) < 24 * HOUR


DATE = datetime.fromtimestamp(NOW / 1000, UTC)


@pytest.mark.parametrize(
    ("header", "ms"),
    [
        ("30", 30_000),
        (" 0 ", 0),
        ("999999", HOUR),
        ("9" * 50, None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        (None, None),
        ("soon", None),
        (format_datetime(DATE + timedelta(seconds=90), usegmt=True), 90_000),
        (format_datetime(DATE - timedelta(seconds=90), usegmt=True), 0),
        (format_datetime(DATE + timedelta(days=9), usegmt=True), HOUR),
    ],
)
def test_retry_after(header, ms):
    """Seconds or a date, an hour at most; what is neither says nothing."""
    assert retry_after_ms(header, now=NOW) == ms
