r"""The gate form of a pattern: a wider pattern that finds its matches in raw, still escaped bytes.

A gate may say yes too often, never too seldom: wherever the pattern matches the decoded text of a JSON string,
at any depth of JSON in strings, the gate form matches the raw bytes, unless they hold an escape of the form
``\uXXXX`` (a record with one is always decoded). So, walking the pattern's syntax tree:

- assertions go: a token after an escaped line break reads ``\nAKIA…``, where ``\b`` would fail;
- both ends stay open: an optional head or tail goes, a repeated one shrinks to its minimum;
- what JSON may escape (``" \ /`` and white space) also matches in its escaped forms;
- long repeats are capped, since a gate needs to be selective, not exact.

The tree comes from the parser of Python's `re`, so a rule's pattern must be one that it accepts as well.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

CAP = 20
"""Repeats beyond this add cost to the gate, and nothing to its selectivity."""

ESCAPED = {'"': '"', "\\": "\\", "/": "/", "\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_CATEGORIES = {
    sre.CATEGORY_DIGIT: frozenset(b"0123456789"),
    sre.CATEGORY_SPACE: frozenset(b" \t\n\r\f\v"),
    sre.CATEGORY_WORD: frozenset(c for c in range(128) if chr(c).isalnum() or c == 95),
}
_ALL = frozenset(range(256))
_DIGITS = _CATEGORIES[sre.CATEGORY_DIGIT]
_BETWEEN = frozenset(b" .()/-\\")

DIGITS = rb"\d(?:[ .()/\\-]*\d){5}"
"""Six digits, with nothing but a few signs between them: what telephone, card and account numbers have in common."""
_SIX = re.compile(DIGITS)
_NAMES = {sre.ASSERT: "lookaround", sre.ASSERT_NOT: "lookaround", sre.GROUPREF: "a back-reference"}

Node = tuple[Any, Any]


@lru_cache(maxsize=4096)
def gate_form(pattern: str, *, trim: bool = True, tail: bool = True, finds: bool = False) -> str:
    """The gate form of ``pattern``, for Hyperscan with DOTALL; ``trim`` opens both ends, unless
    ``tail`` is false: then something will be put behind it, and only the head opens. ``finds`` leaves out what the
    pattern only skips, see `finding`.

    Raises ValueError for what a linear-time engine cannot do (lookaround, back-references), for a
    pattern that could match without any selective byte, and for one that is not ASCII (bytes are written ``\\xc3``).
    """
    if not pattern.isascii():
        raise ValueError("has a character beyond ASCII; patterns are byte patterns")
    tree = parsed(pattern)
    flags = "(?i)" if tree.state.flags & sre.SRE_FLAG_IGNORECASE else ""
    items = finding(tree) if finds else list(tree)
    body = _sequence(items, head=trim, tail=trim and tail)
    if not body or (trim and _width(items) < 2):
        raise ValueError("matches almost anything: it needs something that it cannot do without")
    return flags + body


@lru_cache(maxsize=4096)
def parsed(pattern: str) -> Any:
    """The syntax tree of ``pattern``. Raises ValueError."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return parser.parse(pattern)
        except (parser.error, OverflowError, FutureWarning, DeprecationWarning) as error:
            raise ValueError(f"not a regular expression: {error}") from None


def needs_digits(pattern: str, *, gate: bool = False) -> bool:
    """Whether `DIGITS` matches in the raw bytes of every text that ``pattern`` finds something in.

    Of a ``gate``, whether it does in each match.
    """
    tree = parsed(pattern)
    return longest_run(list(tree) if gate else finding(tree), _DIGITS, 6, _BETWEEN) >= 6


def longest_run(items: Iterable[Node], of: frozenset[int], most: int, between: frozenset[int] = frozenset()) -> int:
    """How long a run of bytes in ``of`` is that every match of ``items`` has for sure; at ``most`` is enough.

    Those of ``between`` do not count, but do not end a run either.
    """
    return _runs(items, 0, of, most, between)[0]


def goes_on(items: Iterable[Node], allowed: frozenset[int]) -> bool:
    """Whether all bytes of a match of ``items`` are ``allowed``."""
    for node in items:
        op, arg = node
        if op is sre.SUBPATTERN:
            all_are = goes_on(arg[3], allowed)
        elif op is sre.BRANCH:
            all_are = all(goes_on(branch, allowed) for branch in arg[1])
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            all_are = goes_on(arg[2], allowed)
        else:
            all_are = op is sre.AT or byte_set(node) <= allowed
        if not all_are:
            return False
    return True


def least_length(pattern: str) -> int:
    """How many bytes a match of ``pattern`` has at least. Raises ValueError."""
    return int(parsed(pattern).getwidth()[0])


def finding(tree: Any) -> list[Node]:
    """The items of a syntax tree that find something.

    In a pattern with groups, a branch without one says what to skip.
    """
    items = list(tree)
    if tree.state.groups > 1 and len(items) == 1 and items[0][0] is sre.BRANCH:
        return [(sre.BRANCH, (None, [branch for branch in items[0][1][1] if _has_group(branch)]))]
    return items


def has_digits_pure(data: bytes, /) -> bool:
    """Whether `DIGITS` matches somewhere in ``data``."""
    return _SIX.search(data) is not None


def _has_group(items: Iterable[Node]) -> bool:
    """Whether there is a capturing group in these."""
    for op, arg in items:
        if op is sre.SUBPATTERN and (arg[0] is not None or _has_group(arg[3])):
            return True
        if op is sre.BRANCH and any(_has_group(branch) for branch in arg[1]):
            return True
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT) and _has_group(arg[2]):
            return True
    return False


