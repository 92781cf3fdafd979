"""Who takes part: the policy's ``principals`` section, and raw ids as canonical (issuer, subject) pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.actions.model import Json
from engine.actions.paths import Path, scalar_text
from engine.ledger.model import Principal, PrincipalRole

# The key of a principal that is an object, most telling first.
_ID_KEYS = ("id", "subject", "sub", "arn", "username", "userName", "name", "email")
_ISSUER_KEYS = ("issuer", "iss")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DefaultPrincipal(_Section):
    """Whom to take for the initiator when a record does not say."""

    issuer: str = Field(min_length=1)
    subject: str = Field(min_length=1)


class ExtraPaths(_Section):
    """Paths that are tried before those of the profile, for all profiles."""

    initiator: tuple[str, ...] = ()
    on_behalf_of: tuple[str, ...] = ()
    delegate: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    beneficiary: tuple[str, ...] = ()

    @field_validator("*")
    @classmethod
    def _paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not path.startswith("header:"):
                Path.of(path)
        return paths


class Mapped(_Section):
    """Raw ids that ``match`` (a whole-text RE2 pattern) belong to ``issuer``.

    The subject is the group ``subject``, or the whole id.
    """

    match: str = Field(min_length=1)
    issuer: str = Field(min_length=1)

    @model_validator(mode="after")
    def _compiles(self) -> Mapped:
        if "::*" in self.match:
            raise ValueError(f"'{self.match}' is a pattern, not a glob: write '[^:]*' instead of '*'")
        try:
            _compile(self.match)
        except re2.error as error:
            raise ValueError(f"not a pattern that RE2 takes: {error}") from None
        return self


class PrincipalsSection(_Section):
    """The ``principals`` section of a policy."""

    default_issuer: str = Field(default="local", min_length=1)
    default: DefaultPrincipal | None = None
    extra_paths: ExtraPaths = ExtraPaths()
    map: tuple[Mapped, ...] = ()


@dataclass(frozen=True, slots=True)
class Principals:
    """The compiled section: give one to `extract`."""

    section: PrincipalsSection
    patterns: tuple[tuple[Any, str], ...]
    extra: Mapping[PrincipalRole, tuple[str, ...]]

    @classmethod
    def of(cls, section: PrincipalsSection | None = None) -> Principals:
        """``section`` (or the default one) compiled."""
        section = section or PrincipalsSection()
        paths = section.extra_paths.model_dump()
        return cls(
            section,
            tuple((_compile(entry.match), entry.issuer) for entry in section.map),
            {PrincipalRole(role): tuple(found) for role, found in paths.items()},
        )

    @property
    def default(self) -> Principal | None:
        """The initiator of actions that do not say who initiated them, if the policy names one."""
        given = self.section.default
        return None if given is None else Principal(PrincipalRole.INITIATOR, given.issuer, given.subject)

    def canonical(self, raw: str, issuer: str | None) -> tuple[str, str]:
        """(issuer, subject) of a raw id; ``issuer`` is what the profile says for ids that map to nothing."""
        for pattern, mapped in self.patterns:
            found = pattern.fullmatch(raw.encode("utf-8", "surrogatepass"))
            if found:
                subject = found.groupdict().get(b"subject") or found.group(0)
                return mapped, subject.decode("utf-8", "surrogatepass")
        return issuer or self.section.default_issuer, raw

    def read(self, value: Json, role: PrincipalRole, issuer: str | None) -> list[Principal]:
        """The principals at a principal's path: an id, an object that holds one, or a list of either."""
        if isinstance(value, list):
            return [one for item in value for one in self.read(item, role, issuer)]
        if isinstance(value, dict):
            raw = _first(value, _ID_KEYS)
            said = _first(value, _ISSUER_KEYS)
            if raw and said:  # the map may know the pair; what it does not know stays as the record says it
                mapped = self.canonical(f"{said}:{raw}", None)
                return [Principal(role, *(mapped if mapped[1] != f"{said}:{raw}" else (said, raw)))]
            return [Principal(role, *self.canonical(raw, issuer))] if raw else []
        raw = scalar_text(value)
        return [Principal(role, *self.canonical(raw, issuer))] if raw else []


def unique(principals: Sequence[Principal]) -> tuple[Principal, ...]:
    """Each (issuer, subject) once, in its first role, in order."""
    return tuple({(p.issuer, p.subject): p for p in reversed(principals)}[key] for key in _keys(principals))


def _keys(principals: Sequence[Principal]) -> dict[tuple[str, str], None]:
    return dict.fromkeys((p.issuer, p.subject) for p in principals)


def _first(value: Mapping[str, Json], keys: Sequence[str]) -> str | None:
    return next((text for key in keys if (text := scalar_text(value.get(key)))), None)


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern.encode("utf-8"), options)
