"""Whose a record is, where the policy names the field or the topic that tells.

Where it cannot be told (no such field, two of them that differ, a topic that does not match), there is no tenant,
and what needs a tenant's key is replaced by a plain placeholder instead: a key that all such records share would
make equal values of different tenants recognizable.
"""

from __future__ import annotations

from typing import Any

import re2

from detectors.errors import BudgetExceeded
from engine.escapes import unescape_bytes
from engine.jsontext import locate_all
from engine.policy.paths import split


class TenantField:
    """Reads the tenant at one path (``account.tenant``) of a JSON record: a text that is not empty, or a number."""

    __slots__ = ("_max_depth", "_name", "_path")

    def __init__(self, path: str, max_depth: int) -> None:
        self._path = tuple(name.encode() for name in split(path))
        self._name = b'"' + self._path[-1] + b'"'
        self._max_depth = max_depth

    def __call__(self, record: bytes) -> str | None:
        """The tenant, None if it cannot be told. An escaped name (``"\\u0074enant"``) is not looked for."""
        spans, at = [], record.find(self._name)
        while at >= 0:
            spans.append((at, at + len(self._name)))
            at = record.find(self._name, at + 1)
        if not spans:
            return None
        try:
            found = locate_all(record, self._max_depth, spans, 1000)
        except BudgetExceeded:
            return None
        values = {
            (kind, record[start:end])
            for kind, start, end, path, _ in (found[1] if found else ())
            if kind != "key" and path == self._path
        }
        if len(values) != 1:
            return None
        kind, raw = values.pop()
        if kind == "number":
            return raw.decode() if raw[:1] in b"-0123456789" else None
        return unescape_bytes(raw).decode("utf-8", "surrogateescape") or None


class TenantTopic:
    """Reads the tenant from a topic's name: the group ``tenant`` of an RE2 pattern for the whole name, or all of it.

    Raises ValueError for what is no pattern.
    """

    __slots__ = ("_pattern",)

    def __init__(self, pattern: str) -> None:
        options = re2.Options()
        options.log_errors = False
        try:
            self._pattern: Any = re2.compile(pattern, options)
        except re2.error as error:
            raise ValueError(f"not a pattern that RE2 takes: {error}") from None

    def tenant(self, topic: str) -> str | None:
        """The tenant whose topic this is, None if it cannot be told."""
        match = self._pattern.fullmatch(topic)
        if match is None:
            return None
        return (match["tenant"] if "tenant" in self._pattern.groupindex else match[0]) or None
