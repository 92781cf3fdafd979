"""What Sluicegate writes down, as bytes: Avro for machines, JSON for people.

**Avro** is the single-object encoding of the Avro specification
(https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding): ``C3 01``, the little-endian
CRC-64-AVRO fingerprint of the schema's parsing canonical form, and the binary body. Each message thus names
the schema that wrote it. `decode` finds that schema among all that were ever released (``schemas/history``)
and resolves it to the current one.

**JSON** is one object: ``type`` first, then the members by the names of the schema. Times are integers, in
milliseconds since the epoch. Bytes are ``{"text": …}`` when they are valid UTF-8, else ``{"base64": …}``
(RFC 4648, padded). NaN and infinities are refused. It is read by Avro's rules for schema resolution: a member
with a default may be missing, one that the schema does not know is ignored, and an enum symbol that it does
not know becomes the enum's default, which is always the careful reading (denied, critical, quarantined).

The first byte tells the two apart: ``C3`` or ``{``.

No `LedgerError` carries content, neither in its message nor in a chained exception.
"""

from __future__ import annotations

import io
import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson
from fastavro import schemaless_reader

from engine.ledger.schema_files import (
    MARKER,
    MESSAGES,
    ForeignMessage,
    LedgerError,
    LedgerMessage,
    Node,
    current,
    values_of,
    writers,
)
from engine.records import Header

__all__ = ["ForeignMessage", "Format", "LedgerError", "LedgerMessage", "decode", "encode"]

Format = Literal["avro", "json"]

_HEAD_BYTES = len(MARKER) + 8
_Convert = Callable[[Any], Any]
_SHORT = 64  # characters of a text that may come again
_INTEGER_BITS = {"int": 32, "long": 64}


def encode(message: LedgerMessage, format: Format = "avro") -> bytes:  # noqa: A002 (the word users configure)
    """``message`` as bytes that `decode` reads back as an equal object.

    Raises LedgerError for an object that is no ledger message, or one that its schema cannot hold: text with
    lone surrogates, an integer beyond 64 bits (32 for partitions), a score that is not finite.
    """
    name = type(message).__name__
    if MESSAGES.get(name) is not type(message):
        raise LedgerError(f"not a ledger message: {name}")
    if format not in ("avro", "json"):
        raise LedgerError("the format of a ledger message is 'avro' or 'json'")
    with suppress(Exception):  # of whatever kind: they carry content
        if format == "avro":
            return current(name).head + _avro_writer(name)(message)
        return orjson.dumps({"type": name, **_json_writer(name)(message)})
    raise LedgerError(f"this {name} does not fit its schema")


def decode(data: bytes) -> LedgerMessage:
    """The object behind ``data``, in either format.

    Raises ForeignMessage for bytes in neither format, LedgerError for an unknown schema and anything cut short, too
    long, missing or of the wrong type.
    """
    if data[:1] == MARKER[:1]:
        return _read_avro(data)
    if data[:1] == b"{":
        return _read_json(data)
    raise ForeignMessage("neither an Avro single object nor a JSON object" if data else "no bytes at all")


# --- Avro ---------------------------------------------------------------------------------------------------
#
# The writer is compiled from the schema once and works on our objects without a detour over dicts: a decision
# entry costs half of what fastavro takes, and one that does not fit its schema is refused, not coerced. Tests
# hold it to fastavro's own output. Reading, with its resolution of old schemas, is fastavro's.


@cache
def _avro_writer(name: str) -> Callable[[LedgerMessage], bytes]:
    return _avro(current(name).tree)


def _avro(node: Node) -> Callable[[Any], bytes]:
    if isinstance(node, list):  # every union of ours is null or one other thing
        some = _avro(node[1])
        return lambda value: b"\x00" if value is None else b"\x02" + some(value)
    if isinstance(node, str):
        return _AVRO_PRIMITIVES[node]
    if node["type"] == "enum":
        return {symbol: _avro_long(index) for index, symbol in enumerate(node["symbols"])}.__getitem__
    if node["type"] == "array":
        item = _avro(node["items"])
        if isinstance(node["items"], dict) and node["items"].get("name", "").endswith("Redaction"):
            item = lru_cache(maxsize=8192)(item)  # what is redacted of agents' records is where it was before
        return lambda value: b"".join([_avro_long(len(value)), *map(item, value), b"\x00"]) if value else b"\x00"
    values = values_of(node)
    fields = [_avro(field["type"]) for field in node["fields"]]
    return lambda value: b"".join([field(one) for field, one in zip(fields, values(value), strict=True)])


