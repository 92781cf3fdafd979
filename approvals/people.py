"""``people.yaml``: who may be asked, strictly read.

::

    people:
      - id: ada
        name: Ada Lindqvist
        groups: [local:security]
        identities: [email:ada@example.com, aws:arn:aws:iam::123456789012:user/ada, k8s:ada]
        token_hash: sha256:…      # of the token for the CLI and API; `sluicegate approvals token` makes one
        demo: true                # signs in by name alone: only for trying things out
    delegations:
      - {from: ada, to: linus, until: '2026-12-24T18:00:00Z', groups: [local:security]}   # all groups if left out
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from approvals.person import LOCAL, MACHINE, Delegation, Identity, Person, Roster, folded
from detectors.yamlfile import YamlFile, closest

_CANONICAL = re.compile(r"[A-Za-z0-9_.-]+:[^\s]+")
_DAY_MS = 86_400_000
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def _canonical(text: str) -> str:
    if not _CANONICAL.fullmatch(text):
        raise ValueError("is written 'issuer:id', for example 'local:security'")
    if text.startswith(f"{MACHINE}:"):
        raise ValueError(f"'{MACHINE}:' is for API tokens, which are nobody")
    return text


def _hashed(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise ValueError("is 'sha256:' and 64 hex digits; 'sluicegate approvals token' makes a token and its hash")
    return text


_Canonical = Annotated[str, AfterValidator(_canonical)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class _PersonEntry(_Strict):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,100}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    groups: list[_Canonical] = []
    identities: list[_Canonical] = []
    token_hash: Annotated[str, AfterValidator(_hashed)] | None = None
    demo: bool = False


class _DelegationEntry(_Strict):
    lender: str = Field(alias="from")
    to: str
    until: str
    groups: list[_Canonical] = []

    @field_validator("until")
    @classmethod
    def _moment(cls, text: str) -> str:
        end_of(text)
        return text


class _PeopleFile(_Strict):
    people: Annotated[list[_PersonEntry], Field(min_length=1)]
    delegations: list[_DelegationEntry] = []


def end_of(text: str) -> int:
    """A date (its end, in UTC) or a time with its zone, in ms since the epoch. Raises ValueError."""
    try:
        if "T" not in text:
            return int(datetime.fromisoformat(f"{text}T00:00:00+00:00").timestamp() * 1000) + _DAY_MS
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("is a date, '2026-12-24', or a time with its zone, '2026-12-24T18:00:00Z'")
    return int(found.timestamp() * 1000)


def load_people(path: Path) -> Roster:
    """The people in the YAML file at ``path``. Raises ConfigError with file, line and key.

    Two people may not share an identity, nor a subject under two issuers: one human being with two entries
    could fill two seats of a quorum.
    """
    return read_people(YamlFile.read(path))


def read_people(file: YamlFile) -> Roster:
    """The people in ``file``; see `load_people`."""
    content = file.validate(_PeopleFile)
    entries = content.people
    owner: dict[str, tuple[str, Identity]] = {}
    hashes: dict[str, str] = {}
    people: list[Person] = []
    for index, entry in enumerate(entries):
        own = Identity(LOCAL, entry.id)
        others = [Identity(*text.split(":", 1)) for text in entry.identities]
        identities = (own, *(identity for identity in others if identity != own))
        for place, identity in enumerate(identities):
            holder, theirs = owner.setdefault(folded(identity.subject), (entry.id, identity))
            if holder != entry.id:
                loc = ("people", index, "identities", place - 1) if place else ("people", index, "id")
                raise file.error(
                    f"'{identity}' of {entry.id} and '{theirs}' of {holder} have one subject: "
                    "make them one person, or a quorum could be filled by one",
                    loc,
                )
        if entry.token_hash is not None:
            holder = hashes.setdefault(entry.token_hash, entry.id)
            if holder != entry.id:
                raise file.error(f"is also the hash of {holder}", ("people", index, "token_hash"))
        people.append(
            Person(
                id=entry.id,
                name=entry.name,
                groups=frozenset(entry.groups),
                identities=identities,
                token_hash=entry.token_hash.removeprefix("sha256:") if entry.token_hash else None,
                demo=entry.demo,
            )
        )
        if [p.id for p in people].count(entry.id) > 1:
            raise file.error(f"'{entry.id}' is there twice", ("people", index, "id"))
    return Roster(_lent(file, content.delegations, {person.id: person for person in people}).values())


def _lent(file: YamlFile, entries: Sequence[_DelegationEntry], people: dict[str, Person]) -> dict[str, Person]:
    for index, entry in enumerate(entries):
        for key, person_id in (("from", entry.lender), ("to", entry.to)):
            if person_id not in people:
                loc = ("delegations", index, key)
                raise file.error(f"nobody has the id '{person_id}'{closest(person_id, list(people))}", loc)
        if entry.lender == entry.to:
            raise file.error("nobody can delegate to themselves", ("delegations", index, "to"))
        lender, taker = people[entry.lender], people[entry.to]
        missing = sorted(set(entry.groups) - lender.groups)
        if missing:
            raise file.error(f"{entry.lender} is not in '{missing[0]}'", ("delegations", index, "groups"))
        lent = Delegation(lender.identity, end_of(entry.until), frozenset(entry.groups))
        people[entry.to] = replace(taker, acts_for=(*taker.acts_for, lent))
    return people


def new_token() -> str:
    """A fresh API token: 256 random bits, with a prefix that secret scanners can find."""
    return f"sgr_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """``token`` as ``people.yaml`` keeps it. Tokens are random, so a plain SHA-256 gives nothing away."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def by_token(people: Iterable[Person], token: str) -> Person | None:
    """The person whose token this is. Takes the same time whoever it is, and if it is nobody."""
    given = hash_token(token).removeprefix("sha256:")
    found = None
    for person in people:
        if hmac.compare_digest(person.token_hash or "0" * 64, given):
            found = person
    return found
