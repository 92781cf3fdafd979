r"""Path patterns: where in a record something stands.

``customer.email`` is one place; ``*`` stands for one name or index, ``**`` for any number of them. A dot in a
name is written ``\.``. JSON inside a string counts as part of the path:
``tool_calls.*.function.arguments.email`` reaches into the arguments that are JSON in a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_DOT = re.compile(r"(?<!\\)\.")
_SHORT = 64  # bytes of a name
_JOINT = b"\x1f"
_BELOW = rb"(?:[^\x1f]*\x1f)*"

Names = Iterable[bytes | int]


class PathPattern:
    """A compiled path pattern. Raises ValueError for an empty name."""

    __slots__ = ("_regex", "literal", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        names = split(text)
        self._regex = re.compile(b"".join(_piece(name) for name in names) + _BELOW, re.DOTALL)
        fixed = [name for name in names if name not in ("*", "**") and not name.isdigit()]
        self.literal = fixed[-1] if fixed else None
        """A name that every matching record holds; None if there is none."""

    def matches(self, joined: bytes) -> bool:
        """Whether it matches a path, as `joined` writes it, or one that the path is below of."""
        return self._regex.fullmatch(joined) is not None


def split(text: str) -> list[str]:
    """The names of a path as it is written. Raises ValueError for an empty one."""
    names = [name.replace("\\.", ".") for name in _DOT.split(text)]
    if not all(names):
        raise ValueError(f"the path '{text}' has an empty name")
    return names


def joined(names: Names) -> bytes:
    """A path in the form that patterns match."""
    return b"".join((b"%d" % n if isinstance(n, int) else n.replace(_JOINT, b" ")) + _JOINT for n in names)


def written(names: tuple[bytes | int, ...]) -> str:
    """A path as a pattern is written; a long name is cut after 200 bytes."""
    for name in names:
        if isinstance(name, bytes) and len(name) > _SHORT:
            return _written(names)
    return _known(names)  # the same paths come again and again


def _written(names: tuple[bytes | int, ...]) -> str:
    return ".".join(
        str(n) if isinstance(n, int) else n[:200].decode("utf-8", "replace").replace(".", "\\.") for n in names
    )


_known = lru_cache(maxsize=4096)(_written)


def _piece(name: str) -> bytes:
    if name == "**":
        return _BELOW
    if name == "*":
        return rb"[^\x1f]*\x1f"
    return re.escape(name.encode()) + rb"\x1f"
