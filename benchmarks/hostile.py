"""Texts that were made to be dear: what the core and the gate take for each, as multiples of plain prose.

Each text is one short unit again and again, as a record by itself or as the only member of a JSON object. What is
reported is the shortest processor time of a few passes: what disturbs a pass only makes it longer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from benchmarks.core import Core
from engine.policy.compiled import Policy
from engine.routing import kind

PROSE = (
    "The committee considers whether the new plan for the harbour is any better than the old one, which nobody had "
    "liked very much either. "
)
NOTHING_IN_IT: dict[str, str] = {
    "dots": ".",
    "digits": "1",
    "at signs": "a@a@a@",
    "one letter": "A",
    "percent-encoding": "%41",
    "quoted-printable": "=41",
    "references": "&#65;",
    "backslashes": "\\x41",
    "escapes of JSON": "\\u0041",
    "letters of two scripts": "jа",
    "unseen characters": "a\u200b",
    "joined quotes": "a''",
    "base64": "aGVsbG8gd29ybGQg ",
    "base64 in pairs": "a=aGVsbG8gd29ybGQgaGVs ",
    "hexadecimal": "616263646566676869 ",
    "gzip": "H4sIAAAAAAAAAAAAAAAA ",
    "breaks after equals signs": "a=\n",
    "passwords left out": "password ",
    "options": " --password ",
    "prefixes of tokens": "sk-",
    "numbers": "0170 ",
    "numbers after a word": "phone 0170 ",
    "cards that fail": "4111111111111112 ",
    "addresses that fail": "999.999.999.999 ",
    "address space": "1.1.1.1 ",
    "schemes": "http://",
    "colons": "1:",
    "pairs of hexadecimal digits": "ab:",
    "open objects": '{"a":',
}
"""Units of texts in which nothing is found."""
FULL_OF_FINDINGS: dict[str, str] = {
    "e-mail addresses": "jane.roe@example.com ",
    "telephone numbers": "+49 30 901820 ",
    "cards": "4111111111111111 ",
    "IPv6 addresses": "1:2:3:4:5:6:7:8 ",
    "passwords": "password is hunter2! ",
    "keys of clouds": "AKIAIOSFODNN7EXAMPLF ",
    "tokens": "eyJhbGciOiJIUzI1NiJ9.",
}
"""Units of texts in which much is found, each finding with its decision."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a text takes, as multiples of what prose of the same length does."""

    text: str
    form: str  # "text" or "json"
    ms: float  # of the core
    core: float
    gate: float
    outcome: str
    findings: int

    def as_json(self) -> dict[str, Any]:
        """For files."""
        return {**asdict(self), "ms": round(self.ms, 3), "core": round(self.core, 2), "gate": round(self.gate, 2)}


def prices(policy: Policy, size: int, passes: int, advance: Callable[[], None]) -> Iterator[Price]:
    """What each text of ``size`` bytes takes under ``policy``; ``advance`` is called after each."""
    core, hits = Core(policy), policy.detector.gate.hits
    for form in ("text", "json"):
        prose = record(PROSE, size, form)
        plain = _shortest(core, prose, passes * 3), _shortest_of(partial(hits, prose), passes * 3)
        for name, unit in (NOTHING_IN_IT | FULL_OF_FINDINGS).items():
            data = record(unit, size, form)
            (outcome,) = core.sanitize([data])
            took, gate = _shortest(core, data, passes), _shortest_of(partial(hits, data), passes)
            found: Sequence[object] = getattr(outcome, "redactions", ())
            yield Price(name, form, took * 1e3, took / plain[0], gate / plain[1], str(kind(outcome)), len(found))
            advance()


def record(unit: str, size: int, form: str) -> bytes:
    """``unit`` again and again, up to ``size`` bytes, as a record."""
    text = unit * (size // len(unit.encode()))
    return json.dumps({"message": text}, ensure_ascii=False).encode() if form == "json" else text.encode()


def _shortest(core: Core, data: bytes, passes: int) -> float:
    return _shortest_of(partial(core.accounted, [data]), passes)


def _shortest_of(run: Callable[[], object], passes: int) -> float:
    run()  # rules are compiled when they first hit
    times = []
    for _ in range(passes):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return max(min(times), 1e-9)
