"""Strict YAML: every error names file, line and key, and suggests the key that was meant."""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from detectors.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]


class YamlFile:
    """One parsed YAML document with the line of each of its keys.

    ``data`` is what ruamel's round-trip loader gives (mappings and sequences that know their lines).
    Raises ConfigError on unreadable files, bad YAML and duplicate keys.
    """

    def __init__(self, text: str, name: Path | str) -> None:
        self.name = name
        self.text = text
        loader = YAML(typ="rt")
        loader.allow_duplicate_keys = False
        try:
            self.data: Any = loader.load(io.StringIO(text))
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            problem = (error.problem or "not valid YAML").splitlines()[0]
            raise ConfigError(problem, file=name, line=line) from None
        except YAMLError:
            raise ConfigError("not valid YAML", file=name) from None

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
        node, line = self.data, 1
        for part in loc:
            try:
                mark = node.lc.data[part]
                node = node[part]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
            line = int(mark[0]) + 1
        return line

    def error(self, message: str, loc: Sequence[str | int]) -> ConfigError:
        """A ConfigError that points at ``loc`` in this file."""
        return ConfigError(message, file=self.name, line=self.line(loc), key=dotted(loc))

    def validate(self, model: type[Model], data: Any = None, prefix: Loc = ()) -> Model:
        """``data`` (or the whole document) as ``model``; the first problem raises a ConfigError."""
        try:
            return model.model_validate(plain(self.data if data is None else data))
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=True, include_input=False)
            # An unknown key first: what is missing is often what it was meant to be.
            first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
            loc = (*prefix, *(part for part in first["loc"] if not _is_tag(part)))
            raise self.error(_explain(first, model), loc) from None


def plain(node: Any) -> Any:
    """``node`` as plain dicts, lists and scalars, so that models never see ruamel's types."""
    if isinstance(node, Mapping):
        return {plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        return [plain(item) for item in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


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


def _is_tag(part: str | int) -> bool:
    """Whether pydantic put this part into a location to name a union member, not a key."""
    return isinstance(part, str) and ("[" in part or part.startswith(("function-", "tagged-")))


def _explain(error: Any, model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden":
        key = str(error["loc"][-1])
        return f"unknown key '{key}'{closest(key, _known_keys(model, error['loc'][:-1]))}"
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
