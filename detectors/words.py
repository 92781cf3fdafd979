r"""Lists of context words, looked for together in one pass over raw bytes.

Context words announce rules whose own shape says little (nine digits), so there are more than a thousand of them, and
as patterns they are dear. As words they are cheap: most bytes begin none, most words are told from the listed ones by
their first four letters, and nearly all by all small letters up to the eighth. Here they become an automaton for the
compiled helper, with tables of bits that tell where it need not be walked; where there is no helper, the gate looks
for the patterns of `detectors.context`, which are the reference.

A word begins at the start, behind what is no letter, behind an escape such as ``\n``, or with a capital (or what is
beyond ASCII) behind a small letter (``userSSN``), but not with the ``n`` of ``\nIf``; it ends where no small letter
follows. One of two bytes stands alone, apart from digits too. Its parts may be joined by a space, a dash, an underscore
or nothing; what is beyond ASCII is in either case, and ``é`` also ``e``, with or without a mark.
"""

from __future__ import annotations

import struct
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress, product
from pathlib import Path
from typing import NamedTuple

import orjson

from detectors import cachefile
from detectors.glance import Told

MOST_NUMBERS = 4096  # that the helper tells apart
_MOST_KNOWN = 4096  # combinations of words that are kept
_NONE = frozenset[int]()
_ESCAPED = frozenset('"\\/\n\r\t\b\f')  # JSON may write these in other ways
_FIRST, _BITS = 1 << 13, 1 << 12  # bytes of the tables of bits: of the first, and of each other
_HASH_32, _HASH = 0x9E3779B1, 0x9E3779B97F4A7C15  # the golden ratio, as Knuth's multiplicative hash has it
_AS_LETTERS, _AS_ELSE = (31, 31, 31, 31), (31, 31, 31, 0x40)  # which bits of the first bytes count
_HEAD = 8  # letters that a word is told by before the automaton is walked
_STATE = struct.Struct("=IHH")  # the first edge, the number of the words that end here plus 1, how many edges
_ALONE = 1 << 15  # beside how many edges: the words that end here stand alone
_EDGE = struct.Struct("=I")  # the state, and in the lowest 8 bits the byte
_SMALL, _JOINTS = frozenset(b"abcdefghijklmnopqrstuvwxyz"), frozenset(b" _-")


class Automaton(NamedTuple):
    """``states`` as the helper reads them, and for each number the lists whose words have it."""

    states: bytes
    lists: list[frozenset[int]]


class Words:
    """Several ``lists`` of words, each with an id, of which a glance finds those with a word somewhere in a text.

    Those in ``numeric`` count only in texts with digits enough: of the two ``automata`` the first, for all others, is
    quicker without their words. ``ids`` are those of the lists that are looked for: none with a word that JSON may
    write in other ways, or that begins with neither a letter nor what is beyond ASCII.
    """

    __slots__ = ("_all", "_few", "automata", "ids")

    def __init__(self, lists: Mapping[int, Sequence[str]], numeric: Collection[int] = ()) -> None:
        plain = {number: words for number, words in lists.items() if all(map(_is_plain, words))}
        automaton = _kept(plain) if plain else automaton_of({})
        if len(automaton.lists) > MOST_NUMBERS:
            plain, automaton = {}, automaton_of({})
        self.ids = frozenset(plain)
        few = {number: words for number, words in plain.items() if number not in numeric}
        others = _kept(few) if len(few) < len(plain) else automaton
        self._few, self._all = _Lists(others.lists), _Lists(automaton.lists)
        self.automata: tuple[bytes | None, bytes | None] = (others.states, automaton.states) if plain else (None, None)

    def add(self, found: Sequence[list[int]], told: Told) -> None:
        """Adds to ``found``, a list for each text, the ids of the lists of which a word stands there."""
        for hits, numeric, numbers in compress(zip(found, told.numeric, told.words, strict=False), told.words):
            hits += (self._all if numeric else self._few)[numbers]


