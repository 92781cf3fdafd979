"""What announces privileged actions, as `engine.actions.literals` worked it out, kept for the next start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from detectors import cachefile
from engine.actions.decide import CompiledRules
from engine.actions.keyed import Keyed
from engine.actions.literals import ForcesParse, GatePatterns, gate_patterns
from engine.actions.profile import Profile

_FOLDER = Path(__file__).parent


def kept_patterns(rules: CompiledRules, profiles: Sequence[Profile], texts: Iterable[str]) -> GatePatterns:
    """`gate_patterns` of ``rules`` and ``profiles``, which were read from ``texts``."""
    parts = [cachefile.code(_FOLDER), cachefile.code(Path(cachefile.__file__).parent), *map(str.encode, texts)]
    name = f"actions-{cachefile.digest(parts)}.json"
    data = cachefile.load(name)
    if data is not None:
        patterns, names, words, forced, behind = orjson.loads(data)
        return GatePatterns(
            [text.encode("ascii") for text in patterns],
            [frozenset(some) for some in names],
            [text.encode("ascii") for text in words],
            [ForcesParse(*one) for one in forced],
            None if behind is None else [_keyed(*one) for one in behind],
        )
    found = gate_patterns(rules, profiles)
    plain = (
        [text.decode("ascii") for text in found.patterns],
        [sorted(some) for some in found.profiles],
        [text.decode("ascii") for text in found.words],
        [(one.rule_id, one.profile) for one in found.forced],
        None if found.keyed is None else list(map(_plain, found.keyed)),
    )
    cachefile.save(name, orjson.dumps(plain))
    return found


def _plain(one: Keyed) -> tuple[str, str, bool, bool, list[str]]:
    key, word, *beside = (text.decode("latin-1") for text in (one.key, one.word, *one.beside))
    return key, word, one.anywhere, one.ends, beside


def _keyed(key: str, word: str, anywhere: bool, ends: bool, beside: list[str]) -> Keyed:
    first, second, *more = (text.encode("latin-1") for text in (key, word, *beside))
    return Keyed(first, second, anywhere, ends, tuple(more))