def _runs(items: Iterable[Node], run: int, of: frozenset[int], most: int, between: frozenset[int]) -> tuple[int, int]:
    """The longest run that every match has for sure, and how long the one is that it ends in.

    ``run`` is how long the one before is.
    """
    best = run
    for node in items:
        op, arg = node
        if op is sre.AT:
            continue
        if op is sre.SUBPATTERN:
            longest, run = _runs(arg[3], run, of, most, between)
        elif op is sre.BRANCH:
            ends = [_runs(branch, run, of, most, between) for branch in arg[1]]
            longest, run = min(longest for longest, _ in ends), min(end for _, end in ends)
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            longest = run
            for _ in range(min(arg[0], most)):
                one, run = _runs(arg[2], run, of, most, between)
                longest = max(longest, one)
            if not goes_on(arg[2], of | between):
                run = min(run, _runs(arg[2], 0, of, most, between)[1])
        else:
            members = byte_set(node)
            run = run + 1 if members <= of else run if members <= between else 0
            longest = run
        best = max(best, longest)
    return best, run


def _width(items: Iterable[Node]) -> int:
    return sum(_least(node) for node in items)


def _least(node: Node) -> int:
    op, arg = node
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        return int(arg[0]) * _width(arg[2])
    if op is sre.SUBPATTERN:
        return _width(arg[3])
    if op is sre.BRANCH:
        return min(_width(branch) for branch in arg[1])
    if op is sre.AT:
        return 0
    return 1


def _sequence(items: list[Node], *, head: bool, tail: bool) -> str:
    items = [node for node in items if node[0] is not sre.AT]
    while head and items and _least(items[0]) == 0:
        items = items[1:]
    while tail and items and _least(items[-1]) == 0:
        items = items[:-1]
    last = len(items) - 1
    return "".join(_node(node, head=head and i == 0, tail=tail and i == last) for i, node in enumerate(items))


def _node(node: Node, *, head: bool, tail: bool) -> str:
    op, arg = node
    if op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
        return _characters(byte_set(node))
    if op is sre.SUBPATTERN:
        _, add, remove, items = arg
        inner = _sequence(list(items), head=head, tail=tail)
        on = "i" if add & sre.SRE_FLAG_IGNORECASE else ""
        off = "-i" if remove & sre.SRE_FLAG_IGNORECASE else ""
        return f"(?{on}{off}:{inner})"
    if op is sre.BRANCH:
        return "(?:" + "|".join(_sequence(list(b), head=head, tail=tail) for b in arg[1]) + ")"
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        return _repeat(*arg, open_end=head or tail)
    raise ValueError(f"uses {_NAMES.get(op, str(op).lower())}, which a linear-time engine cannot do")


def _repeat(least: int, most: int, items: Any, *, open_end: bool) -> str:
    inner = _sequence(list(items), head=False, tail=False)
    low = min(least, CAP)
    unit = inner if len(inner) == 1 or _is_class(inner) else f"(?:{inner})"
    if open_end:
        return unit * low if low <= 1 else f"{unit}{{{low}}}"
    if low == 0 and most == 1:
        return f"{unit}?"
    if low == most:
        return f"{unit}{{{low}}}"
    bound = "" if most > 8 or low < least else str(most)
    return f"{unit}{{{low},{bound}}}"


def _is_class(text: str) -> bool:
    return text[0] == "[" and text.find("]") == len(text) - 1


def byte_set(node: Node) -> frozenset[int]:
    """The bytes that a one-character node matches."""
    op, arg = node
    if op is sre.ANY:
        return _ALL
    if op in (sre.LITERAL, sre.NOT_LITERAL):
        if arg > 255:
            raise ValueError("has a character beyond ASCII; patterns are byte patterns")
        return frozenset([arg]) if op is sre.LITERAL else _ALL - {arg}
    out: set[int] = set()
    negate = False
    for kind, value in arg:
        if kind is sre.NEGATE:
            negate = True
        elif kind is sre.RANGE:
            out.update(range(value[0], min(value[1], 255) + 1))
        elif kind is sre.CATEGORY:
            known = value in _CATEGORIES
            name = value if known else getattr(sre, str(value).replace("_NOT_", "_"))
            out |= _CATEGORIES[name] if known else _ALL - _CATEGORIES[name]
        else:
            out |= byte_set((kind, value))
    return _ALL - out if negate else frozenset(out)


def _characters(members: frozenset[int]) -> str:
    """A class of these bytes that also takes the escaped forms of those that JSON may escape."""
    plain = _class(members)
    letters = [letter for char, letter in ESCAPED.items() if ord(char) in members]
    if not letters:
        return plain
    if members in ({0x22}, {0x2F}):
        return rf"\\*{chr(*members)}"
    if members == {0x5C}:
        return r"\\+"
    escaped = "".join("\\\\" if letter == "\\" else letter for letter in letters)
    return rf"(?:{plain}|\\+[{escaped}])"


def _class(members: frozenset[int]) -> str:
    if len(members) == 1:
        (one,) = members
        return chr(one) if one < 128 and chr(one).isalnum() else f"\\x{one:02x}"
    if len(members) == 256:
        return r"[\x00-\xff]"
    ranges, ordered = "", sorted(members)
    start = previous = ordered[0]
    for byte in [*ordered[1:], 512]:
        if byte != previous + 1:
            ranges += f"\\x{start:02x}" + (f"-\\x{previous:02x}" if previous > start else "")
            start = byte
        previous = byte
    return f"[{ranges}]"
