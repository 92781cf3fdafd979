"""The parameters of an action as a table that a tired person can read. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from markupsafe import Markup

from approvals.web.text import clipped

_VALUE_BYTES = 1_200
_WAS_BYTES = 400
_ITEM_BYTES = 160
_PATH_BYTES = 300
_TABLE_BYTES = 20_000
_ROW_BYTES = 60  # what the markup around a row costs


class Row(NamedTuple):
    """One parameter: where it stands, what it is, and whether it is text or something else.

    ``change`` compares it with the parameters of another request: changed, new, gone, or nothing; ``was`` is what
    it was there.
    """

    path: Markup
    value: Markup
    kind: str  # text, literal, empty, list
    change: str = ""
    was: Markup | None = None


class ParamTable(NamedTuple):
    """The rows that fit, and what did not: rows, and characters within shown rows."""

    rows: list[Row]
    hidden_rows: int
    hidden_chars: int
    changes: int = 0  # hidden rows included

    @property
    def complete(self) -> bool:
        """Whether the table shows everything."""
        return not self.hidden_rows and not self.hidden_chars


class _Literal(str):
    """A number, as it was written: its digits are not ours to change."""

    __slots__ = ()


class _Members(list[tuple[str, Any]]):
    """The members of an object, in order, duplicates included: both were read, so both are shown."""


def param_table(params: str, entities: Collection[str], before: str | None = None) -> ParamTable:
    """``params``, JSON or not, as a table of bounded size; with what has changed since ``before``, if that is given."""
    rows: list[Row] = []
    room = _TABLE_BYTES
    hidden_rows = hidden_chars = changes = 0
    for path, value, kind, change, was in _compared(params, before):
        changes += change != ""
        if room <= 0:
            hidden_rows += 1
            continue
        where, cut_path = clipped(path, _PATH_BYTES)
        what, cut_value = _value(value, min(_VALUE_BYTES, max(room, 200)), entities)
        earlier = None if was is None else _value(was, _WAS_BYTES, entities)[0]
        size = sum(len(part.encode("utf-8", "replace")) for part in (where, what, earlier or ""))
        room -= _ROW_BYTES + size
        hidden_chars += cut_path + cut_value
        rows.append(Row(where, what, kind, change, earlier))
    return ParamTable(rows, hidden_rows, hidden_chars, changes)


def _compared(
    params: str, before: str | None
) -> Iterator[tuple[str, str | list[str], str, str, str | list[str] | None]]:
    """Each leaf of ``params`` with its change since ``before`` and what it was, then what is gone."""
    if before is None:
        for path, value, kind in param_leaves(params):
            yield path, value, kind, "", None
        return
    # A key that is there twice has two values: they are compared in order.
    earlier: dict[str, list[tuple[str | list[str], str]]] = {}
    for path, value, kind in param_leaves(before):
        earlier.setdefault(path, []).append((value, kind))
    for path, value, kind in param_leaves(params):
        if not earlier.get(path):
            yield path, value, kind, "new", None
            continue
        was, was_kind = earlier[path].pop(0)
        same = (was, was_kind) == (value, kind)
        yield path, value, kind, "" if same else "changed", None if same else was
    for path, left in earlier.items():
        for was, kind in left:
            yield path, was, kind, "gone", None


def _value(value: str | list[str], limit: int, entities: Collection[str]) -> tuple[Markup, int]:
    if isinstance(value, str):
        return clipped(value, limit, entities)
    out, used, hidden = [], 0, 0
    for index, item in enumerate(value):
        if used > limit:
            hidden = sum(map(len, value[index:]))
            out.append(Markup('<b class="gap">{:,} more not shown</b>').format(len(value) - index))
            break
        markup, cut = clipped(item, min(limit, _ITEM_BYTES), entities)
        markup = Markup('<span class="item">{}</span>').format(markup)
        used, hidden = used + len(markup), hidden + cut
        out.append(markup)
    return Markup(" ").join(out), hidden


def param_lines(params: str) -> Iterator[tuple[str, str]]:
    """Every parameter uncut: its path and its text."""
    for path, value, _ in param_leaves(params):
        if isinstance(value, str):
            yield path, value
        else:
            yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))


def param_leaves(params: str) -> Iterator[tuple[str, str | list[str], str]]:
    """Each scalar, list of scalars and empty container of ``params``: path, text or texts, kind."""
    return _leaves(_parse(params))


def _parse(params: str) -> Any:
    try:
        return json.loads(
            params,
            parse_int=_Literal,
            parse_float=_Literal,
            parse_constant=_Literal,
            object_pairs_hook=_Members,
        )
    except (ValueError, RecursionError):
        return params


def _leaves(root: Any) -> Iterator[tuple[str, str | list[str], str]]:
    """Each scalar and empty container of ``root``: path, text, kind. A stack, since it may be deep."""
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, _Members) and node:
            prefix = f"{path}." if path else ""
            stack.extend((f"{prefix}{key}", child) for key, child in reversed(node))
        elif isinstance(node, list) and node and not any(isinstance(child, list) for child in node):
            yield path, [_scalar(child)[0] for child in node], "list"
        elif isinstance(node, list) and not isinstance(node, _Members) and node:
            stack.extend((f"{path}[{index}]", child) for index, child in reversed(list(enumerate(node))))
        else:
            yield path, *_scalar(node)


def _scalar(node: Any) -> tuple[str, str]:
    if isinstance(node, _Literal):
        return str(node), "literal"
    if isinstance(node, str):
        return (node, "text") if node else ("empty text", "empty")
    if isinstance(node, list):
        return ("no members" if isinstance(node, _Members) else "empty list"), "empty"
    return {True: "true", False: "false", None: "null"}[node], "literal"
