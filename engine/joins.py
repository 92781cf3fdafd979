"""A person who is named once in a record is known in the rest of it: ``JANE DOE``, ``Doe, Jane``, ``Jane``, ``jdoe``.

What is looked for are the names that were found with first name and surname. A login made of both (``jane.doe``,
``jane_doe_42``, ``jdoe``, ``doej``) becomes a USERNAME as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from detectors.finding import Finding, Text

_SURE = 0.8
_SHORTEST = 3  # letters of a surname
_MOST = 50  # people of a record; in a list of more, each has a line of its own
_BETWEEN = " \u00a0_"
_LOGIN = "._-"


class Person(NamedTuple):
    """Somebody who is named in a record, and the finding that tells of it."""

    first: str
    last: str
    told: Finding


def joined(texts: Sequence[Text], found: Sequence[list[Finding]], some: Sequence[Person]) -> Sequence[list[Finding]]:
    """``found``, what was found in each of ``texts``, and where else ``some`` people stand."""
    if not some:
        return found
    parts = {part.lower().encode() for person in some for part in (person.first, person.last)}
    return [
        [*known, *_again(text.value, known, some)] if _names_any(text.value, parts) else known
        for text, known in zip(texts, found, strict=True)
    ]


def words_of(some: Iterable[Person]) -> frozenset[bytes]:
    """The words of which one stands, in some case, in each text of ASCII in which `joined` finds these people."""
    words = {part.lower().rstrip(".") for person in some for part in (person.first, person.last)}
    return frozenset([word.encode() for word in words if word.isascii()])


def _names_any(value: bytes, parts: Iterable[bytes]) -> bool:
    """Whether one of ``parts``, in lower case, may stand in a text: a glance before `_again` looks closely."""
    if not value.isascii():
        return True
    low = value.lower()
    return any(part in low for part in parts)


def people(texts: Sequence[Text], found: Sequence[list[Finding]]) -> list[Person]:
    """Who is surely named with first name and surname in ``texts``, by what was found in each."""
    out: dict[tuple[str, str], Person] = {}
    for text, findings in zip(texts, found, strict=True):
        for finding in findings:
            if finding.entity == "PERSON" and finding.score >= _SURE:
                name = text.value[finding.start : finding.end].decode("utf-8", "replace")
                words = [word for word in name.replace(",", " ").split() if word.rstrip(".").isalpha()]
                if len(words) > 1 and len(words[-1]) >= _SHORTEST and len(words[0]) > 1 and len(out) < _MOST:
                    out.setdefault((words[0], words[-1]), Person(words[0], words[-1], finding))
    return list(out.values())


def _again(value: bytes, known: Sequence[Finding], some: Sequence[Person]) -> Iterator[Finding]:
    text = value.decode("utf-8", "surrogateescape")
    low = text.lower()
    if len(low) != len(text):  # a few letters are longer in lower case
        low = text
    offset = _offsets(text)
    taken = bytearray(len(value))  # a mark for each byte that is found already: there may be thousands of places
    for finding in known:
        taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
    for person in some:
        for start, end, entity in sorted(_places(text, low, person), key=lambda span: span[0] - span[1]):
            low_byte, high_byte = offset(start), offset(end)
            if taken.find(1, low_byte, high_byte) < 0:
                taken[low_byte:high_byte] = b"\1" * (high_byte - low_byte)
                yield person.told._replace(start=low_byte, end=high_byte, entity=entity)


def _offsets(text: str) -> Callable[[int], int]:
    """From a place in ``text`` to the byte that it begins at."""
    if text.isascii():
        return int
    sizes = (len(char.encode("utf-8", "surrogateescape")) for char in text)
    return list(accumulate(sizes, initial=0)).__getitem__


def _places(text: str, low: str, person: Person) -> Iterator[tuple[int, int, str]]:
    first, last = person.first.lower(), person.last.lower()
    logins = {first + last, last + first, first[0] + last, last + first[0]}
    at, stop = low.find(last), 0
    while at >= 0:
        end = at + len(last)
        begin = at - len(first) - 1
        if begin >= 0 and low.startswith(first, begin) and text[at - 1] in _BETWEEN and _alone(low, begin, end):
            yield begin, end, "PERSON"
        elif low.startswith(f", {first}", end) and _alone(low, at, end + 2 + len(first)):
            yield at, end + 2 + len(first), "PERSON"
        if at >= stop:  # not of the login that was looked at last: one may say the surname again and again
            start, stop = _login(low, at, end)
            if stop - start > len(last) and "".join(filter(str.isalpha, low[start:stop])) in logins:
                yield start, stop, "USERNAME"
        at = low.find(last, end)
    for part in (person.first, person.last):
        at = text.find(part)
        while at >= 0 and len(part) >= _SHORTEST:
            if _alone(text, at, at + len(part)):
                yield at, at + len(part), "PERSON"
            at = text.find(part, at + len(part))


def _alone(text: str, start: int, end: int) -> bool:
    """Whether nothing that belongs to a word or a login stands on either side."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() or before in ("_", "-", ".", "@", "/") or after.isalnum() or after in ("_", "@"))


def _login(low: str, start: int, end: int) -> tuple[int, int]:
    """The login that a part of it stands in."""
    while start > 0 and (low[start - 1].isalnum() or low[start - 1] in _LOGIN):
        start -= 1
    while end < len(low) and (low[end].isalnum() or low[end] in _LOGIN):
        end += 1
    while end > start and low[end - 1] in _LOGIN:
        end -= 1
    while start < end and low[start] in _LOGIN:
        start += 1
    return start, end
