"""What the engine and the reviewer have to be allowed on a cluster with access control. Pure; it needs no cluster."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Grant(NamedTuple):
    """Operations on resources of one kind: ``topic``, ``group`` or ``transactional-id``."""

    kind: str
    names: tuple[str, ...]
    operations: tuple[str, ...]
    prefixed: bool = False


def engine_grants(group: str, activity: Iterable[str], outputs: Iterable[str], *, creates: bool) -> list[Grant]:
    """For ``sluicegate run``: all its workers, whatever they are called. ``creates``: it makes topics too."""
    inputs, written = _unique(activity), _unique(outputs)
    grants = [
        Grant("topic", inputs, ("Read", "DescribeConfigs")),
        Grant("topic", written, ("Write", "DescribeConfigs")),
        Grant("group", (group,), ("Read",)),
        Grant("transactional-id", (f"{group}.", "sluicegate-append-"), ("Write",), prefixed=True),
    ]
    return [*grants, Grant("topic", (*inputs, *written), ("Create",))] if creates else grants


def reviewer_grants(name: str, readers: str, read: Iterable[str], written: Iterable[str]) -> list[Grant]:
    """For ``sluicegate approvals serve``, which publishes as ``name`` and reads as ``readers``."""
    out = _unique(written)
    only_read = tuple(name for name in _unique(read) if name not in out)
    return [
        *([Grant("topic", only_read, ("Read", "DescribeConfigs"))] if only_read else []),
        # How far it got is kept as an offset of what it writes, and that takes Read.
        Grant("topic", out, ("Read", "Write", "DescribeConfigs")),
        Grant("group", (name, readers), ("Read",)),
        Grant("transactional-id", (name,), ("Write",)),
    ]


def commands(user: str, grants: Sequence[Grant], *, servers: str) -> list[str]:
    """``kafka-acls.sh`` lines that give ``user`` what it needs."""
    return [
        shlex.join(
            [
                *("kafka-acls.sh", "--bootstrap-server", servers, "--add", "--allow-principal", f"User:{user}"),
                *(word for operation in grant.operations for word in ("--operation", operation)),
                *(word for name in grant.names for word in (f"--{grant.kind}", name)),
                *(("--resource-pattern-type", "prefixed") if grant.prefixed else ()),
            ]
        )
        for grant in grants
    ]


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
