"""Profiles: data that says how a record of a known shape tells what action it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field, field_validator

from detectors.yamlfile import Loc, YamlFile
from engine.actions.conditions import Condition, parse_condition
from engine.actions.paths import Path
from engine.ledger.model import ActionKind, PrincipalRole

Texts = tuple[str, ...]
_FIELD = re.compile(r"\{([^{}]*)\}")
_PIECE = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Slot:
    """A ``{path}`` slot of a template; ``record`` when it is looked up in the record, not in the call."""

    path: Path
    record: bool = False


Part = str | Slot


@dataclass(frozen=True, slots=True)
class Template:
    """``'k8s:{verb}:{objectRef.resource}[/{objectRef.subresource}]'``: text, fields, optional segments.

    Each segment is (optional, parts). An optional one is left out when one of its fields is missing.
    """

    text: str
    segments: tuple[tuple[bool, tuple[Part, ...]], ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """The template written as ``text``. Raises ValueError when brackets or paths do not fit."""
        segments = []
        at = 0
        for piece in _PIECE.finditer(text):
            if piece.start() != at:
                break
            segments.append((piece[1] is not None, _parts(piece[1] if piece[1] is not None else piece[2])))
            at = piece.end()
        if at != len(text) or not text:
            raise ValueError(f"the template '{text}' is empty or its brackets do not pair up")
        return cls(text, tuple(segments))

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts in order, optional ones included."""
        return tuple(part for _, parts in self.segments for part in parts)

    @property
    def fields(self) -> tuple[Slot, ...]:
        """The fields in order."""
        return tuple(part for part in self.parts if isinstance(part, Slot))


