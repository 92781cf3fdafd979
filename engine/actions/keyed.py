r"""Words behind their keys: what tells quickly that a record announces no privileged action.

The patterns of `engine.actions.literals` ask for a word in the value of a key (``"action": "db.export"``), and at times
for another word beside it. The words alone stand in half of all records of agents, and so do the keys, but one seldom
in the value of the other; Hyperscan takes long to tell. The compiled helper asks that of raw bytes in one walk from
colon to colon; `tells_pure` is its reference. It hits wherever one of the patterns does, and at times where none does.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_KEYS = 64  # that the helper tells apart
_GROUPS = 32  # of words beside; that of none is the first
_KEY = re.compile(rb"[a-z0-9_.@-]{1,64}")
_LEAST, _MOST = 2, 64  # bytes of a word
_BLANK = re.compile(rb'[ "]')  # a blank may be written as a quote or a comma, a quote ends a value
_WRITTEN_OTHERWISE = re.compile(rb"[\\/]")  # with more backslashes
_NO_END = rb"[^\x00-\x20\",}\]\\]"
_SPACE = rb"(?:[ \t\n\v\f\r]|\\+[nrtf])*"
_VALUE = re.compile(_SPACE + rb'(?:"((?:[^"]|(?<=\\)")*)|\\+"((?:[^"]|(?<=\\\\\\)")*)|[^"\s]*)')
_ANYWHERE, _ENDS = 1, 128
_Word = tuple[bytes, bool]
_RECORD = struct.Struct("=IIBBBxI4096s33I")
"""Its size, that of its words, that of the key, how, its number, the groups of the empty word, a bit for the three
first bytes of each word (by the five low bits of each), where words begin by the five low bits of their first byte."""
_WORD = struct.Struct("=IB")  # its groups, its length, whether it ends a scalar


class Keyed(NamedTuple):
    """``word`` in the scalar that stands directly behind ``key``, or ``anywhere`` behind it. All in small letters.

    An empty word is in every value. What ``ends`` has none of the characters of a name behind it. One of the words
    ``beside`` must be somewhere too, if there are any.
    """

    key: bytes
    word: bytes
    anywhere: bool
    ends: bool = False
    beside: tuple[bytes, ...] = ()


def keyed(keys: Iterable[bytes], text: bytes, *, anywhere: bool, ends: bool = False) -> tuple[Keyed, ...] | None:
    """What is there wherever ``text``, folded, stands behind one of ``keys``; None if that cannot be told so.

    ``ends`` says that it is the end of a scalar.
    """
    word = _longest(_BLANK.split(text)[0])
    if (text and not word) or not all(_KEY.fullmatch(key) for key in keys):
        return None
    return tuple(Keyed(key, word, anywhere, ends and text.endswith(word)) for key in keys)


def word_in(text: bytes) -> bytes:
    """A word that is there wherever ``text``, folded, stands somewhere in a record; empty if there is none."""
    return max(map(_longest, _BLANK.split(text)), key=len)


def _longest(text: bytes) -> bytes:
    word = max(_WRITTEN_OTHERWISE.split(text), key=len)[:_MOST]
    return word if len(word) >= _LEAST else b""


def tells_pure(data: bytes, some: Iterable[Keyed]) -> bool:
    """Whether one of ``some`` is in ``data``, of which the helper reads the `table`."""
    low = data.lower()
    for key, word, anywhere, ends, beside in some:
        if beside and not any(other in low for other in beside):
            continue
        for found in re.finditer(rb'"' + re.escape(key) + rb'\\*"' + _SPACE + b":", low):
            value = _VALUE.match(low, found.end())
            end = len(low) if anywhere or value is None else value.end()
            pattern = re.compile(re.escape(word) + (rb"(?!%s)" % _NO_END if ends else b""))
            if any(one.end() <= end for one in pattern.finditer(low, found.end())):
                return True
    return False


def table(some: Iterable[Keyed]) -> bytes | None:
    """``some`` as the helper reads them; None if they are too many.

    For each last byte of a key where its records begin, for each group but the first where the words beside stand, and
    the records: see `_RECORD`; behind each its key and its words, see `_WORD`.
    """
    groups: dict[tuple[bytes, ...], int] = {(): 0}
    words: dict[tuple[bytes, bool], dict[_Word, int]] = {}
    for key, word, anywhere, ends, beside in some:
        known = words.setdefault((key, anywhere), {})
        group = groups.setdefault(beside, len(groups)) if beside in groups or len(groups) < _GROUPS else 0
        known[word, ends] = known.get((word, ends), 0) | 1 << group
    if len(words) > MOST_KEYS:
        return None
    heads, out = [0] * (256 + _GROUPS), bytearray()
    begin = 4 * len(heads)
    for number, (key, anywhere) in enumerate(sorted(words, key=lambda one: one[0][-1:])):
        heads[key[-1]] = heads[key[-1]] or begin + len(out)
        out += _record(number, key, words[key, anywhere], anywhere=anywhere)
    for beside, group in groups.items():
        if beside:
            heads[256 + group] = begin + len(out)
            out += _record(0, b"", {(word, False): 1 for word in beside}, anywhere=True)
    return struct.pack(f"={len(heads)}I", *heads) + bytes(out)


def _record(number: int, key: bytes, words: Mapping[_Word, int], *, anywhere: bool) -> bytes:
    threes, begin, written = bytearray(4096), [0] * 33, b""
    needed = [one for one in words.items() if one[0][0] and not any(_covers(other, one) for other in words.items())]
    for letter in range(32):
        begin[letter] = len(written)
        for (word, ends), groups in needed:
            if word[0] & 31 == letter:
                for last in [word[2] & 31] if len(word) > 2 else range(32):
                    three = letter << 10 | (word[1] & 31) << 5 | last
                    threes[three >> 3] |= 1 << (three & 7)
                written += _WORD.pack(groups, len(word) | _ENDS * ends) + word
    begin[32] = len(written)
    size, how = _RECORD.size + len(key) + len(written), _ANYWHERE if anywhere else 0
    head = _RECORD.pack(size, len(written), len(key), how, number, words.get((b"", False), 0), bytes(threes), *begin)
    return head + key + written


def _covers(one: tuple[_Word, int], other: tuple[_Word, int]) -> bool:
    """Whether ``one`` hits wherever ``other`` does, which is another, for the same groups or for the first."""
    (word, ends), groups = one
    (longer, _), more = other
    return one != other and not ends and word in longer and bool(groups & 1 or groups | more == groups)
