"""Rules are data: a pattern, what it finds, how sure it is, and the examples that prove it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from detectors.validators import VALIDATORS
from detectors.yamlfile import closest

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Entity = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Example(_Strict):
    """A text in which ``«»`` mark what must be found, under the key it stands by, if that matters."""

    text: str
    key: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"text": value} if isinstance(value, str) else value

    @property
    def plain(self) -> bytes:
        """The text as a detector reads it, without the marks."""
        return self.text.replace("«", "").replace("»", "").encode()

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The marked spans, as byte offsets in `plain`."""
        out, at, start = [], 0, 0
        for part in self.text.replace("»", "«").split("«"):
            start, at = at, at + len(part.encode())
            out.append((start, at))
        return out[1::2]


class Rule(_Strict):
    """One rule of the catalogue.

    The secret is the group of ``pattern`` that took part in a match, else the whole match; a match in which no
    group took part is skipped. A rule with a ``key`` reads only values whose key it matches, one with ``not_key``
    none whose key that matches; one with ``context`` needs one of these words near the match or in the key.
    ``gate`` replaces the pattern that is derived to find candidates quickly.
    """

    id: RuleId
    name: str
    entity: Entity
    pattern: str
    score: float = Field(gt=0, le=1)
    references: list[str] = Field(min_length=1)
    examples: list[Example] = Field(min_length=1)
    counter_examples: list[Example] = Field(min_length=1)
    known_misses: list[Example] = []
    key: str | None = None
    not_key: str | None = None
    context: list[str] = []
    context_window: int = Field(64, ge=0, le=1024)
    validator: str | None = None
    invalid_score: float | None = Field(None, gt=0, le=1)
    min_entropy: float | None = Field(None, gt=0, le=8)
    allow: list[str] = []
    gate: str | None = None
    family: str = ""

    @field_validator("validator")
    @classmethod
    def _known_validator(cls, name: str | None) -> str | None:
        if name is not None and name not in VALIDATORS:
            raise ValueError(f"unknown validator '{name}'{closest(name, list(VALIDATORS))}")
        return name

    @field_validator("examples")
    @classmethod
    def _marked(cls, examples: list[Example]) -> list[Example]:
        for number, example in enumerate(examples):
            if not example.spans:
                raise ValueError(f"example {number} marks nothing: put «» around what must be found")
        return examples


class Allow(_Strict):
    """What is left alone although a rule finds it: an entry of an allow-list.

    It exempts a finding of one of ``rules`` and ``entities`` (any if both are empty) that stands at or below ``path``
    (anywhere if empty), if ``value``, a pattern, matches all that was found (whatever it is if empty). Nothing beside
    that is exempted.
    """

    rules: list[RuleId] = []
    entities: list[Entity] = []
    path: str = ""
    value: str = ""
    because: str = ""

    @model_validator(mode="after")
    def _narrow(self) -> Allow:
        if not self.value and not ((self.rules or self.entities) and self.path):
            raise ValueError("exempts too much: give a value, or rules or entities and a path")
        return self


class RuleFile(_Strict):
    """One file of rules: a family of the catalogue, or a user's own.

    ``disable`` and ``override`` name rules of files that were read before; an override gives the id and the keys that
    change.
    """

    family: str = "own"
    rules: list[Rule] = []
    disable: list[RuleId] = []
    override: list[dict[str, Any]] = []
    allow: list[Allow] = []