def _parts(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    at = 0
    for field in _FIELD.finditer(text):
        if field.start() > at:
            parts.append(text[at : field.start()])
        name = field[1]
        parts.append(Slot(Path.of(name.removeprefix("record:")), name.startswith("record:")))
        at = field.end()
    if at < len(text):
        parts.append(text[at:])
    if any(isinstance(part, str) and ("{" in part or "}" in part) for part in parts):
        raise ValueError(f"the braces of the template '{text}' do not pair up")
    return tuple(parts)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


When = dict[str, Texts]


def _check_when(value: object) -> object:
    return {key: _one_or_many(one) for key, one in value.items()} if isinstance(value, dict) else value


def _parse_when(when: When) -> When:
    for path, conditions in when.items():
        Path.of(path)
        for condition in conditions:
            parse_condition(condition)
    return when


def _parse_templates(texts: Texts) -> Texts:
    for text in texts:
        Template.of(text)
    return texts


class CallModel(_Model):
    """One way in which a record holds calls: where they are, and what each of them says."""

    each: Texts = (".",)
    when: When = Field(default_factory=dict)
    action: Texts = Field(min_length=1)
    resource: Texts = ()
    params: Texts = ()

    _lists = field_validator("each", "action", "resource", "params", mode="before")(_one_or_many)
    _when_lists = field_validator("when", mode="before")(_check_when)
    _when = field_validator("when")(_parse_when)
    _templates = field_validator("action", "resource")(_parse_templates)

    @field_validator("each", "params")
    @classmethod
    def _paths(cls, paths: Texts) -> Texts:
        for path in paths:
            Path.of(path)
        return paths


class ResultModel(_Model):
    """Where the results of calls stand in the same record, and which path in them names the call."""

    each: str
    when: When = Field(default_factory=dict)
    id: str

    _when_lists = field_validator("when", mode="before")(_check_when)
    _when = field_validator("when")(_parse_when)


class AnsweredModel(_Model):
    """A call whose ``id`` is that of one of ``results`` has run already: it is history, not a proposal."""

    id: Texts = Field(min_length=1)
    results: tuple[ResultModel, ...] = Field(min_length=1)

    _lists = field_validator("id", mode="before")(_one_or_many)


class PrincipalModel(_Model):
    """Where principals of one role stand; ``issuer`` is for ids that the policy maps to nothing.

    Of the initiator, the first path that finds somebody counts; of other roles, all paths do.
    """

    role: PrincipalRole
    paths: Texts = Field(min_length=1)
    issuer: str | None = None

    _lists = field_validator("paths", mode="before")(_one_or_many)


class ProfileModel(_Model):
    """A profile as written in YAML."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    doc: str = Field(min_length=1)
    kind: ActionKind
    at: Texts = (".",)
    when: When = Field(default_factory=dict)
    unless: tuple[When, ...] = ()
    calls: tuple[CallModel, ...] = Field(min_length=1)
    environment: Texts = ()
    reason: Texts = ()
    answered: AnsweredModel | None = None
    principals: tuple[PrincipalModel, ...] = ()

    _lists = field_validator("at", "environment", "reason", mode="before")(_one_or_many)
    _when_lists = field_validator("when", mode="before")(_check_when)
    _when = field_validator("when")(_parse_when)
    _templates = field_validator("environment", "reason")(_parse_templates)

    @field_validator("unless", mode="before")
    @classmethod
    def _unless_lists(cls, value: object) -> object:
        return [_check_when(one) for one in value] if isinstance(value, list) else value

    @field_validator("unless")
    @classmethod
    def _unless(cls, sets: tuple[When, ...]) -> tuple[When, ...]:
        for one in sets:
            if not one:
                raise ValueError("an empty set of conditions would exclude every record")
            _parse_when(one)
        return sets


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions on paths that must all hold; each needs one of its alternatives."""

    tests: tuple[tuple[Path, tuple[Condition, ...]], ...]

    @classmethod
    def of(cls, when: When) -> Where:
        """``when`` compiled."""
        return cls(tuple((Path.of(p), tuple(parse_condition(c) for c in cs)) for p, cs in when.items()))


@dataclass(frozen=True, slots=True)
class Call:
    """A compiled `CallModel`."""

    each: tuple[Path, ...]
    when: Where
    action: tuple[Template, ...]
    resource: tuple[Template, ...]
    params: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A compiled `AnsweredModel`: paths of a call's id; (each, when, id) of results."""

    id: tuple[Path, ...]
    results: tuple[tuple[Path, Where, Path], ...]

    @classmethod
    def of(cls, model: AnsweredModel) -> Answered:
        """``model`` compiled."""
        return cls(
            _paths(model.id),
            tuple((Path.of(one.each), Where.of(one.when), Path.of(one.id)) for one in model.results),
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """A compiled profile."""

    name: str
    doc: str
    kind: ActionKind
    at: tuple[Path, ...]
    when: Where
    unless: tuple[Where, ...]
    calls: tuple[Call, ...]
    environment: tuple[Template, ...]
    reason: tuple[Template, ...]
    answered: Answered | None
    principals: tuple[PrincipalModel, ...]


def compile_profile(model: ProfileModel) -> Profile:
    """``model`` ready for use."""
    calls = tuple(
        Call(
            _paths(call.each), Where.of(call.when), _templates(call.action), _templates(call.resource),
            _paths(call.params),
        )
        for call in model.calls
    )  # fmt: skip
    return Profile(
        name=model.name,
        doc=model.doc,
        kind=model.kind,
        at=_paths(model.at),
        when=Where.of(model.when),
        unless=tuple(Where.of(one) for one in model.unless),
        calls=calls,
        environment=_templates(model.environment),
        reason=_templates(model.reason),
        answered=None if model.answered is None else Answered.of(model.answered),
        principals=model.principals,
    )


def read_profile(file: YamlFile, data: object = None, prefix: Loc = ()) -> Profile:
    """The profile in ``file`` (or in ``data``, its part at ``prefix``). Raises ConfigError."""
    return compile_profile(file.validate(ProfileModel, data, prefix))


@cache
def shipped_profiles() -> tuple[Profile, ...]:
    """The profiles that come with Sluicegate, by name."""
    folder = resources.files(__package__) / "profiles"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return tuple(
        read_profile(YamlFile((folder / name).read_text(encoding="utf-8"), f"profiles/{name}")) for name in names
    )


def _paths(texts: Texts) -> tuple[Path, ...]:
    return tuple(Path.of(text) for text in texts)


def _templates(texts: Texts) -> tuple[Template, ...]:
    return tuple(Template.of(text) for text in texts)
