"""Writes into a record what is redacted in its views, each by its method, and tells of each for the decision entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from detectors.finding import Finding
from engine.jsontext import without
from engine.ledger.model import Redaction
from engine.policy.paths import written
from engine.redaction import KEYED, Method, redact
from engine.tokens import TenantKey
from engine.views import Edit, View, apply, write


class Cleaned(NamedTuple):
    """A text as it may leave. ``dropped`` says that nothing of it may."""

    text: bytes
    redactions: tuple[Redaction, ...]
    dropped: bool


def rewrite(
    views: Sequence[View],
    selected: Iterable[tuple[View, list[Finding]]],
    method_of: Callable[[Finding], Method],
    key_of: Callable[[bytes], TenantKey | None],
) -> Cleaned:
    """The record, the first of ``views``, with what is ``selected`` redacted in each of these views.

    ``method_of`` says how, and ``key_of`` gives the key for what the record holds, see `engine.cleaning.Cleaner`.
    """
    redactions: list[tuple[View, Finding, Method]] = []
    gone: dict[View, list[tuple[int, int]]] = {}
    keys: list[View] = []
    key: TenantKey | None = None
    whose_is_read = False
    for view, findings in selected:
        for finding in findings:
            method = method_of(finding)
            if method is Method.KEEP:
                continue
            if method is Method.DROP and view.kind != "key":
                holder = _holder(view)
                redactions.append((view, finding, method))
                if holder is None:
                    return Cleaned(b"", _told(redactions, {}), dropped=True)
                parent, member = holder
                gone.setdefault(parent, []).append(member)
                continue
            method = Method.REPLACE if method is Method.DROP else method
            if method in KEYED:
                if not whose_is_read:
                    key, whose_is_read = key_of(views[0].text), True
                method = Method.REPLACE if key is None else method
            redactions.append((view, finding, method))
            new = redact(method, finding.entity, view.text[finding.start : finding.end], key)
            view.edits.append(Edit(finding.start, finding.end, new))
            if view.kind == "key" and (not keys or keys[-1] is not view):
                keys.append(view)
    if not redactions:
        return Cleaned(views[0].text, (), dropped=False)
    shown = _keep_apart(views, keys) if keys else {}
    for parent, members in gone.items():
        parent.edits += [Edit(start, end, b"") for start, end in without(parent.text, members)]
    told = _told(redactions, shown)
    return Cleaned(write(views), told, dropped=False)


def _told(redactions: Sequence[tuple[View, Finding, Method]], shown: dict[bytes, bytes]) -> tuple[Redaction, ...]:
    paths: dict[View, str] = {}
    for view, _, _ in redactions:
        if view not in paths:
            paths[view] = _path(view, shown)
    return tuple(
        [
            Redaction(paths[view], f.start, f.end, f.rule_id, f.entity, method.value, f.score)
            for view, f, method in redactions
        ]
    )


def _holder(view: View) -> tuple[View, tuple[int, int]] | None:
    """The member or element that goes when ``view`` goes, and the view whose text it is a part of."""
    at: View | None = view
    while at is not None:
        if at.member is not None and at.parent is not None:
            return at.parent, at.member
        at = at.parent
    return None


def _path(view: View, shown: dict[bytes, bytes]) -> str:
    names = view.step.names() if view.step is not None else ()
    if shown:
        names = tuple(shown.get(name, name) if isinstance(name, bytes) else name for name in names)
    path = written(names)
    return f"{path} (key)" if view.kind == "key" else path


def _keep_apart(views: Iterable[View], changed: Sequence[View]) -> dict[bytes, bytes]:
    """Makes keys that collide once redacted different again, and says what became of each changed key."""
    containers = {_container(view) for view in changed}
    taken: dict[tuple[int, int], set[bytes]] = {container: set() for container in containers}
    for view in views:
        if view.kind == "key" and not view.edits and _container(view) in containers:
            taken[_container(view)].add(view.text)
    shown = {}
    numbers: dict[tuple[tuple[int, int], bytes], int] = {}  # the last that was given
    for view in changed:
        container = _container(view)
        names = taken[container]
        new = plain = apply(view.text, view.edits)
        number = numbers.get((container, plain), 1)
        while new in names:
            number += 1
            new = plain + b"#%d" % number
        numbers[container, plain] = number
        names.add(new)
        view.edits = [Edit(0, len(view.text), new)]
        shown[view.text] = new
    return shown


def _container(view: View) -> tuple[int, int]:
    parent = view.step.parent if view.step is not None else None
    return id(view.parent), id(parent) if parent is not None else 0
