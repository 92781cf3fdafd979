"""The digest that an approval is bound to.

Canonical by RFC 8785, with numbers as the strings that they are written as: nothing is rounded, and ``1`` differs
from ``1.0``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import rfc8785

from sluicegate_client.model import JsonValue

_Tree = str | bool | None | list["_Tree"] | dict[str, "_Tree"]


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def written(value: object) -> str:
    """``value`` as JSON text, as it travels. Raises TypeError or ValueError for what JSON cannot say."""
    return json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))


def digest(action: str, resource: str, params: Mapping[str, JsonValue], *, salt: str) -> str:
    """``sha256:`` and the hexadecimal SHA-256 of ``salt`` and the canonical form of the three.

    Raises TypeError or ValueError for what JSON cannot say, NaN and infinity included.
    """
    whole = {"action": action, "resource": resource, "params": params}
    tree: _Tree = json.loads(written(whole), parse_int=_Number, parse_float=_Number)
    return "sha256:" + hashlib.sha256(salt.encode() + b"\0" + rfc8785.dumps(_plain(tree))).hexdigest()


def _plain(value: _Tree) -> _Tree:
    """Numbers as ``{"#": digits}``, which nothing else equals; text that UTF-8 can write."""
    if isinstance(value, _Number):
        return {"#": str(value)}
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {f".{_plain(key)}": _plain(item) for key, item in value.items()}
    return value
