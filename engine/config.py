"""``sluicegate.yaml``: where records come from, where they go, and under which policy.

Strict: an unknown key, a topic that would feed itself, a missing secret stop the start with an error that
names file, line and key. Paths are relative to the file. Secrets are read from files or the environment,
never from here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    field_validator,
    model_validator,
)

from detectors.yamlfile import Loc, YamlFile
from engine.brokers.kafka_settings import REFUSED

ROLES = ("sanitized", "approvals", "decisions", "quarantine")
KEY_COMMAND = "openssl rand -hex 32"
_KEY_BYTES = 32

_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_UNITS |= {"kib": 1024, "mib": 1024**2, "gib": 1024**3}


def _size(value: object) -> object:
    """``16 MiB`` as bytes; what is no text is left to pydantic."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d{1,12})\s*([A-Za-z]{0,3})", value.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError("must be a number of bytes, such as 16777216, '16 MiB' or '900 kB'")
    return int(match[1]) * _UNITS[match[2].lower()]


Size = Annotated[int, BeforeValidator(_size)]
# What Kafka allows in the name of a topic, and no more: a configuration then moves between brokers.
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TopicSet(_Section):
    """One topic of activity, and the four that its records go to."""

    activity: TopicName = Field(description="Where activity records are read from.")
    sanitized: TopicName = Field("", description="Clean records; ACTIVITY.sanitized if left out.")
    approvals: TopicName = Field("", description="Review requests; ACTIVITY.approvals if left out.")
    decisions: TopicName = Field("", description="Why: ACTIVITY.decisions if left out.")
    quarantine: TopicName = Field("", description="What could not be read; ACTIVITY.quarantine if left out.")

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, data: object) -> object:
        if isinstance(data, Mapping) and isinstance(name := data.get("activity"), str):
            return {role: f"{name}.{role}" for role in ROLES} | dict(data)
        return data

    def outputs(self) -> tuple[str, ...]:
        """The four topics that are written."""
        return (self.sanitized, self.approvals, self.decisions, self.quarantine)


class Secret(_Section):
    """A secret, by the place it is kept in: ``{env: NAME}`` or ``{file: PATH}``."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env or file")
        return self


def _value_kind(value: object) -> str | None:
    """Which of the two below a value is; they are called so that no error names them."""
    if isinstance(value, Mapping | Secret):
        return "tagged-secret"
    return "tagged-plain" if isinstance(value, str | int | bool) else None


KafkaValue = Annotated[
    Annotated[Secret, Tag("tagged-secret")] | Annotated[StrictBool | StrictInt | StrictStr, Tag("tagged-plain")],
    Discriminator(
        _value_kind,
        custom_error_type="kafka_value",
        custom_error_message="must be a text, a number, true or false, {env: NAME} or {file: PATH}",
    ),
]
# Settings that are secrets: they are kept somewhere else, and the configuration says where.
_KAFKA_SECRETS = re.compile(r".*(password|passphrase|secret|key\.pem)|sasl\.oauthbearer\.config")


class Batch(_Section):
    """How much goes into one transaction, whichever is reached first."""

    records: int = Field(5000, gt=0, le=1_000_000)
    bytes: Size = Field(16 * 1024**2, gt=0, description="Of values; a number, or '16 MiB'.")
    interval_ms: int = Field(100, ge=0, le=60_000, description="Since the first record of the batch.")


class Metrics(_Section):
    """Where Prometheus finds a worker; the n-th of several workers (from 0) is at ``port`` + n."""

    port: int = Field(ge=1, le=65_535)
    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on; 0.0.0.0 for all.")


class CreateTopics(_Section):
    """Topics that do not exist are created; outputs get as many partitions as their activity topic has."""

    partitions: int = Field(gt=0, le=10_000, description="Of an activity topic that does not exist.")


class ConfigFile(_Section):
    """The document as it is written."""

    broker: str = Field(
        min_length=1, description="kafka://HOST:PORT,HOST:PORT, or embedded:PATH, the file being made if need be."
    )
    kafka: dict[str, KafkaValue] = Field({}, description="Settings of the Kafka client (librdkafka), by its names.")
    group: str = Field("sluicegate", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="The consumer group.")
    worker: str = Field(
        "0",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="The stable name of this worker in its group: its ordinal, never a random one.",
    )
    topics: list[TopicSet] = Field(min_length=1)
    policy: str | None = Field(None, description="The policy file; the shipped default if left out.")
    state_dir: str = Field(".sluicegate", description="Where a worker notes what it must survive.")
    binding_key: Secret = Field(description="The key that binds a decision to what was reviewed.")
    batch: Batch = Batch()
    metrics: Metrics | None = Field(None, description="Off if left out.")
    decisions_format: Literal["avro", "json"] = "avro"
    create_topics: CreateTopics | Literal[False] = False

    @field_validator("worker", mode="before")
    @classmethod
    def _ordinal(cls, value: object) -> object:
        """``worker: 3`` is a number to YAML and a name to us."""
        return str(value) if type(value) is int else value


@dataclass(frozen=True)
class Config:
    """A configuration that can be used: checked, with its secrets still where they are kept."""

    file: ConfigFile
    source: YamlFile
    base: Path

    @property
    def policy(self) -> Path | None:
        """The policy file; None for the shipped default."""
        return None if self.file.policy is None else self.base / self.file.policy

    @property
    def on_kafka(self) -> bool:
        """Whether the broker is Kafka."""
        return self.file.broker.startswith("kafka:")

    @property
    def servers(self) -> str:
        """The addresses of a Kafka broker, as the tools that come with it take them."""
        return self.file.broker.partition("?")[0].removeprefix("kafka://").rstrip("/")

    @property
    def state_dir(self) -> Path:
        """Where a worker notes what it must survive."""
        return self.base / self.file.state_dir

    def member(self, ordinal: int) -> Config:
        """The same for one of several workers on this machine: a name and a port of its own, by its ordinal.

        Raises ConfigError if there is no such port.
        """
        changes: dict[str, object] = {"worker": f"{self.file.worker}.{ordinal}"}
        if (metrics := self.file.metrics) is not None:
            if metrics.port + ordinal > 65_535:
                raise self.source.error(
                    f"worker {ordinal} would be at port {metrics.port + ordinal}; choose a lower one",
                    ("metrics", "port"),
                )
            changes["metrics"] = metrics.model_copy(update={"port": metrics.port + ordinal})
        return replace(self, file=self.file.model_copy(update=changes))

    def binding_key(self, environ: Mapping[str, str] = os.environ) -> bytes:
        """The key itself: 32 bytes or more, kept in hexadecimal. Raises ConfigError, never with content."""
        secret = self.file.binding_key
        if secret.env is not None:
            where, make = "env", f"; set it to the output of: {KEY_COMMAND}"
        else:
            where, make = "file", f"; make one with: {KEY_COMMAND} > {self.base / (secret.file or '')}"
        text = self._secret(secret, ("binding_key",), environ, make)
        if not re.fullmatch(rf"([0-9a-fA-F]{{2}}){{{_KEY_BYTES},}}", text.strip()):
            raise self.source.error(
                f"must hold at least {_KEY_BYTES} bytes in hexadecimal; make one with: {KEY_COMMAND}",
                ("binding_key", where),
            )
        return bytes.fromhex(text.strip())

    def kafka_settings(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The settings of the Kafka client, with the secrets among them. Raises ConfigError, never with content.

        Files that a setting names are relative to the configuration, like all paths.
        """
        settings = {}
        for name, value in self.file.kafka.items():
            if isinstance(value, Secret):
                settings[name] = self._secret(value, ("kafka", name), environ).strip("\r\n")
            elif isinstance(value, bool):
                settings[name] = str(value).lower()
            elif name.endswith((".location", ".keytab")) and value != "probe":
                settings[name] = str(self.base / str(value))
            else:
                settings[name] = str(value)
        return settings

    def kafka_secrets(self, environ: Mapping[str, str] = os.environ) -> list[str]:
        """What no message may show."""
        settings = self.kafka_settings(environ)
        return [settings[name] for name, value in self.file.kafka.items() if isinstance(value, Secret)]

    def _secret(self, secret: Secret, loc: Loc, environ: Mapping[str, str], make: str = "") -> str:
        """What ``secret`` names. ``make`` says how to come by it, where it is not there."""
        if secret.env is not None:
            if (text := environ.get(secret.env)) is None:
                raise self.source.error(f"the environment variable {secret.env} is not set{make}", (*loc, "env"))
            return text
        try:
            return (self.base / (secret.file or "")).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise self.source.error(f"cannot be read{make}", (*loc, "file")) from None


