"""Texts that were made to be dear: what the core and the gate take for each, as multiples of plain prose.

Each text is one short unit again and again, or one with a number that counts up, as a record by itself or as the only
member of a JSON object. What is reported is the shortest processor time of a few passes: what disturbs one makes it
longer.
"""

from __future__ import annotations

import json
import string
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from random import Random
from typing import Any

from benchmarks.core import Core
from engine.policy.compiled import Policy
from engine.routing import kind

_WORD = 5  # bytes of a word and the space behind it, at most on average
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


def _drawn(signs: str, least: int, most: int) -> Callable[[int], str]:
    """Words of ``least`` to ``most`` of ``signs``, drawn by a number."""

    def word(number: int) -> str:
        rng = Random(number)  # noqa: S311 (nothing is to be kept from anybody)
        return "".join(rng.choices(signs, k=rng.randint(least, most)))

    return word


_LETTERS = string.ascii_letters + string.digits
_words, _letter = _drawn(_LETTERS, 3, 40), _drawn(string.ascii_letters, 1, 1)
NEVER_THE_SAME: dict[str, Callable[[int], str]] = {
    "numbered passwords left out": "password {} ".format,
    "numbered options": " --password {}".format,
    "numbered lines": "error {} at line\n".format,
    "numbered pairs": "a{0}=b{0} ".format,
    "numbered colons": "{}:".format,
    "numbered base64": lambda number: b64encode(b"hello world %d " % number).decode() + " ",
    "numbered hexadecimal": lambda number: f"6162636465666768{number:04x} ",
    "identifiers": lambda number: f"{number:08x}-1234-4abc-8def-1234567890ab ",
    "percent-encoded letters": lambda number: f"%{ord(_letter(number)):02x}",
    "references to letters": lambda number: f"&#{ord(_letter(number))};",
    "letters by their numbers": lambda number: f"\\x{ord(_letter(number)):02x}",
    "random letters": _drawn(_LETTERS, 1, 1),
    "random words": lambda number: _words(number) + " ",
    "random digits": _drawn(string.digits, 1, 1),
    "random hexadecimal": _drawn("0123456789abcdef", 1, 1),
    "random characters": _drawn(string.printable[:95], 1, 1),
}
"""Units that are never the same, by a number that counts up; in some of these texts a little is found by chance."""


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
        prose = record(prose_of(size), form)
        plain = _shortest(core, prose, passes * 3), _shortest_of(partial(hits, prose), passes * 3)
        for name, text in texts(size).items():
            data = record(text, form)
            (outcome,) = core.sanitize([data])
            took, gate = _shortest(core, data, passes), _shortest_of(partial(hits, data), passes)
            found: Sequence[object] = getattr(outcome, "redactions", ())
            yield Price(name, form, took * 1e3, took / plain[0], gate / plain[1], str(kind(outcome)), len(found))
            advance()


def texts(size: int) -> dict[str, str]:
    """All of them, up to ``size`` bytes each."""
    again = {name: unit * (size // len(unit.encode())) for name, unit in (NOTHING_IN_IT | FULL_OF_FINDINGS).items()}
    return again | {name: _joined(make, size) for name, make in NEVER_THE_SAME.items()}


def _joined(make: Callable[[int], str], size: int) -> str:
    units, left = list[str](), size
    for number in count():
        unit = make(number)
        left -= len(unit)
        if left < 0:
            break
        units.append(unit)
    return "".join(units)


def prose_of(size: int) -> str:
    """About ``size`` bytes of prose that does not repeat itself: its words in ever other orders."""
    words, order = PROSE.split(), Random(size)  # noqa: S311 (nothing is to be kept from anybody)
    return " ".join(order.choice(words) for _ in range(size // _WORD))[:size]


def record(text: str, form: str) -> bytes:
    """A text as a record by itself, or as the only member of one."""
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
