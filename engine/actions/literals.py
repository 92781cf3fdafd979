r"""From rules and profiles to the gate: byte patterns without which no record can be privileged.

For each rule that reviews or denies, and each profile, `gate_patterns` gives patterns of which at least one
is in the raw bytes of every record that the rule matches, so that all other records are never parsed. They
hold for JSON with any white space, with escapes such as ``\n`` and ``\/``, and for JSON inside strings inside
JSON (where each quote is preceded by backslashes). They do not see through ``\uXXXX``: records with such
escapes must always be parsed.

The patterns are for Hyperscan with DOTALL and CASELESS, and without lookaround.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple

from engine.actions.conditions import Condition, Like, Presence
from engine.actions.decide import CompiledRule, CompiledRules
from engine.actions.globs import Glob, fold
from engine.actions.keyed import Keyed, keyed, word_in
from engine.actions.paths import Path
from engine.actions.profile import Call, Profile, Slot, Template

MIN_LITERAL = 3  # bytes; shorter ones are everywhere
MAX_ALTERNATIVES = 4000  # characters; a pattern of two such parts is below Hyperscan's limit of 16,000
_MAX_TEXT = 64  # bytes of a literal; more would not make it more selective
_SPACE = r"(?:\s|\\+[nrtf])*"  # between tokens, also where the tokens stand in a string
_COLON = _SPACE + ":" + _SPACE
# From a colon to anywhere in the scalar behind it: a number or word; or a string, up to its end. Quotes inside
# of it are escaped; in a string that itself stands in a string (and opens with an escaped quote) three times.
_INTO = r"(?:[^\s\",\[\]{}\\]*|\"(?:[^\"]|\\\")*|\\+\"(?:[^\"]|\\\\\\\")*)"
_AT = r"(?:\\*\")?" + _SPACE  # the beginning of the scalar; globs ignore white space there
_END = _SPACE + r"(?:\\*\"|[,}\]])"  # the end of a scalar, and white space before it, which globs ignore too
_ANY = ".*"
# White space in a glob: any run of it, and what stands between the items of an argument vector.
_BLANK = r"(?:[\s\",\\]|\\+[nrtf])+"
_ESCAPES = {ord(" "): _BLANK, ord('"'): r"\\*\"", ord("\\"): r"\\+", ord("/"): r"\\*/"}


@dataclass(frozen=True, slots=True)
class ForcesParse:
    """A rule that nothing in the raw bytes announces under this profile: every record is parsed for it."""

    rule_id: str
    profile: str


@dataclass(frozen=True, slots=True)
class _Literal:
    """``prefix``, ``text``, ``suffix`` in a row are necessary. ``score`` says how seldom that is, roughly.

    ``keyed`` is the same as `engine.actions.keyed` asks for it, None if it cannot; ``word`` is what the record holds.
    """

    prefix: str
    text: str
    score: int
    suffix: str = ""
    keyed: tuple[Keyed, ...] | None = None
    word: bytes = b""


_Named = dict[_Literal, frozenset[str]]  # literals, and the profiles that they are of
_Any = list[_Literal]  # one of these is necessary; none of them: the rule cannot match here


class GatePatterns(NamedTuple):
    """Patterns one of which is in every privileged record, and words one of which is wherever a pattern matches.

    ``profiles`` names for each pattern the profiles that it announces an action of. ``forced`` are the rules for
    which there is no pattern. One of ``keyed``, too, is wherever a pattern matches; None if these do not tell.
    """

    patterns: list[bytes]
    profiles: list[frozenset[str]]
    words: list[bytes]
    forced: list[ForcesParse]
    keyed: list[Keyed] | None


def gate_patterns(rules: CompiledRules, profiles: Sequence[Profile]) -> GatePatterns:
    """What announces an action that these rules review or deny."""
    words: _Named = {}
    singles: _Named = {}
    pairs: dict[tuple[_Literal, ...], _Named] = {}
    forced: dict[ForcesParse, None] = {}
    for rule in rules.rules:
        for profile in profiles:
            for call in profile.calls if _applies(rule, profile) else ():
                found = _necessary(rule, profile, call)
                if found is None:
                    forced[ForcesParse(rule.rule.id, profile.name)] = None
                    continue
                for one in max((some for some in found if some), key=_worst, default=[]):
                    words[_Literal("", one.text, 0)] = frozenset()
                if found.params:
                    _name(pairs.setdefault(tuple(found.action), {}), found.params, profile)
                else:
                    _name(singles, found.action, profile)
    texts = dict(_regex(singles))
    for action, params in pairs.items():  # merged by action, since many rules are about the same tools
        names = frozenset[str]().union(*params.values())
        for (a, _), (b, _) in product(_regex(dict.fromkeys(action, names)), _regex(params)):
            for text in (f"(?:{a}){_ANY}(?:{b})", f"(?:{b}){_ANY}(?:{a})"):
                texts[text] = texts.get(text, frozenset()) | names
    return GatePatterns(
        [text.encode("ascii") for text in texts],
        list(texts.values()),
        [text.encode("ascii") for text, _ in _regex(words)],
        list(forced),
        _keyed(singles, pairs),
    )


def _keyed(singles: _Named, pairs: dict[tuple[_Literal, ...], _Named]) -> list[Keyed] | None:
    """What `engine.actions.keyed` asks for in place of the patterns."""
    out: dict[Keyed, None] = {}
    for action, params in ((tuple(singles), {}), *pairs.items()):
        words = {literal.word for literal in params}
        beside = () if b"" in words else tuple(sorted(words))
        for literal in action:
            if literal.keyed is None:
                return None
            out |= dict.fromkeys(one._replace(beside=beside) for one in literal.keyed)
    return list(out)


def _name(known: _Named, found: _Any, profile: Profile) -> None:
    for literal in found:
        known[literal] = known.get(literal, frozenset()) | {profile.name}


def _applies(rule: CompiledRule, profile: Profile) -> bool:
    globs = rule.globs_of("profile")
    kind = rule.kind
    if rule.allows:
        return False
    return kind in (None, profile.kind) and (not globs or any(g.matches(profile.name) for g in globs))


class _Needs(NamedTuple):
    """One of ``action``, and, if there are any, one of ``params`` somewhere else in the record."""

    action: _Any
    params: _Any


def _necessary(rule: CompiledRule, profile: Profile, call: Call) -> _Needs | None:
    """What the rule needs of one kind of call; None if nothing, an empty ``action`` if it cannot match."""
    action = _fields(rule.globs_of("action"), call.action)
    others = [
        action,
        _fields(rule.globs_of("resource"), call.resource),
        _fields(rule.globs_of("environment"), profile.environment),
    ]
    if any(found == [] for found in others):
        return _Needs([], [])
    params = _params(rule, call)
    if params:
        beside = action if action and _apart(call) else None
        beside = beside or max(_shape(profile, call, beside_params=True), key=_worst, default=None)
        if beside:
            return _Needs(beside, params)
    named = [found for found in (*others, params) if found]
    best = max(named or _shape(profile, call), key=_worst, default=None)
    return None if best is None else _Needs(best, [])


def _worst(found: _Any) -> int:
    return min(literal.score for literal in found)


def _regex(found: _Named) -> Iterator[tuple[str, frozenset[str]]]:
    """Literals in the same surroundings share a pattern, as far as Hyperscan's limit on its length allows."""
    texts: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    for literal, names in found.items():
        same = texts.setdefault((literal.prefix, literal.suffix), {})
        same[literal.text] = same.get(literal.text, frozenset()) | names
    for (prefix, suffix), some in texts.items():
        chunk: dict[str, frozenset[str]] = {}
        for text, names in some.items():
            if chunk and sum(map(len, chunk)) + len(text) > MAX_ALTERNATIVES:
                yield _joined(prefix, chunk, suffix)
                chunk = {}
            chunk[text] = names
        yield _joined(prefix, chunk, suffix)


