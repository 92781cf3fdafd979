"""Many values are found in a text as each would be by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.occurrences import Values

SHORT = st.binary(min_size=1, max_size=12).map(lambda data: bytes(byte % 3 + 97 for byte in data))


def one_by_one(values: set[bytes], text: bytes) -> dict[bytes, list[int]]:
    found = {value: [at for at in range(len(text)) if text.startswith(value, at)] for value in values}
    return {value: places for value, places in found.items() if places}


@given(st.sets(SHORT, max_size=60), st.binary(max_size=80).map(lambda data: bytes(byte % 3 + 97 for byte in data)))
def test_together_as_one_by_one(values: set[bytes], text: bytes) -> None:
    """Few or many, short or long, overlapping or within each other: the same places in the same order."""
    expected = one_by_one(values, text)
    assert Values(values).places(text) == expected
    assert Values(values).stand_in(text) == bool(expected)


@pytest.mark.parametrize("count", [3, 3_000])
def test_what_only_begins_like_one_is_none(count: int) -> None:
    """A text that holds the beginnings of many values holds none of them."""
    values = Values([b"AKIA-begins-%d-end" % number for number in range(count)])
    assert not values.stand_in(b"AKIA-begins-1-en AKIA-begins-99")
    assert values.places(b"x AKIA-begins-2-end AKIA-begins-2-end") == {b"AKIA-begins-2-end": [2, 20]}
