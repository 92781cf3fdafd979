"""What announces privileged actions, as `engine.actions.literals` worked it out, kept for the next start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from detectors import cachefile
from engine.actions.decide import CompiledRules
from engine.actions.literals import ForcesParse, GatePatterns, gate_patterns
from engine.actions.profile import Profile

_FOLDER = Path(__file__).parent


def kept_patterns(rules: CompiledRules, profiles: Sequence[Profile], texts: Iterable[str]) -> GatePatterns:
    """`gate_patterns` of ``rules`` and ``profiles``, which were read from ``texts``."""
    parts = [cachefile.code(_FOLDER), cachefile.code(Path(cachefile.__file__).parent), *map(str.encode, texts)]
    name = f"actions-{cachefile.digest(parts)}.json"
    data = cachefile.load(name)
    if data is not None:
        patterns, names, words, forced = orjson.loads(data)
        return GatePatterns(
            [text.encode("ascii") for text in patterns],
            [frozenset(some) for some in names],
            [text.encode("ascii") for text in words],
            [ForcesParse(*one) for one in forced],
        )
    found = gate_patterns(rules, profiles)
    plain = (
        [text.decode("ascii") for text in found.patterns],
        [sorted(some) for some in found.profiles],
        [text.decode("ascii") for text in found.words],
        [(one.rule_id, one.profile) for one in found.forced],
    )
    cachefile.save(name, orjson.dumps(plain))
    return found
