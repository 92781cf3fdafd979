"""A person who may decide, and the identities that are theirs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

LOCAL = "local"
MACHINE = "machine"
"""Issuers of our own: of people in people.yaml, and of API tokens. No provider can be called like them."""


class Identity(NamedTuple):
    """Somebody as one issuer knows them. ``str()`` is the canonical id, ``issuer:subject``."""

    issuer: str
    subject: str

    def __str__(self) -> str:
        return f"{self.issuer}:{self.subject}"

    @classmethod
    def parsed(cls, canonical: str) -> Identity:
        """The identity whose ``str()`` is ``canonical``: issuers have no colon."""
        issuer, _, subject = canonical.partition(":")
        return cls(issuer, subject)


@dataclass(frozen=True, slots=True)
class Delegation:
    """Somebody's right to decide, lent until ``until`` (ms since the epoch): all of it, or that of ``groups``."""

    lender: Identity
    until: int
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Person:
    """One human being. ``identities`` always begins with ``local:ID``, which is how their votes are signed.

    Whoever is not in people.yaml has the provider's id of them there instead. ``aliases`` is as what others may know
    them: these keep somebody from deciding, and never let anybody decide. ``token_hash`` is the hex SHA-256 of their
    API token, or None; ``demo`` lets them sign in by name alone. ``acts_for`` is what others have lent them.
    """

    id: str
    name: str
    groups: frozenset[str]
    identities: tuple[Identity, ...]
    token_hash: str | None = field(default=None, repr=False)
    demo: bool = False
    aliases: tuple[Identity, ...] = ()
    acts_for: tuple[Delegation, ...] = ()

    @property
    def identity(self) -> Identity:
        """The identity that stands on their votes."""
        return self.identities[0]

    @property
    def is_machine(self) -> bool:
        """Whether this is the owner of an API token, and no human being."""
        return self.identity.issuer == MACHINE

    def subjects(self) -> frozenset[str]:
        """All names they may go by, in the form in which conflicts are compared."""
        return frozenset(folded(identity.subject) for identity in (*self.identities, *self.aliases))

    def is_known_as(self, canonical: str) -> bool:
        """Whether ``issuer:subject`` is exactly one of their identities."""
        return any(str(identity) == canonical for identity in self.identities)


class Roster(Mapping[Identity, Person]):
    """Everybody who may be asked, by the identity that stands on their votes."""

    def __init__(self, people: Iterable[Person] = ()) -> None:
        self._people = {person.identity: person for person in people}
        self._known: dict[Identity, Person] = {}
        for person in self._people.values():
            for identity in person.identities:
                self._known.setdefault(identity, person)

    def __getitem__(self, identity: Identity) -> Person:
        return self._people[identity]

    def __iter__(self) -> Iterator[Identity]:
        return iter(self._people)

    def __len__(self) -> int:
        return len(self._people)

    def by_id(self, person_id: str) -> Person | None:
        """The person whose id is exactly ``person_id``."""
        return self._people.get(Identity(LOCAL, person_id))

    def signed(self, canonical: str) -> Person | None:
        """The person whose votes are signed with ``canonical``, an ``issuer:subject``."""
        return self._people.get(Identity.parsed(canonical))

    def known_as(self, issuer: str, subject: str) -> Person | None:
        """The person who has exactly this identity, for showing a name beside an id."""
        return self._known.get(Identity(issuer, subject))


@lru_cache(maxsize=4_096)  # names come again and again: everybody is compared with all that take part
def folded(subject: str) -> str:
    """``subject`` in the form in which conflicts are compared: case, width and outer blanks don't count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", subject).strip().casefold())
