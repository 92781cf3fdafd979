r"""Long runs: where tokens stand.

Half of all patterns of the gate are of a token that is known by its prefix: sixteen letters, digits, dashes and
underscores or more in a row, and nothing else but what is written to them without white space, quotes or brackets.
In a log such stretches are a tenth of the bytes or less, so the helper cuts them out, and Hyperscan looks for these
patterns there alone; the other literals, fewer then, make the first pass quicker as well. Where there is no helper, it
looks for all patterns everywhere, which is the reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import orjson

from detectors import cachefile
from detectors.gateform import goes_on, longest_run, parsed

LEAST = 16
_RUN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_STRETCH = frozenset(range(256)) - frozenset(b" \t\n\v\f\r\"'`,()[]{}<>")
_LONG_RUN = re.compile(rb"[A-Za-z0-9_-]{%d}" % LEAST)
_STRETCHES = re.compile(rb"[^ \t\n\v\f\r\"'`,()\[\]{}<>]{%d,}" % LEAST)


def cut_pure(data: bytes, /) -> bytes:
    """The stretches without white space, quotes, commas and brackets that hold a long run, a space between."""
    return b" ".join([one for one in _STRETCHES.findall(data) if _LONG_RUN.search(one)])


def within_stretches(patterns: Mapping[int, bytes]) -> frozenset[int]:
    """The ids of those ``patterns``, in Hyperscan's syntax, whose matches all stand within stretches with a long run.

    Kept for the next start.
    """
    told = [f"{number} {pattern.decode('latin-1')}" for number, pattern in patterns.items()]
    name = f"runs-{cachefile.digest([cachefile.code(Path(__file__).parent), orjson.dumps(told)])}.json"
    data = cachefile.load(name)
    if data is not None:
        return frozenset(orjson.loads(data))
    ids = frozenset(number for number, pattern in patterns.items() if is_within_stretch(pattern))
    cachefile.save(name, orjson.dumps(sorted(ids)))
    return ids


def is_within_stretch(pattern: bytes) -> bool:
    """Whether each match of ``pattern`` stands within a stretch that holds a long run."""
    try:
        items = list(parsed(pattern.decode("latin-1")))
        return longest_run(items, _RUN, LEAST) >= LEAST and goes_on(items, _STRETCH)
    except ValueError:
        return False
