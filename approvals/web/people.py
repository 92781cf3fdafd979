"""The API for who may decide: what people lend to others while they are away, and who is barred."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from approvals.identity.store import StoredDelegation
from approvals.person import Identity, Person, Roster
from approvals.rights import why_not_lend
from approvals.service import Service
from approvals.web import api_models as m
from approvals.web.api import PROBLEMS, channel_of, wants_fresh_sign_in
from approvals.web.callers import Asked, Asker
from approvals.web.idempotency import IdempotentRoute
from approvals.web.problems import ApiError
from engine.ledger.model import Decision, Risk

router = APIRouter(prefix="/v1", tags=["people"], route_class=IdempotentRoute, responses=PROBLEMS)


@router.get("/delegations")
def list_delegations(service: Asked, asker: Asker) -> m.DelegationsOut:
    """What is lent now, beside what people.yaml says."""
    asker.needs("read")
    return m.DelegationsOut(delegations=[_shown(one) for one in _held(service)])


@router.post("/delegations")
def post_delegation(asked: m.DelegationIn, http: Request, service: Asked, asker: Asker) -> m.DelegationOut:
    """Lends your right to decide to somebody else until a day: they vote by it, and the vote says so."""
    lender, taker = asker.person, _named(service.people, asked.to)
    words = why_not_lend(lender, taker, until=asked.until, groups=asked.groups, at=service.clock())
    if words is not None or taker is None:
        raise ApiError(422, "cannot_lend", words or "nobody is known by that id")
    wants_fresh_sign_in(http, asker, service, Risk.CRITICAL, Decision.APPROVE)
    made = service.store.changes.delegate(
        lender.identity,
        taker.identity,
        until=asked.until,
        groups=asked.groups,
        at=service.clock(),
        channel=channel_of(http),
    )
    return _shown(made)


@router.delete("/delegations/{delegation_id}", status_code=204)
def delete_delegation(
    delegation_id: Annotated[str, Path(min_length=1, max_length=100)], http: Request, service: Asked, asker: Asker
) -> Response:
    """Ends a delegation before its time: by who lent it, who holds it, or a machine with the scope ``people``."""
    found = next((one for one in _held(service) if one.id == delegation_id), None)
    mine = asker.scopes is None and found is not None and {found.lender, found.taker} & set(asker.person.identities)
    if not mine:
        asker.needs("people")
        if asker.scopes is None or found is None:
            raise ApiError(404, "unknown", "there is no such delegation of yours")
    if found is not None:
        service.store.changes.revoke(found, at=service.clock(), actor=asker.person.identity, channel=channel_of(http))
    return Response(status_code=204)


@router.post("/people/{identity}/bar")
def post_bar(
    identity: Annotated[str, Path(min_length=3, max_length=400, pattern=r"^[^:\s]+:\S+$")],
    http: Request,
    service: Asked,
    asker: Asker,
) -> m.BarredOut:
    """Ends somebody's sessions and counts none of their open votes; for a machine whose token is for ``people``."""
    if asker.scopes is None:
        raise ApiError(403, "scope", "this is for a machine with the scope 'people'")
    asker.needs("people")
    ended = service.store.changes.bar(
        Identity.parsed(identity), at=service.clock(), actor=asker.person.identity, channel=channel_of(http)
    )
    return m.BarredOut(id=identity, sessions=ended)


def _held(service: Service) -> list[StoredDelegation]:
    return service.store.identities.delegations(at=service.clock())


def _named(people: Roster, given: str) -> Person | None:
    """The person with this id, or of whom this is an ``issuer:subject``."""
    return people.by_id(given) or next((person for person in people.values() if person.is_known_as(given)), None)


def _shown(one: StoredDelegation) -> m.DelegationOut:
    return m.DelegationOut(
        id=one.id,
        lender=str(one.lender),
        taker=str(one.taker),
        until=one.until,
        groups=sorted(one.groups),
        created=one.created,
    )
