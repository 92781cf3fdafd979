"""How a tester hides a text in a record, and how a tester reads what is hidden: nothing here is the engine's."""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import json
import quopri
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import quote, unquote

Encode = Callable[[str], str]

ENCODINGS: dict[str, Encode] = {
    "plain": str,
    "json": lambda text: json.dumps({"v": text}),
    "percent": lambda text: quote(text, safe=""),
    "all-percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "mime": lambda text: base64.encodebytes((text + " " * 80).encode()).decode(),
    "gzip": lambda text: base64.b64encode(gzip.compress(text.encode())).decode(),
    "utf-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "utf-16 in hex": lambda text: text.encode("utf-16-be").hex(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "references": lambda text: "".join(f"&#{ord(char)};" if not char.isalnum() else char for char in text),
    "hex references": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "named references": lambda text: html.escape(text).replace("@", "&commat;").replace(".", "&period;"),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "body": lambda text: re.sub(r"[=@._-]", lambda m: f"={ord(m[0]):02X}", text),
    "backslash-x": lambda text: re.sub(r"[^a-z]", lambda m: f"\\x{ord(m[0]):02x}", text) if text.isascii() else text,
    "fullwidth": lambda text: _shifted(text, re.compile(r"[0-9A-Za-z@._-]"), 0xFEE0),
    "mathematical": lambda text: _shifted(
        _shifted(text, re.compile("[A-Z]"), 0x1D400 - 65), re.compile("[a-z]"), 0x1D41A - 97
    ),
    "zero-width": lambda text: _ALNUM.sub("\\g<0>\u200b", text),
    "soft hyphens": lambda text: re.sub(r"(?<=\w\w)(?=\w)", "\u00ad", text),
    "joined": "\u2060".join,
    "cyrillic": lambda text: text.translate(_CYRILLIC),
    "greek": lambda text: text.translate(_GREEK),
    "circled": lambda text: re.sub("[a-z]", lambda match: chr(0x24D0 - 97 + ord(match[0])), text),
    "selectors": "\ufe0f".join,
    "byte order marks": lambda text: re.sub(r"(?<=\w\w)(?=\w)", "\ufeff", text),
    "unicode escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "array": lambda text: json.dumps([*text]),
}
"""From a text to how it is written."""

CONTAINERS: dict[str, Encode] = {
    "string": lambda text: json.dumps({"id": 7, "body": text}),
    "string in text": lambda text: json.dumps({"id": 7, "body": f"got {text} from it"}),
    "nested": lambda text: json.dumps({"args": json.dumps({"list": [1, text]})}),
    "pair": lambda text: f"level=info body={json.dumps(text)} n=1",
    "text": lambda text: f"it was {text} then",
}
"""From a text to a record that holds it."""

_ALNUM = re.compile(r"[^\W_](?=\w)")
_CYRILLIC = str.maketrans("aeopcxABEKMHOPCTX", "аеорсхАВЕКМНОРСТХ")
_GREEK = str.maketrans("aikopuvxABEHIKMNOPTXYZ", "αικορυνχΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")
_UNSEEN = re.compile("[\u00ad\ufe00-\ufe0f\u200b-\u200f\u2060-\u2064\ufeff]")


def _shifted(text: str, some: re.Pattern[str], by: int) -> str:
    return some.sub(lambda match: chr(ord(match[0]) + by), text)


_RUN = re.compile(r"[A-Za-z0-9+/_-]{8,}(?:\r?\n[A-Za-z0-9+/_-]+)*={0,2}")


def readings(text: str, depth: int = 4) -> set[str]:
    """The text, and whatever somebody who looks closely reads in it."""
    found = new = {text}
    for _ in range(depth):
        new = {below for one in new for below in _decoded(one)} - found
        found = found | new
    return found


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and len(value) > 4 and all(isinstance(one, str) for one in value):
        yield "".join(value)
    elif isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _strings(below)


def _decoded(text: str) -> Iterator[str]:
    with suppress(ValueError):
        yield from _strings(json.loads(text))
    yield unquote(text, errors="replace")
    yield html.unescape(text)
    yield quopri.decodestring(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    yield re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), text)
    if not text.isascii():
        seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
        yield seen.translate({written: meant for alike in (_CYRILLIC, _GREEK) for meant, written in alike.items()})
    if "\\" in text:
        yield (
            re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
            .encode("utf-16", "surrogatepass")
            .decode("utf-16", "replace")
        )
        yield re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)
    for match in _RUN.finditer(text):
        run = re.sub(r"\s", "", match[0]).rstrip("=")
        for skip in range(4):
            try:
                data = base64.urlsafe_b64decode((run[skip:] + "=" * (-len(run[skip:]) % 4)).translate(_URL_SAFE))
            except binascii.Error:
                continue
            yield data.decode("utf-8", "replace")
            yield data.decode("utf-16-le", "replace")
            if data[:2] == b"\x1f\x8b":
                yield zlib.decompressobj(31).decompress(data).decode("utf-8", "replace")
    for match in re.finditer(r"(?:[0-9a-fA-F]{2}){4,}", text):
        yield bytes.fromhex(match[0]).decode("utf-8", "replace")
        yield bytes.fromhex(match[0]).decode("utf-16-be", "replace")


_URL_SAFE = str.maketrans("+/", "-_")