class _Lists(dict[tuple[int, ...] | None, frozenset[int]]):
    """The ids of the lists that the numbers found by an automaton say: combinations come again and again."""

    def __init__(self, lists: Sequence[frozenset[int]]) -> None:
        super().__init__()
        self._lists = lists

    def __missing__(self, numbers: tuple[int, ...] | None) -> frozenset[int]:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        ids = self[numbers] = _NONE.union(*[self._lists[number] for number in numbers or ()])
        return ids


def _kept(lists: Mapping[int, Sequence[str]]) -> Automaton:
    """`automaton_of` these lists, kept for the next start."""
    name = f"words-{cachefile.digest([cachefile.code(Path(__file__).parent), orjson.dumps(list(lists.items()))])}.json"
    data = cachefile.load(name)
    if data is not None:
        states, found = orjson.loads(data)
        return Automaton(b64decode(states), [frozenset(one) for one in found])
    automaton = automaton_of(lists)
    plain = b64encode(automaton.states).decode(), [sorted(one) for one in automaton.lists]
    cachefile.save(name, orjson.dumps(plain))
    return automaton


def _is_plain(word: str) -> bool:
    first = word[:1]
    return len(word.encode()) > 1 and _ESCAPED.isdisjoint(word) and (first.isalpha() or not first.isascii())


def letter_forms(char: str) -> list[bytes]:
    """How a character of a context word may be written, ASCII in small letters."""
    if char == " ":
        return [b"", b" ", b"_", b"-"]
    if char.isascii():
        return [char.lower().encode()]
    parts = unicodedata.normalize("NFD", char)
    found = [char.lower(), char.upper()]
    if parts[0].isascii():
        found += [parts[0].lower(), parts.lower()]
    return [form.encode() for form in dict.fromkeys(found)]


class _Rest(NamedTuple):
    """What is still to come of a word: some bytes, and then its letters from ``at`` on."""

    bytes: bytes
    word: str
    at: int
    number: int  # its list


