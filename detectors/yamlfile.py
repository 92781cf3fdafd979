"""Strict YAML: every error names file, line and key, and suggests the key that was meant.

Scalars are read by the core schema of YAML 1.2: ``no`` and ``12:30:45`` are text, as one would think.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from detectors.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]


class _Loader(yaml.CSafeLoader):
    """libyaml's loader with the scalars of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # not those of YAML 1.1, which the parent has


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


class YamlFile:
    """One parsed YAML document with the line of each of its keys. ``data`` is plain dicts, lists and scalars.

    Raises ConfigError on unreadable files, bad YAML and duplicate keys.
    """

    def __init__(self, text: str, name: Path | str) -> None:
        self.name = name
        self.text = text
        self.data: Any = None
        self._root: yaml.Node | None = None
        loader = _Loader(text)
        try:
            self._root = loader.get_single_node()
            if self._root is not None:
                _unique_keys(self._root)
                self.data = loader.construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise ConfigError(
                error.problem or "not valid YAML", file=name, line=mark.line + 1 if mark else None
            ) from None
        except (yaml.YAMLError, ValueError):
            raise ConfigError("not valid YAML", file=name) from None
        finally:
            loader.dispose()

    @classmethod
    def read(cls, path: Path) -> YamlFile:
        """The YAML file at ``path``; ConfigError if it cannot be read as UTF-8."""
        try:
            return cls(path.read_text(encoding="utf-8"), path)
        except OSError as error:
            raise ConfigError(error.strerror or "cannot be read", file=path) from None
        except UnicodeDecodeError:
            raise ConfigError("is not UTF-8", file=path) from None

    def line(self, loc: Sequence[str | int]) -> int | None:
        """The 1-based line of the deepest part of ``loc`` that the file has."""
        node, line = self._root, 1
        for part in loc:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line

    def error(self, message: str, loc: Sequence[str | int]) -> ConfigError:
        """A ConfigError that points at ``loc`` in this file."""
        return ConfigError(message, file=self.name, line=self.line(loc), key=dotted(loc))

    def validate(self, model: type[Model], data: Any = None, prefix: Loc = ()) -> Model:
        """``data`` (or the whole document) as ``model``; the first problem raises a ConfigError."""
        try:
            return model.model_validate(self.data if data is None else data)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=True, include_input=False)
            # An unknown key first: what is missing is often what it was meant to be.
            first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
            loc = tuple(part for part in first["loc"] if not _is_tag(part))
            raise self.error(_explain(first, model, loc), (*prefix, *loc)) from None


def dotted(loc: Sequence[str | int]) -> str:
    """``('rules', 3, 'pattern')`` as ``rules[3].pattern``."""
    out = ""
    for part in loc:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def closest(word: str, known: Sequence[str]) -> str:
    """`` (did you mean 'x'?)`` for the known word that is nearest, or the empty string."""
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    """The line of a key or item, and the node it holds; None if there is none."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None


def _unique_keys(node: yaml.Node) -> None:
    """Raises for a key that stands twice in a mapping: YAML forbids it, its parsers take the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"duplicate key '{key.value}'", problem_mark=key.start_mark)
                seen.add(key.value)
            _unique_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _unique_keys(item)


def _is_tag(part: str | int) -> bool:
    """Whether pydantic put this part into a location to name a union member, not a key."""
    return isinstance(part, str) and ("[" in part or part.startswith(("function-", "tagged-")))


def _explain(error: Any, model: type[BaseModel], loc: Loc) -> str:
    if error["type"] == "extra_forbidden":
        key = str(loc[-1])
        return f"unknown key '{key}'{closest(key, _known_keys(model, loc[:-1]))}"
    if error["type"] == "missing":
        return "is required"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


def _known_keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys that are allowed at ``loc`` of ``model``, read from its JSON Schema."""
    schema = model.model_json_schema(by_alias=True)
    nodes: list[Any] = [schema]
    for part in loc:
        nodes = [child for node in nodes for child in _children(_resolve(node, schema), part)]
    return [key for node in nodes for n in _resolve(node, schema) for key in n.get("properties", {})]


def _resolve(node: Any, schema: Any) -> list[Any]:
    if "$ref" in node:
        return _resolve(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    options = node.get("anyOf") or node.get("oneOf") or node.get("allOf")
    return [one for option in options for one in _resolve(option, schema)] if options else [node]


def _children(nodes: list[Any], part: str | int) -> list[Any]:
    out = []
    for node in nodes:
        if isinstance(part, int):
            out += [node["items"]] if "items" in node else []
        elif part in node.get("properties", {}):
            out.append(node["properties"][part])
        elif isinstance(node.get("additionalProperties"), dict):
            out.append(node["additionalProperties"])
    return out
