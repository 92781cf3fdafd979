"""The policy file, as it is written. One strict YAML document; `sluicegate policy schema` describes it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from detectors.rule import Entity
from engine.actions.principals import PrincipalsSection
from engine.actions.reviews import ReviewEntry
from engine.actions.rules import Rule
from engine.actions.times import duration
from engine.policy.paths import PathPattern, split
from engine.redaction import Method
from engine.tenants import TenantTopic


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Path(_Section):
    path: str = Field(description="A path pattern: customer.email, messages.*.content, **.password.")

    @field_validator("path")
    @classmethod
    def _readable(cls, path: str) -> str:
        PathPattern(path)
        return path


class Always(_Path):
    """What stands at this path is redacted, whatever it is."""

    entity: Entity = Field("REDACTED", description="What to call it.")
    method: Method | None = Field(None, description="How; the entity's method if left out.")


class Never(_Path):
    """What stands at this path is left as it is."""

    entities: list[Entity] = Field([], description="Only these entities; all if empty.")


class Only(_Path):
    """These entities are looked for at this path (and the others that name them) and nowhere else."""

    entities: list[Entity] = Field(min_length=1)


class Paths(_Section):
    """Rules about places. ``never`` is stronger than ``always``, which is stronger than ``only``."""

    always: list[Always] = []
    never: list[Never] = []
    only: list[Only] = []


class Redaction(_Section):
    """How what was found is made unreadable."""

    default: Method = Field(Method.REPLACE, description="For entities that are not named below.")
    entities: dict[Entity, Method] = Field({}, description="The method by entity.")
    min_score: float = Field(0.4, ge=0, le=1, description="Findings below this score are left alone.")


class Key(_Section):
    """A secret key: from the environment or from a file, never in the policy itself."""

    id: str = Field("k1", pattern=r"^[A-Za-z0-9_-]{1,16}$", description="Written into each token.")
    env: str | None = Field(None, description="The environment variable that holds it.")
    file: str | None = Field(None, description="The file that holds it, relative to the policy.")

    @model_validator(mode="after")
    def _one_source(self) -> Key:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env or file")
        return self


class Tenant(_Section):
    """What tells whose a record is. Each tenant's tokens are written with a key of its own."""

    field: str | None = Field(None, description="The path of the record's field that names the tenant: account.tenant.")
    topic: str | None = Field(
        None, description="A whole-name RE2 pattern of topics; its group 'tenant', or the whole name, is the tenant."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Tenant:
        if (self.field is None) == (self.topic is None):
            raise ValueError("give either field or topic")
        if self.field is not None and {"*", "**"} & set(split(self.field)):
            raise ValueError(f"the path '{self.field}' must name one field, without *")
        if self.topic is not None:
            TenantTopic(self.topic)
        return self


class Rules(_Section):
    """Which detection rules are on."""

    shipped: bool = Field(True, description="Whether the shipped catalogue is on.")
    files: list[str] = Field([], description="Rule files of your own, relative to the policy.")
    disable: list[str] = Field([], description="Ids of rules that are off.")


class Topic(_Section):
    """How the records of a topic are read. The first entry whose pattern matches counts."""

    match: str = Field("*", description="A glob on the topic's name.")
    format: Literal["auto", "json", "text", "logfmt"] = "auto"
    on_unparsable: Literal["text", "quarantine"] = Field(
        "text", description="A record that is not valid in its format: read as text, or quarantined."
    )
    profiles: list[str] | None = Field(None, description="The profiles tried on it; all if left out.")

    @model_validator(mode="after")
    def _has_a_form(self) -> Topic:
        if self.on_unparsable == "quarantine" and self.format != "json":
            raise ValueError("on_unparsable: quarantine needs format: json; any line is valid text")
        return self


FREE_TEXT = [
    f"**.{name}"
    for name in (
        "answer arguments body caption chat comment comments completion content description details feedback input "
        "instructions memo message_text messages note notes observation output parameters prompt question query reason "
        "remarks reply request_text response response_text result subject summary task text thought tool_input "
        "tool_output transcript utterance"
    ).split()
]


class Ner(_Section):
    """Names of people, places and organizations in free text, found by a model."""

    model: str = Field(
        "off", description="sluicegate (the shipped one), a path, a spaCy pipeline that is installed, or off."
    )
    fields: list[str] = Field(FREE_TEXT, description="Paths of free text; ** is everything, lines of plain text too.")
    thresholds: dict[Entity, float] = Field(
        {"PERSON": 0.5, "LOCATION": 0.6, "ORGANIZATION": 0.7, "ADDRESS": 0.6, "USERNAME": 0.6},
        description="The least score by entity; entities that are left out are not looked for.",
    )
    labels: dict[str, Entity] = Field({}, description="For other models: what their labels mean here.")
    gate: bool = Field(True, description="Read only texts that could hold a name, by their words.")
    characters: int = Field(
        100_000,
        gt=0,
        description="Of one record's free text, what a model may have to read; beyond, it is quarantined.",
    )

    @field_validator("fields")
    @classmethod
    def _paths(cls, fields: list[str]) -> list[str]:
        for field in fields:
            PathPattern(field)
        return fields

    @field_validator("model", mode="before")
    @classmethod
    def _off(cls, model: object) -> object:
        return "off" if model is False else model  # what YAML makes of a bare off

    @property
    def on(self) -> bool:
        """Whether names are looked for."""
        return self.model != "off"


class Gate(_Section):
    """What agents ask for before they do it."""

    unlisted: Literal["deny", "allow"] = Field(
        "deny", description="What becomes of an action that no rule matches. In a stream it passes."
    )


class Limits(_Section):
    """What one record may take before it is quarantined. Counted, so that a replay ends the same."""

    bytes: int = Field(32 * 1024 * 1024, gt=0, description="Size of a record, in bytes.")
    depth: int = Field(200, gt=0, le=5000, description="Containers within containers.")
    layers: int = Field(8, gt=0, le=64, description="Texts within texts (JSON in a string, escapes).")
    candidates: int = Field(20_000, gt=0, description="Places that look suspicious at first sight.")
    decoded: int = Field(32 * 1024 * 1024, gt=0, description="What base64, gzip and the like unpack to, in bytes.")


class PolicyFile(_Section):
    """A policy. Everything may be left out; `sluicegate policy schema` gives the JSON Schema for editors."""

    version: Literal[1] = 1
    name: str = "unnamed"
    redaction: Redaction = Redaction()
    keys: list[Key] = Field(
        [], description="For the methods hash and tokenize, newest first: the first writes, all of them reveal."
    )
    tenant: Tenant | None = Field(None, description="What tells whose a record is; all are of one if left out.")
    rules: Rules = Rules()
    paths: Paths = Paths()
    topics: list[Topic] = [Topic()]
    ner: Ner = Ner()
    limits: Limits = Limits()
    principals: PrincipalsSection = PrincipalsSection()
    actions: list[Rule] | Literal["default"] = Field(
        "default", description="What is privileged; 'default' is the shipped list. First match wins."
    )
    reviews: list[ReviewEntry] = Field(
        [], description="Who decides, by circumstance, in place of the approvers of the rules. First match wins."
    )
    gate: Gate = Gate()
    expires: str = Field("1h", description="How long a request waits where its rule does not say.")

    @field_validator("expires")
    @classmethod
    def _duration(cls, text: str) -> str:
        duration(text)
        return text
