r"""Paths into a JSON tree: ``a.b``, ``a.*.b`` (each item or value), ``a.[].b`` (each item of a list),
``a.0``, ``**`` (everything below).

A dot in a key is written ``\.``. A path that ends in ``|json`` reads the string it finds as JSON. The path
``.`` is the tree itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from detectors.errors import BudgetExceeded
from engine.actions.model import Json, Number
from engine.actions.tree import MAX_LAYERS, Reader

_DOT = re.compile(r"(?<!\\)\.")
_JSON = "|json"


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path; ``text`` is how it was written."""

    text: str
    steps: tuple[str, ...]
    reads_json: bool = False
    _named: bool = field(init=False, compare=False, repr=False)  # each step is a key and nothing else

    def __post_init__(self) -> None:
        named = not any(step in ("*", "[]", "**") or step.isdigit() for step in self.steps)
        object.__setattr__(self, "_named", named)

    @classmethod
    def of(cls, text: str) -> Path:
        """The path written as ``text``. Raises ValueError for an empty step."""
        reads_json = text.endswith(_JSON)
        bare = text.removesuffix(_JSON)
        if bare == ".":
            return cls(text, (), reads_json)
        steps = tuple(step.replace("\\.", ".") for step in _DOT.split(bare))
        if not all(steps):
            raise ValueError(f"the path '{text}' has an empty step")
        if "**" in steps[:-1]:
            raise ValueError(f"in the path '{text}', '**' can only be the last step")
        return cls(text, steps, reads_json)

    @property
    def key(self) -> str | None:
        """The last step that is the name of a key, or None."""
        named = [step for step in self.steps if step not in ("*", "[]", "**") and not step.isdigit()]
        return named[-1] if named else None

    @property
    def ends_in_key(self) -> bool:
        """Whether what the path finds stands directly behind its key."""
        return bool(self.steps) and self.steps[-1] == self.key

    def find(self, tree: Json, reader: Reader) -> Iterable[Json]:
        """What stands at this path. Strings are not looked into, except at the end of a ``|json`` path."""
        found = _keyed(tree, self.steps) if self._named else _walk(tree, self.steps, None)
        return _read_inside(found, reader) if found and self.reads_json else found

    def find_through(self, tree: Json, reader: Reader) -> Iterable[Json]:
        """What stands at this path, looking also into JSON that stands in strings on the way."""
        return _walk(tree, self.steps, reader)


def _keyed(tree: Json, steps: tuple[str, ...]) -> Sequence[Json]:
    """`_walk` where each step is a key: most paths are, and a record is asked for dozens."""
    for step in steps:
        if not isinstance(tree, dict) or step not in tree:
            return ()
        tree = tree[step]
    return (tree,)


def _read_inside(values: Iterable[Json], reader: Reader) -> Iterator[Json]:
    for value in values:
        inside = reader.inside(value) if isinstance(value, str) and not isinstance(value, Number) else None
        yield value if inside is None else inside


def _walk(tree: Json, steps: tuple[str, ...], reader: Reader | None) -> list[Json]:
    level: list[Json] = [tree]
    for step in steps:  # a level of the tree for each: a generator for each node is what most of the time went to
        if reader is not None:
            level = [
                reader.inside(node) if isinstance(node, str) and not isinstance(node, Number) else node
                for node in level
            ]
        if step == "**":
            return [node for node in level if node is not None]  # whoever asks looks at all leaves of it
        below: list[Json] = []
        for node in level:
            if isinstance(node, dict):
                if step in node and step != "*":
                    below.append(node[step])
                elif step == "*":
                    below += node.values()
            elif isinstance(node, list):
                if step in ("*", "[]"):
                    below += node
                elif step.isdigit() and int(step) < len(node):
                    below.append(node[int(step)])
        if not below:
            return below
        level = below
    return level


def scalar_text(value: Json) -> str | None:
    """A scalar as text (``true``, ``42``); None for null and for containers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def leaves(value: Json, reader: Reader) -> Iterator[Json]:
    """Each scalar in ``value``, also in JSON that stands in its strings; a list of scalars also as one text.

    The joined text is how an argument vector reads: ``["rm", "-rf", "/"]`` is ``rm -rf /`` too. Raises
    BudgetExceeded("layers") for JSON in strings in JSON without end.
    """
    stack: list[tuple[Json, int]] = [(value, 0)]
    while stack:  # not recursive: depth times layers would be over Python's own limit
        node, layers = stack.pop()
        if isinstance(node, str) and not isinstance(node, Number):
            yield node
            inside = reader.inside(node)
            if inside is not None:
                if layers >= MAX_LAYERS:
                    raise BudgetExceeded("layers", MAX_LAYERS)
                stack.append((inside, layers + 1))
        elif isinstance(node, dict):
            stack.extend((item, layers) for item in reversed(node.values()))
        elif isinstance(node, list):
            texts = [scalar_text(item) for item in node]
            if len(node) > 1 and all(text is not None for text in texts):
                yield " ".join(text for text in texts if text is not None)
            stack.extend((item, layers) for item in reversed(node))
        elif node is not None:
            yield node