def automaton_of(lists: Mapping[int, Sequence[str]]) -> Automaton:
    """The words of ``lists``, each of two bytes or more, as one automaton without loops.

    ``states`` holds bits for the first four bytes of each word (see `_first`), for its second to fourth, and for the
    letters that it begins with (see `_letters`), for each first byte the state that it leads to (or 0), the number of
    states, the states and their edges.
    """
    numbers: dict[frozenset[int], int] = {}
    start = frozenset(rest for number, words in lists.items() for word in words for rest in _begin(word, 0, number))
    order = _in_order(start)
    roots = [0] * 256
    states, edges = bytearray(), bytearray()
    for state in order:
        ended = frozenset(rest.number for rest in state if not rest.bytes)
        word = numbers.setdefault(ended, len(numbers)) + 1 if ended else 0
        alone = bool(ended) and all(_is_short(rest) for rest in state if not rest.bytes)
        following = _steps(state)
        states += _STATE.pack(len(edges) // _EDGE.size, word, len(following) | (_ALONE if alone else 0))
        for byte, after in following:
            edges += _EDGE.pack(order[after] << 8 | byte)
            if state is start:
                roots[byte] = order[after]
    head = struct.pack("=257I", *roots, len(order))
    heads = set(_heads(start, 4))
    joined = {head for head in _heads(frozenset(rest for rest in start if not _is_short(rest)), 4) if len(head) == 2}
    return Automaton(
        _first(heads, joined) + _second(heads) + _hashed(_letters(start)) + head + bytes(states + edges), list(numbers)
    )


def _is_short(rest: _Rest) -> bool:
    """Whether its word stands alone: as in the patterns, whatever forms its letters have."""
    return len(rest.word.encode()) == 2


def _in_order(start: frozenset[_Rest]) -> dict[frozenset[_Rest], int]:
    """The number of each state. Those of a word mostly follow each other: they share lines of a processor's cache."""
    order: dict[frozenset[_Rest], int] = {}
    waiting = [start]
    while waiting:
        state = waiting.pop()
        if state not in order:
            order[state] = len(order)
            waiting += [after for _, after in reversed(_steps(state))]
    return order


def _heads(state: frozenset[_Rest], size: int) -> Iterable[tuple[int, ...]]:
    """The first ``size`` bytes of all words, and words that are shorter."""
    if any(not rest.bytes for rest in state) or not size:
        yield ()
    if size:
        for byte, after in _steps(state):
            for head in _heads(after, size - 1):
                yield byte, *head


def _first(heads: Iterable[tuple[int, ...]], joined: Iterable[tuple[int, ...]]) -> bytes:
    """A bit for each first four bytes, where the helper looks for it: as small letters, and as what else they are.

    Of each byte five bits count, which a letter has in either case, but of the fourth, unless all are letters, the one
    that capitals have and most signs do not. Behind a short word anything may stand, and letters only behind one of
    ``joined``, which are of two bytes, but need not stand alone.
    """
    keys = {key for head in heads for key in _masked(head, _AS_ELSE)}
    keys.update(
        key for head in heads if len(head) == 4 and _SMALL.issuperset(head) for key in _masked(head, _AS_LETTERS)
    )
    letters = range(1, 27)  # their five low bits
    keys.update((one & 31, two & 31, *others) for one, two in joined for others in product(letters, letters))
    out = bytearray(_FIRST)
    for key in keys:
        bit = int.from_bytes(bytes(key), "little") * _HASH_32 % (1 << 32) >> 16
        out[bit >> 3] |= 1 << (bit & 7)
    return bytes(out)


def _second(heads: Iterable[tuple[int, ...]]) -> bytes:
    """A bit for each second to fourth byte, by five bits of each."""
    out = bytearray(_BITS)
    for head in heads:
        for one, two, last in _masked(head[1:], _AS_LETTERS[1:]):
            out[(last << 10 | two << 5 | one) >> 3] |= 1 << (one & 7)
    return bytes(out)


def _masked(head: tuple[int, ...], masks: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """The bits of ``head`` that each of ``masks`` leaves, with all that may stand where it is too short."""
    known = [[byte & mask] for byte, mask in zip(head, masks, strict=False)]
    return product(*known, *({byte & mask for byte in range(256)} for mask in masks[len(head) :]))


def _letters(state: frozenset[_Rest], before: bytes = b"") -> Iterable[bytes]:
    """What all words begin with: a byte and the letters behind it, as far as a text in small letters must have them.

    That is up to where a word may end or goes on with what is no letter, or up to `_HEAD` bytes; where two parts are
    joined, with a space and the byte behind it.
    """
    if len(before) == _HEAD or (before and any(not rest.bytes for rest in state)):
        yield before
    if len(before) == _HEAD:
        return
    for byte, after in _steps(state):
        if not before or byte in _SMALL:
            yield from _letters(after, before + bytes([byte]))
        elif byte in _JOINTS and len(before) <= _HEAD - 2:
            yield from (before + bytes([ord(" "), following | 0x20]) for following, _ in _steps(after))
        else:
            yield before


def _hashed(heads: Iterable[bytes]) -> bytes:
    """Two bits for each of these, where the helper looks for them (a Bloom filter)."""
    out = bytearray(_BITS)
    for head in heads:
        number = (int.from_bytes(head, "little") | 0x20) * _HASH % (1 << 64)
        for bit in (number >> 49, number >> 34 & (8 * _BITS - 1)):
            out[bit >> 3] |= 1 << (bit & 7)
    return bytes(out)


def _begin(word: str, at: int, number: int) -> Iterable[_Rest]:
    """What is to come of a word from the letter ``at`` on; without bytes if it ends here."""
    if at == len(word):
        yield _Rest(b"", word, at, number)
        return
    for form in letter_forms(word[at]):
        if form:
            yield _Rest(form.lower(), word, at + 1, number)  # what is ``ı`` in capitals is one in ASCII
        else:
            yield from _begin(word, at + 1, number)


def _steps(state: frozenset[_Rest]) -> list[tuple[int, frozenset[_Rest]]]:
    """Where each byte leads, the bytes in order."""
    out: dict[int, set[_Rest]] = {}
    for some, word, at, number in state:
        if some:
            after = [_Rest(some[1:], word, at, number)] if len(some) > 1 else _begin(word, at, number)
            out.setdefault(some[0], set()).update(after)
    return [(byte, frozenset(after)) for byte, after in sorted(out.items())]