@lru_cache(maxsize=8192)  # lengths and spans repeat, and an entry's first offset is often its last
def _avro_long(value: int) -> bytes:
    """A zigzag varint (https://avro.apache.org/docs/1.12.0/specification/#binary-encoding)."""
    rest = (_within(value, 64) << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _avro_string(value: str) -> bytes:
    return _known_string(value) if len(value) <= _SHORT else _any_string(value)


def _any_string(value: str) -> bytes:
    data = value.encode("utf-8")
    return _avro_long(len(data)) + data


_known_string = lru_cache(maxsize=8192)(_any_string)  # names of topics, rules, entities and places come again and again


_pack_double = struct.Struct("<d").pack
_AVRO_PRIMITIVES: Mapping[str, Callable[[Any], bytes]] = {
    "string": _avro_string,
    "bytes": lambda value: _avro_long(len(value)) + value,
    "long": _avro_long,
    "int": lambda value: _avro_long(_within(value, 32)),
    "double": lambda value: _pack_double(_finite(value)),
    "boolean": lambda value: b"\x01" if value else b"\x00",
}


def _within(value: int, bits: int) -> int:
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ValueError
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value


def _read_avro(data: bytes) -> LedgerMessage:
    if not data.startswith(MARKER) or len(data) < _HEAD_BYTES:
        kind = LedgerError if MARKER.startswith(data[:2]) else ForeignMessage
        raise kind("not an Avro single object of version 1")
    writer = writers().get(data[len(MARKER) : _HEAD_BYTES])
    if writer is None:
        raise LedgerError("written with a schema that this version does not know; is the writer newer?")
    body = io.BytesIO(data)
    body.seek(_HEAD_BYTES)
    message: LedgerMessage | None = None
    with suppress(Exception):  # whatever fastavro makes of bad bytes: they may carry content
        plain = schemaless_reader(body, writer.parsed, writer.reader)
        message = _from_plain(writer.name)(plain)
    if message is None:
        raise LedgerError(f"{writer.name}: cut short or damaged")
    if body.tell() != len(data):
        raise LedgerError(f"{writer.name}: has bytes after its end")
    return message


# --- JSON ---------------------------------------------------------------------------------------------------


@cache
def _json_writer(name: str) -> Callable[[LedgerMessage], dict[str, Any]]:
    writer = _json(current(name).tree)
    assert writer is not None  # noqa: S101 (messages are records)
    return writer


def _json(node: Node) -> _Convert | None:
    """The function that gives the JSON form of what ``node`` describes; None where it is the value itself."""
    if isinstance(node, list):
        some = _json(node[1])
        return None if some is None else lambda value: None if value is None else some(value)
    if isinstance(node, str):
        return _JSON_PRIMITIVES.get(node)
    if node["type"] == "enum":
        return None
    if node["type"] == "array":
        item = _json(node["items"])
        return None if item is None else lambda value: [item(one) for one in value]
    values = values_of(node)
    names = tuple(field["name"] for field in node["fields"])
    inner = [(f["name"], convert) for f in node["fields"] if (convert := _json(f["type"])) is not None]

    def record(value: Any) -> dict[str, Any]:
        members = dict(zip(names, values(value), strict=True))
        for name, convert in inner:
            members[name] = convert(members[name])
        return members

    return record


def _json_bytes(value: bytes) -> dict[str, str]:
    try:
        return {"text": value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode("ascii")}


_JSON_PRIMITIVES: Mapping[str, _Convert] = {
    "bytes": _json_bytes,
    "int": lambda value: _within(value, 32),
    "long": lambda value: _within(value, 64),
    "double": _finite,
}


def _read_json(data: bytes) -> LedgerMessage:
    document = None
    with suppress(ValueError):  # it carries the document
        document = orjson.loads(data)
    if not isinstance(document, dict):
        raise ForeignMessage("not valid JSON")
    name = document.get("type")
    if not isinstance(name, str) or name not in MESSAGES:
        raise (LedgerError if isinstance(name, str) else ForeignMessage)("type: is not the name of a ledger message")
    message: LedgerMessage = _from_plain(name)(_resolve(current(name).tree, document, name))
    return message


def _resolve(node: Node, value: Any, path: str) -> Any:
    """The JSON ``value`` as Avro would give it for ``node``; LedgerError names ``path`` if it cannot."""
    if isinstance(node, list):
        return None if value is None else _resolve(node[1], value, path)
    if isinstance(node, str):
        return _resolve_primitive(node, value, path)
    if node["type"] == "enum":
        _require(isinstance(value, str), path, "must be a string")
        return value if value in node["symbols"] else node["default"]
    if node["type"] == "array":
        _require(isinstance(value, list), path, "must be an array")
        return [_resolve(node["items"], item, f"{path}[{index}]") for index, item in enumerate(value)]
    _require(isinstance(value, dict), path, "must be an object")
    plain = {}
    for field in node["fields"]:
        name = field["name"]
        _require(name in value or "default" in field, f"{path}.{name}", "is missing")
        if name in value:
            plain[name] = _resolve(field["type"], value[name], f"{path}.{name}")
        else:
            plain[name] = field["default"]
    return plain


def _resolve_primitive(kind: str, value: Any, path: str) -> Any:
    if kind in _INTEGER_BITS:
        bits = _INTEGER_BITS[kind]
        fits = type(value) is int and -(1 << bits - 1) <= value < 1 << bits - 1
        _require(fits, path, f"must be an integer of {bits} bits")
        return value
    if kind == "double":
        _require(type(value) in (int, float) and math.isfinite(value), path, "must be a finite number")
        return float(value)
    if kind == "bytes":
        return _resolve_bytes(value, path)
    _require(type(value) is (bool if kind == "boolean" else str), path, f"must be a {kind}")
    return value


def _resolve_bytes(value: Any, path: str) -> bytes:
    match value:
        case {"text": str(text), **others} if not others:
            return text.encode("utf-8")
        case {"base64": str(text), **others} if not others:
            with suppress(ValueError):
                return b64decode(text, validate=True)
    raise LedgerError(f'{path}: must be {{"text": …}} or {{"base64": …}}')


def _require(holds: bool, path: str, what: str) -> None:
    if not holds:
        raise LedgerError(f"{path}: {what}")


# --- From plain dicts to our objects ------------------------------------------------------------------------


@cache
def _from_plain(name: str) -> _Convert:
    convert = _decoder(MESSAGES[name])
    assert convert is not None  # noqa: S101 (messages are dataclasses)
    return convert


def _decoder(kind: Any) -> _Convert | None:
    """The function that makes a ``kind`` of plain dicts and lists; None where it is the value itself."""
    if kind == Header:
        return lambda plain: (plain["name"], plain["value"])
    if get_origin(kind) in (UnionType, tuple):  # X | None, tuple[X, ...]
        item = next(part for part in get_args(kind) if part not in (NoneType, Ellipsis))
        convert = _decoder(item)
        if get_origin(kind) is UnionType:
            return convert and (lambda plain: None if plain is None else convert(plain))
        return tuple if convert is None else lambda plain: tuple([convert(one) for one in plain])
    if not isinstance(kind, type) or kind in (str, int, float, bool, bytes):
        return None
    if issubclass(kind, Enum):
        return {member.value: member for member in kind}.__getitem__
    inner = [(name, conv) for name, part in get_type_hints(kind).items() if (conv := _decoder(part))]

    def build(plain: dict[str, Any]) -> Any:
        for name, convert in inner:
            plain[name] = convert(plain[name])
        return kind(**plain)

    return build
