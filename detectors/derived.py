"""The shipped rules as `Catalogue` made them, kept for the next start: parsed, checked, and with their gates.

Reading YAML and deriving gates takes most of a second. What comes of it depends on the files and on the code alone, so
it is kept under the digest of both, as JSON; see `detectors.cachefile` for what is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from detectors import cachefile
from detectors.compiled import CompiledRule, Known
from detectors.rule import Example, Rule

_EXAMPLES = ("examples", "counter_examples", "known_misses")


def name_of(texts: Iterable[bytes]) -> str:
    """The file that keeps what is derived from rule files with these ``texts``."""
    return f"rules-{cachefile.digest([cachefile.code(Path(__file__).parent), *texts])}.json"


def load(name: str) -> list[tuple[CompiledRule, int]] | None:
    """Rules, and the place of the file that each is from; None if they are not there."""
    data = cachefile.load(name)
    if data is None:
        return None
    return [
        (CompiledRule(_rule(fields), Known(gate.encode("ascii"), numeric)), file)
        for fields, gate, numeric, file in orjson.loads(data)
    ]


def save(name: str, rules: Sequence[tuple[CompiledRule, int]]) -> None:
    """Keeps ``rules``."""
    rows = [(one.rule.model_dump(), one.gate.decode("ascii"), one.numeric, file) for one, file in rules]
    cachefile.save(name, orjson.dumps(rows))


def _rule(fields: dict[str, Any]) -> Rule:
    """The rule, which was checked before it was kept."""
    for name in _EXAMPLES:
        fields[name] = [Example.model_construct(**one) for one in fields[name]]
    return Rule.model_construct(**fields)
