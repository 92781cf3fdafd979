"""Tokens in a text, and the values that they stand for written in their place: sanitizing the other way."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from engine.reading import read_record
from engine.tokens import TOKEN, KeyRing, TokenError
from engine.views import Edit, Limits, write


class Use(NamedTuple):
    """What was asked of which key: for a log. ``refused`` says why nothing was revealed, "" if it was.

    The entity of a refused token is not told: anybody can have written it, and anything.
    """

    key: str
    entity: str
    refused: str


def reveal(token: bytes, keys: KeyRing, tenant: str, uses: Counter[Use]) -> bytes | None:
    """The value that a token stands for; None if it cannot be read. ``uses`` counts it."""
    match = TOKEN.fullmatch(token)
    key = match[2].decode() if match else ""
    try:
        value = keys.reveal(token, tenant)
    except TokenError as error:
        uses[Use(key, "", str(error))] += 1
        return None
    uses[Use(key, match[1].decode() if match else "", "")] += 1
    return value


def reveal_all(text: bytes, keys: KeyRing, tenant: str, uses: Counter[Use]) -> bytes:
    """``text`` with the value of each token in it, escaped as its place asks; what cannot be read stays.

    Raises BudgetExceeded for a text that is nested too deep.
    """
    views = read_record(text, "auto", Limits())
    root = views[0]
    pairs = [(v.start, v.start + v.length) for v in views[1:] if v.parent is root] if root.readable else []
    for view in views:
        for match in TOKEN.finditer(view.readable):
            start, end = match.span()
            if view is root and any(low <= start and end <= high for low, high in pairs):
                continue  # the value of a key=value pair has a view of its own, which knows its quotes
            value = reveal(match[0], keys, tenant, uses)
            if value is not None:
                view.edits.append(Edit(start, end, value))
    return write(views)