def _joined(prefix: str, texts: dict[str, frozenset[str]], suffix: str) -> tuple[str, frozenset[str]]:
    return f"{prefix}(?:{'|'.join(texts)}){suffix}", frozenset[str]().union(*texts.values())


def _apart(call: Call) -> bool:
    """Whether what the action is read from and the parameters cannot be the same bytes."""
    slots = [slot for template in call.action for slot in template.fields]
    return not any(slot.record or _in_params(slot.path, call) for slot in slots)


def _in_params(path: Path, call: Call) -> bool:
    return any(_inside(path.steps, params.steps) for params in call.params)


def _inside(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    return all(a == b or "*" in a + b or "[]" in (a, b) for a, b in zip(one, two, strict=False))


# -- fields: globs on what templates render ------------------------------------------------------------------


def _fields(globs: Sequence[Glob], templates: Sequence[Template]) -> _Any | None:
    """What one of ``globs`` needs of a field that one of ``templates`` fills; None if nothing."""
    if not globs or any(glob.matches("") for glob in globs):
        return None  # not asked for, or met by a record without the field
    out: _Any = []
    for glob, template in product(globs, templates):
        found = _rendered(glob, template)
        if found is None:
            return None
        out += found
    return out


def _rendered(glob: Glob, template: Template) -> _Any | None:
    slots = template.fields
    if not slots:
        return None if glob.matches("".join(map(str, template.parts))) else []
    head, *rest = glob.runs
    statics = [_fold(part) for part in template.parts if isinstance(part, str)]
    anchored, leading = True, b""
    optional, parts = template.segments[0]
    if not optional and isinstance(parts[0], str):
        before = statics.pop(0)
        if head.startswith(before):
            head = head.removeprefix(before)
        elif before.startswith(head) and rest:
            leading, head = before.removeprefix(head), b""
        else:
            return []
    if optional or not any(isinstance(part, Slot) for part in parts):
        anchored = False  # which field comes first depends on the record
    if _adjacent(template):
        return None
    if any("*" in slot.path.steps or "[]" in slot.path.steps for slot in slots):
        statics.append(b",")
    best: _Literal | None = None
    closed = _ends_in_field(template)
    for index, run in enumerate((head, *rest)):
        fragments = list(_split(run, statics, leading))
        for place, fragment in enumerate(fragments):
            starts = anchored and index == 0 and place == 0
            ends = closed and index == len(rest) and place == len(fragments) - 1
            literal = _in_value(
                fragment, slots[:1] if starts else slots, starts=starts, ends=ends, alone=len(slots) == 1
            )
            if literal and (best is None or literal.score >= best.score):
                best = literal
    return None if best is None else [best]


def _ends_in_field(template: Template) -> bool:
    """Whether the end of what is rendered is the end of a field, whichever of the optional segments are there."""
    for optional, parts in reversed(template.segments):
        if not isinstance(parts[-1], Slot):
            return False
        if not optional:
            return True
    return False


def _in_value(fragment: bytes, slots: Sequence[Slot], *, starts: bool, ends: bool, alone: bool) -> _Literal | None:
    if len(fragment.replace(b" ", b"")) < MIN_LITERAL:
        return None
    score = min(len(fragment), 10)
    if starts:  # the first of several fields is the coarse one: a service, a verb
        score = score + 3 if alone else score // 3
    suffix = _END if ends and len(fragment) <= _MAX_TEXT else ""
    return _literal([slot.path for slot in slots], fragment[:_MAX_TEXT], score, suffix, starts=starts)


def _split(run: bytes, statics: Sequence[bytes], leading: bytes) -> Iterator[bytes]:
    """The parts of ``run`` that cannot be, not even in part, text of the template itself.

    ``leading`` is text that the template begins with: nothing can stand before it.
    """
    fragments = [run]
    for static in statics:
        fragments = [part for fragment in fragments for part in fragment.split(static)]
    for fragment in fragments:
        clear = not any(_begins_in(fragment, s) or _ends_in(fragment, s) for s in statics)
        yield fragment if clear and not _begins_in(fragment, leading) else b""


def _begins_in(fragment: bytes, static: bytes) -> bool:
    sizes = range(1, min(len(fragment), len(static)) + 1)
    return fragment in static or any(fragment.startswith(static[-size:]) for size in sizes)


def _ends_in(fragment: bytes, static: bytes) -> bool:
    return any(fragment.endswith(static[:size]) for size in range(1, min(len(fragment), len(static)) + 1))


def _adjacent(template: Template) -> bool:
    """Whether two fields can stand side by side, so that a literal may lie half in each."""
    for kept in product((True, False), repeat=len(template.segments)):
        parts = [
            part
            for keep, (optional, parts) in zip(kept, template.segments, strict=True)
            if keep or not optional
            for part in parts
        ]
        if any(isinstance(a, Slot) and isinstance(b, Slot) for a, b in pairwise(parts)):
            return True
    return False


def _literal(paths: Sequence[Path], text: bytes, score: int, suffix: str = "", *, starts: bool) -> _Literal:
    """``text`` in a value at one of ``paths``: behind its key and the colon, unless a path names no key."""
    if any(path.key is None for path in paths):
        return _Literal("", _escape(text), score, suffix)
    direct = all(path.ends_in_key and not path.reads_json for path in paths)
    prefix = _key(paths) + _COLON + ((_AT if starts else _INTO) if direct else _ANY)
    return _Literal(
        prefix, _escape(text), score, suffix, keyed(_keys(paths), text, anywhere=not direct, ends=bool(suffix))
    )


def _keys(paths: Sequence[Path]) -> list[bytes]:
    return list(dict.fromkeys(_fold(path.key or "") for path in paths))


def _key(paths: Sequence[Path]) -> str:
    keys = list(map(_escape, _keys(paths)))
    return '"' + (f"(?:{'|'.join(keys)})" if len(keys) > 1 else keys[0]) + r"\\*\""


# -- parameters ----------------------------------------------------------------------------------------------


def _params(rule: CompiledRule, call: Call) -> _Any | None:
    """What the parameters must hold somewhere: not behind its key, since parameters may be plain text."""
    if not call.params:
        return None
    found = [one for _, conditions in rule.params if (one := _like(conditions)) is not None]
    return max(found, key=_worst, default=None)


def _like(conditions: Sequence[Condition]) -> _Any | None:
    out: _Any = []
    for condition in conditions:
        if not isinstance(condition, Like) or condition.negated:
            return None
        fragment = max(condition.glob.runs, key=len)
        if len(fragment.replace(b" ", b"")) < MIN_LITERAL:
            return None
        cut = fragment[:_MAX_TEXT]
        out.append(_Literal("", _escape(cut), min(len(fragment), 10), word=word_in(cut)))
    return out


# -- the shape of the record ---------------------------------------------------------------------------------


def _shape(profile: Profile, call: Call, *, beside_params: bool = False) -> Iterator[_Any]:
    """What the profile itself needs: keys, and values where it names some.

    With ``beside_params``, only what cannot be the same bytes as the parameters.
    """
    if call.each and all(path.key for path in call.each):
        yield [_present(call.each)]
    same = all(not path.steps for path in call.each)  # the call is the record
    for where in (profile.when, call.when) if same or not beside_params else (call.when,):
        for path, conditions in where.tests:
            if not (beside_params and _in_params(path, call)) and not _met_by_absence(path, conditions):
                yield [_when_literal(path, condition) for condition in conditions]


def _met_by_absence(path: Path, conditions: Sequence[Condition]) -> bool:
    return path.key is None or any(
        condition is Presence.ABSENT or (isinstance(condition, Like) and condition.negated) for condition in conditions
    )


def _when_literal(path: Path, condition: Condition) -> _Literal:
    if isinstance(condition, Like):
        runs = condition.glob.runs
        index = max(range(len(runs)), key=lambda at: len(runs[at]))
        if len(runs[index].replace(b" ", b"")) >= MIN_LITERAL:
            return _literal([path], runs[index][:_MAX_TEXT], min(len(runs[index]), 10), starts=index == 0)
    return _present([path])


def _present(paths: Sequence[Path]) -> _Literal:
    return _Literal("", _key(paths) + _COLON, _key_score(paths), keyed=keyed(_keys(paths), b"", anywhere=False))


def _key_score(paths: Iterable[Path]) -> int:
    return min(len(path.key or "") for path in paths) // 3


# -- text as it may stand in raw JSON ------------------------------------------------------------------------


def _fold(text: str) -> bytes:
    """As `fold`, but blanks at the ends stay: they separate a template's fields."""
    return fold(f"|{text}|")[1:-1]


def _escape(data: bytes) -> str:
    return "".join(
        _ESCAPES.get(byte) or (chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}") for byte in data
    )
