"""Who may be asked just now: people.yaml, what the provider says, what they lent each other, and machines with a token.

The roster is made anew whenever one of these changes, so who leaves is out at once: their sessions lead nowhere,
and votes of theirs on what is still open are no longer counted (`approvals.votes.counted`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from approvals.identity.claims import Profile, SignInRefused
from approvals.identity.settings import IdentitySettings
from approvals.identity.store import Account, ApiToken, IdentityStore, StoredDelegation
from approvals.people import load_people
from approvals.person import Delegation, Identity, Person, Roster
from detectors.errors import ConfigError

_log = logging.getLogger("sluicegate.identity")


class Directory:
    """The roster, kept fresh. ``file`` is people.yaml, looked at again when it changes; None: ``listed`` is all.

    ``provider`` is how people sign in, None where they don't. ``clock`` gives ms since the epoch. Safe to use from
    several threads.
    """

    def __init__(
        self,
        store: IdentityStore,
        listed: Roster,
        *,
        clock: Callable[[], int],
        file: Path | None = None,
        provider: IdentitySettings | None = None,
    ) -> None:
        self._store, self._listed, self._clock, self._file, self._provider = store, listed, clock, file, provider
        self._lock = threading.Lock()
        self._stamp = _stamp(file)
        self._revision = -1
        self._until = 0
        self._roster = listed

    def roster(self) -> Roster:
        """Everybody who may be asked now."""
        with self._lock:
            stamp = _stamp(self._file)
            if self._file is not None and stamp != self._stamp:
                self._stamp = stamp
                self._read_again(self._file)
            revision = self._store.revision()
            if revision != self._revision or self._clock() >= self._until:
                self._revision = revision
                self._make()
            return self._roster

    def admit(self, said: Profile) -> Person:
        """The person whom the provider has just signed in. Raises SignInRefused if they are not let in here."""
        self._store.keep_account(said, at=self._clock())
        person = next((p for p in self.roster().values() if said.identity in p.identities), None)
        if person is not None:
            return person
        barred = any(a.barred for a in self._store.accounts() if a.identity == said.identity)
        if barred or self._provider is None:
            raise SignInRefused("barred", "you may no longer sign in here: ask who runs this service")
        if self._provider.unlisted == "admit":
            raise SignInRefused("twice", "somebody else here goes by your name: ask who runs this service")
        raise SignInRefused("unlisted", f"you are not in people.yaml: ask who runs this service to add {said.identity}")

    def _read_again(self, file: Path) -> None:
        try:
            self._listed = load_people(file)
            self._revision = -1
            _log.warning("people.yaml was read again")
        except ConfigError as error:
            _log.error("people.yaml has changed and cannot be used, so the people are as they were: %s", error)

    def _make(self) -> None:
        now = self._clock()
        accounts = self._store.accounts()
        tokens = [token for token in self._store.tokens() if token.revoked is None and token.expires > now]
        self._until = min((token.expires for token in tokens), default=2**63)
        people = everybody(self._listed, accounts, tokens, self._provider)
        self._roster = Roster(with_delegations(people, self._store.delegations(at=now)))


def everybody(
    listed: Roster, accounts: list[Account], tokens: list[ApiToken], provider: IdentitySettings | None
) -> list[Person]:
    """Who may be asked. Pure. Two accounts that share a name are one human being for all we know: neither is in."""
    barred = {account.identity for account in accounts if account.barred}
    known = {a.identity: a for a in accounts if not a.barred and provider and a.identity.issuer == provider.name}
    people: list[Person] = []
    for person in listed.values():
        if barred.isdisjoint(person.identities):
            mine = [known[identity] for identity in person.identities if identity in known]
            people.append(_merged(person, mine))
    taken = {subject for person in listed.values() for subject in person.subjects()}
    claimed = {identity for person in listed.values() for identity in person.identities}
    if provider is not None and provider.unlisted == "admit":
        others = [_from_account(a) for a in known.values() if a.identity not in claimed]
        for one in others:
            shared = {s for other in others if other is not one for s in other.subjects()} | taken
            if shared.isdisjoint(one.subjects()):
                people.append(one)
    people += [Person(str(t.identity), f"machine {t.name}", frozenset(), (t.identity,)) for t in tokens]
    return people


def with_delegations(people: Sequence[Person], lent: Iterable[StoredDelegation]) -> list[Person]:
    """``people`` with what was lent to each of them beside what people.yaml says. Pure."""
    known = {identity: person for person in people for identity in person.identities}
    taken: dict[Identity, list[Delegation]] = {}
    for one in lent:
        lender, taker = known.get(one.lender), known.get(one.taker)
        if taker is not None:  # a lender who left still keeps the taker from what the lender takes part in
            holder = lender.identity if lender is not None else one.lender
            taken.setdefault(taker.identity, []).append(Delegation(holder, one.until, one.groups))
    return [
        replace(person, acts_for=(*person.acts_for, *taken[person.identity])) if person.identity in taken else person
        for person in people
    ]


def _merged(person: Person, accounts: list[Account]) -> Person:
    if not accounts:
        return person
    groups = person.groups.union(*(account.groups for account in accounts))
    return replace(person, groups=groups, aliases=tuple(alias for account in accounts for alias in account.aliases))


def _from_account(account: Account) -> Person:
    return Person(str(account.identity), account.name, account.groups, (account.identity,), aliases=account.aliases)


def _stamp(file: Path | None) -> tuple[int, int] | None:
    """When ``file`` changed, and its size; None if it is not there."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size)
