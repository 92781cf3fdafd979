"""Base64 and base64url (RFC 4648, sections 4 and 5), in one line or in MIME's many; gzip and zlib within.

What announces it: of four characters that spell three printable ASCII characters, the first three come from a part
of the alphabet only. Some such groups in a row are rare in identifiers, digests, paths and words, so only what very
probably spells a text is decoded.
"""

from __future__ import annotations

import gzip
import re
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from detectors.regex import Search, byte_regex, search_of
from engine.layers import short
from engine.layers.beyond import IN_BASE64_APART, from_utf8, utf16
from engine.layers.model import Layer, Purse, is_text

_ANY = rb"[A-Za-z0-9+/_-]"
_FIRST = rb"[I-Za-f]"
_GROUP = _FIRST + rb"[C-HS-Xi-ny-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589]" + _ANY
TRIGGER = rb"(?:%b){3}%b%b" % (_GROUP, _FIRST, _ANY)
ZIPPED = rb"(?:H4sI|(?:^|[^A-Za-z0-9+/_-])e(?:J[w-z]|A[E-H]|F[4-7]|N[o-r]))[A-Za-z0-9+/_-]{16}"
"""What announces gzip, and zlib where a run begins with it: at each of its levels, without a dictionary."""
_SHORT = search_of(byte_regex(short.IN_BASE64.decode()))
_DIGITS = search_of(byte_regex(short.DIGITS_IN_BASE64.decode()))  # what is left of it where there are no rows
_LONG = search_of(byte_regex((TRIGGER + b"|" + ZIPPED).decode()))
_ANNOUNCED_BEYOND = tuple(search_of(byte_regex(pattern.decode())) for pattern in IN_BASE64_APART)
"""Apart: the states of one automaton for all of them do not fit into what google-re2 keeps."""
LEAST = re.compile(rb"[A-Za-z0-9+/_-]{14}")
"""What each text in base64 holds at least, but for those of `short`; those in hexadecimal hold it too."""
_RUN = re.compile(rb"(?:[A-Za-z0-9+/_-]{60,}\r?\n)+[A-Za-z0-9+/_-]+={0,2}|[A-Za-z0-9+/_-]{8,}={0,2}")
_PADDING = 2
_SELDOM = 128  # bytes for each place
_BLOCKS = bytes(byte if byte in b"\r\n+/-_" or (chr(byte).isalnum() and byte < 0x80) else 0x20 for byte in range(256))
"""Makes of all that is no part of a run, but for its padding, a space."""
_ROW = re.compile(rb"[A-Za-z0-9+/_-]*")
_READABLE = re.compile(rb"[\t\n\r\x20-\x7e]{10,}")
_SHORT_READABLE = re.compile(rb"[\t\n\r\x20-\x7e]{6,}")
_MIXED = 512
"""A run of at most so many characters may be part text, part something else: a path, say, with a text at its end."""
_GZIP = b"\x1f\x8b\x08"
_ZLIB = b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"
_CHUNK = 1024


def find(text: bytes, purse: Purse, *, rows: bool) -> Iterator[Layer]:
    """The texts that ``text`` holds in base64. ``rows``: `engine.layers.ROWS` may match. Raises BudgetExceeded."""
    places, announced = _places(text, rows)
    if not places:
        return
    known: dict[bytes, tuple[list[Layer], int]] = {}  # and how many bytes they unpack to: runs come again and again
    for match in _runs(text, places):
        at = match.start()
        run = match[0]
        if run in known:
            found, size = known[run]
            purse.take(size)
        else:
            left = purse.left
            found = list(_run(run, 0, purse, announced))
            known[run] = found, left - purse.left
        for kind, low, high, below, encode in found:
            yield Layer(kind, at + low, at + high, below, encode)


def _places(text: bytes, rows: bool) -> tuple[list[int], list[Search]]:
    """Where something is announced, in order, and by what; within characters in a row, each is asked once."""
    places, by, size = list[int](), list[Search](), len(text)
    for search in (_SHORT, _LONG, *_ANNOUNCED_BEYOND) if rows else (_DIGITS, _LONG):
        start, end = search(text, 0, size)[0]
        if start >= 0:
            by.append(search)
        while start >= 0:
            places.append(end - 1)  # what announces zlib begins before its run
            row = _ROW.match(text, end)
            start, end = search(text, end if row is None else row.end(), size)[0]
    if len(by) > 1:
        places.sort()
    return places, by


def _runs(text: bytes, places: Sequence[int]) -> Iterator[re.Match[bytes]]:
    """The runs in which something is announced at one of ``places``, in order.

    Where these are few, only what stands around them is looked through.
    """
    number, last, begin, end = 0, len(places), 0, len(text)
    blocks = text.translate(_BLOCKS) if last * _SELDOM < end else None
    while number < last:
        if blocks is not None:
            begin = max(blocks.rfind(b" ", begin, places[number]) + 1, begin)
            end = blocks.find(b" ", places[number])
            end = end if end >= 0 else len(text)
        for match in _RUN.finditer(text, begin, end + _PADDING):
            low, high = match.span()
            while number < last and places[number] < low:
                number += 1
            if number == last:
                return
            if places[number] < high:
                yield match
        while number < last and places[number] < end:
            number += 1
        begin = end


def _announced(text: bytes, by: Iterable[Search]) -> bool:
    """Whether one of ``by`` announces something in a part of a text; in it, nothing else does."""
    size = len(text)
    return any(search(text, 0, size)[0][0] >= 0 for search in by)


