"""Whether a value can still be read in a text, as it stands or in an encoding."""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

DEPTH = 3  # encodings within encodings

_UNICODE = re.compile(r"\\+u([0-9a-fA-F]{4})")
_SIMPLE = re.compile(r"\\+([nrtbf\"'/])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){4,}")
_QUOTED = re.compile(r"=([0-9A-F]{2})")
_INVISIBLE = dict.fromkeys([*range(0x200B, 0x2010), 0x2060, 0xFEFF, 0x00AD])
_WHITE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def readings(text: str) -> set[str]:
    """``text`` and what stands in it once escapes, percent-encoding, entities, quoted-printable, base64, hex and
    look-alike characters are undone, up to `DEPTH` of them within each other.
    """
    found, new = {text}, {text}
    for _ in range(DEPTH):
        new = {one for old in new for one in _undone(old)} - found
        if not new:
            break
        found |= new
    return found


def _undone(text: str) -> Iterator[str]:
    if "\\" in text:
        yield _SIMPLE.sub(lambda m: _WHITE.get(m[1], m[1]), _UNICODE.sub(lambda m: chr(int(m[1], 16)), text))
    if "%" in text:
        yield unquote(text)
    if "&" in text:
        yield html.unescape(text)
    if "=" in text and _QUOTED.search(text):
        yield _QUOTED.sub(lambda m: chr(int(m[1], 16)), text.replace("=\r\n", "").replace("=\n", ""))
    if not text.isascii():
        yield unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
    yield from _decoded(text)


def _decoded(text: str) -> Iterator[str]:
    """What runs of base64 and hex hold, as far as that is text."""
    for match in _BASE64.finditer(text):
        run = match[0].rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
        with suppress(binascii.Error, UnicodeDecodeError):
            decoded = base64.b64decode(run + "=" * (-len(run) % 4)).decode()
            if decoded.isprintable():
                yield decoded
    for match in _HEX.finditer(text):
        with suppress(ValueError, UnicodeDecodeError):
            decoded = bytes.fromhex(match[0]).decode()
            if decoded.isprintable():
                yield decoded
