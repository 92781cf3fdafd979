"""Who calls the API: a person from a terminal, a machine with a token, or, without a provider, a personal token."""

from __future__ import annotations

import logging
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from approvals.identity.store import SESSION_PREFIX, TOKEN_PREFIX
from approvals.people import by_token
from approvals.person import Person
from approvals.service import Service
from approvals.web.limits import RateLimit
from approvals.web.problems import ApiError, TooMany
from approvals.web.shell import refreshed

_log = logging.getLogger("sluicegate.identity")
bearer = HTTPBearer(auto_error=False, description="A session of `approvals login`, or an API token.")


class Caller(NamedTuple):
    """Who calls; ``scopes`` is what a machine may do, None for a person. ``auth_time`` (s; 0: not known) and ``acr``
    say when and how a person signed in at the provider.
    """

    person: Person
    scopes: frozenset[str] | None = None
    auth_time: int = 0
    acr: str = ""

    def needs(self, scope: str) -> None:
        """Raises ApiError 403 for a machine whose token is not for ``scope``."""
        if self.scopes is not None and scope not in self.scopes:
            raise ApiError(403, "scope", f"this token is not for that: it lacks the scope '{scope}'")


def service_now(request: Request) -> Service:
    """The service, with its people as they are now."""
    return refreshed(request)


Asked = Annotated[Service, Depends(service_now)]


def caller_of(
    request: Request, service: Asked, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Caller:
    """Who calls. Raises ApiError 401 if that is nobody, 429 if they call too often."""
    limit = request.app.state.limit
    caller = _known(service, given.credentials.strip()) if given is not None else None
    who = str(caller.person.identity) if caller else f"address {request.client.host if request.client else ''}"
    if isinstance(limit, RateLimit) and (seconds := limit.wait(who)):
        raise TooMany(seconds)
    if caller is None:
        if given is None:
            raise ApiError(401, "unauthenticated", "say who you are: 'Authorization: Bearer TOKEN'")
        _log.warning("refused: a token that belongs to nobody")
        raise ApiError(401, "unauthenticated", "this token belongs to nobody, or is no longer good")
    return caller


def _known(service: Service, token: str) -> Caller | None:
    identities, now = service.store.identities, service.clock()
    if token.startswith(SESSION_PREFIX):
        session = identities.session(token, at=now)
        if session is None or session.channel != "cli":
            return None
        person = service.people.get(session.identity)
        if person is None:  # they left: should they come back, they sign in again
            identities.end_session(token)
            return None
        return Caller(person, None, session.auth_time, session.acr)
    if token.startswith(TOKEN_PREFIX):
        machine = identities.token(token, at=now)
        person = service.people.get(machine.identity) if machine is not None else None
        return Caller(person, machine.scopes) if person is not None and machine else None
    person = by_token(service.people.values(), token)
    return Caller(person) if person is not None else None


Asker = Annotated[Caller, Depends(caller_of)]
