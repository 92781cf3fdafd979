"""Context words as patterns: what must stand near a value that says little by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from detectors.gateform import gate_form
from detectors.words import letter_forms

_SPACED = "\u0370", "\u04ff"  # Greek and Cyrillic letters: their scripts set words apart, as Latin does
_WHOLE = 4  # letters up to which one of them stands alone
_NO_LETTER = r"[\x00-\x7f]|\xc2[\x80-\xbf]|[\xe0-\xf4][\x80-\xbf]{2,3}"  # of two bytes, none but signs


def context_pattern(words: Sequence[str], *, raw: bool = False) -> str:
    """A pattern for these words as words: ``ssn`` is in ``user_ssn`` and ``userSSN``, not in ``lessness``.

    One of two bytes stands alone: random ids and digests are full of ``cf``. One in Greek or Cyrillic begins a word,
    and one of up to four such letters is all of it: ``тел`` is in every Russian user (``пользователь``). With ``raw``,
    for the gate, a word may also follow an escape such as ``\\n``, and stand within a Greek or Cyrillic one.
    """
    short = [word for word in words if len(word.encode()) == 2]
    spaced = [] if raw else [word for word in words if _SPACED[0] <= word[0] <= _SPACED[1]]
    long = [word for word in words if word not in short and word not in spaced]
    escape = r"|\\[nrtbf]" if raw else ""
    branches = []
    if long:
        capital = "|".join(word[0].upper() + any_word([word[1:]]) for word in long if word[:2].isascii())
        inside = f"|[a-z](?:{capital})" if capital else ""
        branches.append(f"(?:(?:^|[^A-Za-z]{escape}){any_word(long)}{inside})(?:$|[^a-z])")
    if whole := [word for word in spaced if len(word) <= _WHOLE]:
        branches.append(f"(?:^|{_NO_LETTER}){any_word(whole)}(?:$|{_NO_LETTER})")
    if begun := [word for word in spaced if len(word) > _WHOLE]:
        branches.append(f"(?:^|{_NO_LETTER}){any_word(begun)}")
    if short:
        branches.append(f"(?:^|[^A-Za-z0-9]{escape}){any_word(short)}(?:$|[^A-Za-z0-9])")
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def any_word(words: Sequence[str]) -> str:
    """A pattern for any of these words, wherever it stands."""
    return f"(?i:{'|'.join(gate_form(_word(word), trim=False) for word in words)})"


def _word(word: str) -> str:
    """A context word as a pattern; its parts may be joined by a space, a dash or an underscore.

    One such byte and no line break: a gate of a hundred lists of words is half as fast with more.
    """
    return "[ _-]?".join("".join(map(_letter, part)) for part in word.split(" "))


def _letter(char: str) -> str:
    """A letter as a pattern over UTF-8: beyond ASCII in both cases, and ``é`` also as ``e``, with or without a mark."""
    if char.isascii():
        return re.escape(char)
    return "(?:" + "|".join("".join(f"\\x{byte:02x}" for byte in form) for form in letter_forms(char)) + ")"