def load_config(path: Path) -> Config:
    """The configuration in the file at ``path``. Raises ConfigError that names file, line and key."""
    return parse_config(YamlFile.read(path), path.parent)


def parse_config(source: YamlFile, base: Path) -> Config:
    """The configuration in ``source``, whose paths are relative to ``base``."""
    file = source.validate(ConfigFile)
    _check_topics(file.topics, source)
    _check_kafka(file, source)
    return Config(file.model_copy(update={"broker": _located(file.broker, base)}), source, base)


def _located(url: str, base: Path) -> str:
    """``url`` with the path of an embedded broker made independent of the working directory."""
    scheme, _, path = url.partition(":")
    return f"embedded:{base.absolute() / path}" if scheme == "embedded" and path else url


def _check_kafka(file: ConfigFile, source: YamlFile) -> None:
    """Settings are for Kafka only, break no promise, and hold no secret that stands in the file."""
    scheme, _, rest = file.broker.partition(":")
    if file.kafka and scheme != "kafka":
        raise source.error(f"these settings need a kafka:// broker, and this one is {scheme}:", ("kafka",))
    for name, value in file.kafka.items():
        if name in REFUSED:
            raise source.error(f"cannot be set: {REFUSED[name]}", ("kafka", name))
        if not isinstance(value, Secret) and _KAFKA_SECRETS.fullmatch(name):
            raise source.error("a secret does not stand here; write {env: NAME} or {file: PATH}", ("kafka", name))
    if scheme == "kafka":
        for name, _ in parse_qsl(rest.partition("?")[2], keep_blank_values=True):
            if _KAFKA_SECRETS.fullmatch(name):
                raise source.error(
                    f"'{name}' is a secret and does not stand here; write it below kafka: as {{env: NAME}} or "
                    "{file: PATH}",
                    ("broker",),
                )


def _check_topics(topics: list[TopicSet], source: YamlFile) -> None:
    """A topic has one role, or records would be read as what they are not, or go round for ever."""
    roles: dict[str, str] = {}
    for index, topic in enumerate(topics):
        for role in ("activity", *ROLES):
            name = getattr(topic, role)
            other = roles.setdefault(name, role)
            if other != role or (role == "activity" and any(t.activity == name for t in topics[:index])):
                what = "is listed twice" if other == role else f"is already the topic of {other}"
                raise source.error(f"'{name}' {what}", ("topics", index, role))