def _run(run: bytes, at: int, purse: Purse, by: Sequence[Search]) -> Iterator[Layer]:
    body = run.rstrip(b"=")
    lines = body.split(b"\n")
    found = False
    plain = body.translate(_STANDARD, b"\r\n")
    for skip in range(4):
        stretch = _Stretch(body[skip:], run[len(body) :], at + skip, _decode(plain[skip:]))
        layer = _whole(stretch, purse)
        if layer is not None:
            found = True
            yield layer
        elif len(lines) == 1 and len(run) <= _MIXED:
            readable = _SHORT_READABLE if _SHORT in by or _DIGITS in by else _READABLE
            if readable.search(stretch.data) is not None:
                yield from _parts(stretch, purse, readable)
    if len(lines) > 1 and not found:  # not one text in many lines, so perhaps each for itself
        for line in lines:
            if _announced(line, by):
                yield from _run(line.rstrip(b"\r"), at, purse, by)
            at += len(line) + 1


class _Stretch(NamedTuple):
    """A run from one of its first four characters on, and what it spells from there."""

    body: bytes
    padding: bytes
    at: int
    data: bytes

    @property
    def used(self) -> int:
        """How much of it was decoded: a single character more than whole groups spells nothing."""
        size = len(self.body)
        return size - 1 if (size - self.body.count(b"\r") - self.body.count(b"\n")) % 4 == 1 else size

    @property
    def end(self) -> int:
        """Where what was decoded ends."""
        return self.at + self.used + len(self.padding)

    @property
    def write(self) -> Callable[[bytes], bytes]:
        """Writes another text in its place."""
        return _writer(self.body, self.padding)


def _whole(stretch: _Stretch, purse: Purse) -> Layer | None:
    """All of a run as one text."""
    at, data = stretch.at, stretch.data
    if data.startswith(_GZIP):
        text = _unzip(data, purse)
        if text and is_text(text):
            write = stretch.write
            return Layer("gzip", at, stretch.end, text, lambda new: write(gzip.compress(new, mtime=0)))
    elif data.startswith(_ZLIB):
        text = _inflate(data, purse)[0]
        if text and is_text(text):
            write = stretch.write
            return Layer("zlib", at, stretch.end, text, lambda new: write(zlib.compress(new)))
    if is_text(data):
        purse.take(len(data))
        return Layer("base64", at, stretch.end, data, stretch.write)
    if (encoding := utf16(data)) is not None:
        purse.take(len(data))
        text = data[: len(data) // 2 * 2].decode(encoding, "replace").encode()
        write = stretch.write
        return Layer("utf-16", at, stretch.end, text, lambda new: write(from_utf8(new, encoding)))
    return None


def _parts(stretch: _Stretch, purse: Purse, readable: re.Pattern[bytes]) -> Iterator[Layer]:
    """The stretches of a run that spell something readable."""
    body, padding, at, data = stretch
    for match in readable.finditer(data):
        low, high = match.start() // 3, -(-match.end() // 3)
        text = data[3 * low : 3 * high]
        purse.take(len(text))
        start, end = 4 * low, min(4 * high, stretch.used)
        if end < stretch.used:
            yield Layer("base64", at + start, at + end, text, _filler(_writer(body[start:end], b"")))
        else:
            yield Layer("base64", at + start, at + end + len(padding), text, _writer(body[start:end], padding))


def _decode(plain: bytes) -> bytes:
    """What ``plain`` spells, of which a single character more than whole groups spells nothing."""
    more = len(plain) % 4
    return a2b_base64(plain[:-1] if more == 1 else plain + b"=" * (-more % 4))


_STANDARD = bytes.maketrans(b"-_", b"+/")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _writer(body: bytes, padding: bytes) -> Callable[[bytes], bytes]:
    """Writes a text as ``body`` is written: its alphabet, its padding, its lines."""

    def write(text: bytes) -> bytes:
        first, _, rest = body.partition(b"\n")
        width, end = len(first.rstrip(b"\r")), b"\r\n" if first.endswith(b"\r") else b"\n"
        url_safe = b"-" in body or b"_" in body
        bare = not padding and (url_safe or len(body.translate(None, b"\r\n")) % 4 != 0)
        out = b2a_base64(text, newline=False)
        out = out.rstrip(b"=") if bare else out
        out = out.translate(_URL_SAFE) if url_safe else out
        return out if not rest else end.join(out[i : i + width] for i in range(0, len(out), width))

    return write


def _filler(write: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Fills a text with spaces to whole groups, since more of the run follows."""
    return lambda text: write(text + b" " * (-len(text) % 3))


def _unzip(data: bytes, purse: Purse) -> bytes:
    """What gzip unpacks, also of a stream that is cut or whose end is damaged. Raises BudgetExceeded."""
    out = []
    while data.startswith(_GZIP):
        text, data = _inflate(data, purse)
        out.append(text)
    return b"".join(out)


def _inflate(data: bytes, purse: Purse) -> tuple[bytes, bytes]:
    """What one stream of gzip or zlib unpacks, and what stands behind it if it ends. Raises BudgetExceeded."""
    out, stream = [], zlib.decompressobj(wbits=47)
    with suppress(zlib.error):
        for at in range(0, len(data), _CHUNK):
            part = stream.decompress(data[at : at + _CHUNK], purse.left + 1)
            purse.take(len(part))
            out.append(part)
            if stream.eof:
                return b"".join(out), stream.unused_data + data[at + _CHUNK :]
    return b"".join(out), b""
