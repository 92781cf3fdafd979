"""From the claims of a checked ID token to somebody we know. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from approvals.identity.settings import IdentitySettings
from approvals.person import Identity
from detectors.errors import SluicegateError

_NAME_LIMIT = 100
_ID_LIMIT = 255  # OpenID Connect Core 1.0, section 2: `sub` is no longer than that


class SignInRefused(SluicegateError):
    """Nobody is signed in. The message is one sentence for the person; it holds nothing that was sent.

    ``code`` is a word for the log and for tests.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the provider says somebody is, when they signed in there (s since the epoch; 0: not said) and how."""

    identity: Identity
    name: str
    groups: frozenset[str]
    aliases: tuple[Identity, ...]
    auth_time: int
    acr: str


def profile(claims: Mapping[str, Any], settings: IdentitySettings) -> Profile:
    """The profile in ``claims``, which have been checked. Raises SignInRefused if they cannot be used as they are."""
    subject = claims.get("sub")
    if not _is_id(subject):
        raise SignInRefused("subject", "the provider gave an id that cannot be used")
    name = claims.get("name")
    auth_time = claims.get("auth_time")
    acr = claims.get("acr")
    return Profile(
        identity=Identity(settings.name, subject),
        name=_legible(name) if isinstance(name, str) and _legible(name) else subject,
        groups=_groups(claims, settings),
        aliases=_aliases(claims, settings),
        auth_time=int(auth_time) if isinstance(auth_time, int | float) and not isinstance(auth_time, bool) else 0,
        acr=acr[:200] if isinstance(acr, str) else "",
    )


def _groups(claims: Mapping[str, Any], settings: IdentitySettings) -> frozenset[str]:
    """The groups, as ``name:group``. A list that may be cut short is refused: a missing group decides as well."""
    claim = settings.groups_claim
    elsewhere = claims.get("_claim_names")  # OpenID Connect Core 1.0, section 5.6.2; Entra's "overage"
    if (isinstance(elsewhere, Mapping) and claim in elsewhere) or claims.get("hasgroups"):
        raise SignInRefused("groups", f"{settings.name} left your groups out, being too many: have it filter them")
    found = claims.get(claim, [])
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or not all(_is_id(group) for group in found):
        raise SignInRefused("groups", f"the claim '{claim}' of {settings.name} is no list of group ids")
    if len(found) > settings.max_groups:
        raise SignInRefused(
            "groups", f"{settings.name} says more than {settings.max_groups} groups of you: have it filter them"
        )
    return frozenset(f"{settings.name}:{group}" for group in found)


def _aliases(claims: Mapping[str, Any], settings: IdentitySettings) -> tuple[Identity, ...]:
    """As what others know this person. Conflicts are found by them, so an unverified one counts too."""
    found: list[Identity] = []
    for issuer, claim in settings.aliases.items():
        value = claims.get(claim)
        values = value if isinstance(value, list) else [value]
        found += [Identity(issuer, one) for one in values[: settings.max_groups] if _is_id(one)]
    if settings.unlisted == "admit" and not found:
        raise SignInRefused("aliases", f"{settings.name} does not say as what agents know you, so you cannot decide")
    return tuple(found)


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _ID_LIMIT and value.isprintable()


def _legible(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_NAME_LIMIT].strip()
