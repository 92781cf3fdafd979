"""The schemas of what Sluicegate writes down: the current ones, and every one that was ever released.

One ``.avsc`` for each message in ``schemas``, self-contained, and a frozen copy of each released version in
``schemas/history``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from operator import attrgetter
from typing import Any, NamedTuple

from fastavro import parse_schema
from fastavro.schema import fingerprint as schema_fingerprint
from fastavro.schema import to_parsing_canonical_form

from detectors.errors import SluicegateError
from engine.ledger.model import DecisionBatch, PeopleEvent, PolicySnapshot, ReviewEvent, ReviewRequest, Verdict

LedgerMessage = DecisionBatch | PeopleEvent | PolicySnapshot | ReviewEvent | ReviewRequest | Verdict

MESSAGES: Mapping[str, type[LedgerMessage]] = {
    kind.__name__: kind for kind in (DecisionBatch, PeopleEvent, PolicySnapshot, ReviewEvent, ReviewRequest, Verdict)
}
MARKER = b"\xc3\x01"  # what every Avro single object of version 1 begins with
Node = Any  # a part of a schema: a dict, a list (a union) or a name


class LedgerError(SluicegateError):
    """Bytes are not a ledger message, or an object cannot be written as one. Never says what they hold."""


class ForeignMessage(LedgerError):
    """Bytes that no version of this program has written, damaged or not: somebody else's."""


def schema(name: str, version: int | None = None) -> dict[str, Any]:
    """The schema of the message ``name`` as shipped: the current one, or that of a released ``version``.

    Raises LedgerError if there is none.
    """
    folder = files("engine.ledger") / "schemas"
    file = folder / f"{name}.avsc" if version is None else folder / "history" / f"{name}.{version}.avsc"
    if name not in MESSAGES or not file.is_file():
        raise LedgerError("no such schema")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def versions(name: str) -> tuple[int, ...]:
    """The released versions of the schema of the message ``name``, oldest first."""
    history = files("engine.ledger") / "schemas" / "history"
    parts = [file.name.split(".") for file in history.iterdir() if file.name.endswith(".avsc")]
    return tuple(sorted(int(version) for owner, version, _ in parts if owner == name))


def fingerprint(of: Mapping[str, Any]) -> bytes:
    """The CRC-64-AVRO fingerprint of a schema's parsing canonical form: 8 bytes, little-endian."""
    return bytes.fromhex(schema_fingerprint(to_parsing_canonical_form(dict(of)), "CRC-64-AVRO"))


class Current(NamedTuple):
    """What is known of a message's current schema."""

    head: bytes  # what every message begins with
    parsed: Node  # as fastavro takes it
    tree: Node  # with each name replaced by what it names, and without logical types


class Writer(NamedTuple):
    """A schema that a message may have been written with."""

    name: str
    parsed: Node
    reader: Node | None  # the current schema; None where it is the same one, which reads faster


@cache
def current(name: str) -> Current:
    """The current schema of the message ``name``, read and parsed once."""
    text = schema(name)
    plain = _without_logical_types(text)
    return Current(MARKER + fingerprint(text), parse_schema(plain), _expand(plain, {}))


@cache
def writers() -> Mapping[bytes, Writer]:
    """All schemas ever released and the current ones, by fingerprint."""
    found = {}
    for name in MESSAGES:
        now = current(name)
        for version in versions(name):
            old = schema(name, version)
            found[fingerprint(old)] = Writer(name, parse_schema(_without_logical_types(old)), now.parsed)
        found[now.head[len(MARKER) :]] = Writer(name, now.parsed, None)
    return found


def _without_logical_types(node: Node) -> Node:
    """``node`` with times as plain longs: the schemas say timestamp-millis, our objects hold integers."""
    if isinstance(node, list):
        return [_without_logical_types(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "logicalType" in node:
        return node["type"]
    return {key: _without_logical_types(value) for key, value in node.items()}


def _expand(node: Node, named: dict[str, Node]) -> Node:
    """``node`` with each name replaced by what it names; ``named`` collects the definitions on the way."""
    if isinstance(node, str):
        return named.get(node, node)
    if isinstance(node, list):
        return [_expand(option, named) for option in node]
    if node["type"] == "array":
        return {**node, "items": _expand(node["items"], named)}
    if node["type"] == "record":
        node = {**node, "fields": [{**f, "type": _expand(f["type"], named)} for f in node["fields"]]}
    named[node["name"]] = node
    return node


def values_of(record: Node) -> Callable[[Any], Any]:
    """The function that gives the field values of an object, in the order of the schema ``record``."""
    if record["name"] == "Header":  # a pair in the model
        return tuple
    return attrgetter(*(field["name"] for field in record["fields"]))
