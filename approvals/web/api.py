"""The JSON API under `/v1`, for the CLI and other programs. A bearer token says who asks.

What is read has an ``ETag``; with ``If-Match`` nothing is done to a request that has changed since. Errors are
problem details. POST heeds ``Idempotency-Key``.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import JSONResponse, Response

from approvals.lifecycle import RefusalCode, Refused, Review
from approvals.lookups import Wanted
from approvals.person import Identity, Person
from approvals.rights import quorum, who_can
from approvals.rows import Listed, StoreError
from approvals.service import Ambiguous, Service
from approvals.web import api_models as m
from approvals.web.batch import why_not_together
from approvals.web.callers import Asked, Asker, Caller
from approvals.web.fresh import must_sign_in_again
from approvals.web.idempotency import IdempotentRoute
from approvals.web.problems import MEDIA_TYPE, ApiError, refusal
from approvals.web.sign_in import provider_of
from approvals.web.view import pulse
from engine.ledger.model import Decision, ReviewRequest

_NUMBER = 2**63

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": m.ProblemOut, "description": words, "content": {MEDIA_TYPE: {}}}
    for status, words in {
        400: "Not readable, or several requests begin with that id",
        401: "Nobody is known by this token",
        403: "You may not",
        404: "There is none",
        409: "It has changed, or has ended",
        412: "It is not what If-Match says",
        422: "Something is missing or not valid",
        429: "Too often",
        503: "Busy: try again",
    }.items()
}

router = APIRouter(prefix="/v1", tags=["requests"], route_class=IdempotentRoute, responses=PROBLEMS)

RequestId = Annotated[str, Path(min_length=1, max_length=300, description="A request id, or the beginning of one.")]
IfMatch = Annotated[str | None, Header(max_length=1_000, description="The ETag of what was reviewed.")]
IfNoneMatch = Annotated[str | None, Header(max_length=1_000)]


# --- What is read -------------------------------------------------------------------------------------------


@router.get("/requests")
def list_requests(service: Asked, asker: Asker, query: Annotated[m.ListQuery, Query()]) -> m.RequestsOut:
    """Requests that wait, the most urgent first; then those that have been decided, the latest first."""
    asker.needs("read")
    wanted = Wanted(words=query.q, rule_id=query.rule, risk=query.risk or "", agent=query.agent)
    limit, (kind, place) = query.limit, _place(query.cursor)
    found: list[Listed] = []
    if query.state in ("waiting", "all") and kind != "decided":
        found = service.store.lookups.waiting(wanted, limit=limit + 1, after=place)
        place = None
    if query.state in ("decided", "all") and len(found) <= limit:
        found += service.store.lookups.decided(wanted, limit=limit + 1 - len(found), before=place)
    more = _cursor(found[limit - 1]) if len(found) > limit else None
    shown = [m.summary(listed, service, asker.person) for listed in found[:limit]]
    return m.RequestsOut(requests=shown, truncated=more is not None, next=more)


@router.get("/requests/{request_id}", response_model=m.RequestOut, responses={304: {"description": "Not changed"}})
def get_request(request_id: RequestId, service: Asked, asker: Asker, if_none_match: IfNoneMatch = None) -> Response:
    """One request, by its id or the beginning of it."""
    asker.needs("read")
    listed = _found(service, request_id)
    if if_none_match is not None and _etag(listed) in _tags(if_none_match):
        return Response(status_code=304, headers={"etag": _etag(listed)})
    return _shown(listed, service, asker.person)


@router.get("/requests/{request_id}/who-can")
def get_who_can(request_id: RequestId, service: Asked, asker: Asker) -> m.WhoCanOut:
    """Who can decide on a request, and why not the others."""
    asker.needs("read")
    request = _found(service, request_id).review.request
    people = [
        m.StandingOut(id=s.person.id, name=s.person.name, can=s.can, why=s.why)
        for s in who_can(request, service.people, service.clock())
    ]
    return m.WhoCanOut(request_id=request.request_id, quorum=quorum(request), people=people)


@router.get("/status")
def get_status(service: Asked, asker: Asker) -> m.StatusOut:
    """How much waits, and whether all is well."""
    asker.needs("read")
    return m.StatusOut(**service.store.counts()._asdict(), problem=service.health.problem)


@router.get("/me")
def get_me(asker: Asker) -> m.MeOut:
    """Who you are here."""
    person = asker.person
    scopes = None if asker.scopes is None else sorted(asker.scopes)
    return m.MeOut(id=str(person.identity), name=person.name, groups=sorted(person.groups), scopes=scopes)


# --- What is done -------------------------------------------------------------------------------------------


@router.post("/requests/{request_id}/votes", response_model=m.RequestOut)
def post_vote(
    request_id: RequestId,
    ballot: m.BallotIn,
    http: Request,
    service: Asked,
    asker: Asker,
    if_match: IfMatch = None,
) -> Response:
    """Votes on one version of a request. 403 if you may not, 409 if it has changed or ended."""
    asker.needs("vote")
    listed = _matching(service, request_id, if_match, ballot.version)
    decision = Decision(ballot.decision)
    _fresh_enough(http, asker, service, listed.review.request, decision, break_glass=ballot.break_glass)
    return _done(
        service,
        listed,
        asker,
        lambda exact: service.vote(
            exact,
            asker.person,
            decision,
            version=ballot.version,
            reason=ballot.reason,
            channel=_channel(http),
            break_glass=ballot.break_glass,
        ),
    )


@router.post("/requests/{request_id}/questions", response_model=m.RequestOut)
def post_question(
    request_id: RequestId,
    asked: m.QuestionIn,
    http: Request,
    service: Asked,
    asker: Asker,
    if_match: IfMatch = None,
) -> Response:
    """Asks whoever is behind a request for a clarification; until it is answered it can only be denied."""
    asker.needs("vote")
    listed = _matching(service, request_id, if_match, asked.version)
    return _done(
        service,
        listed,
        asker,
        lambda exact: service.ask(exact, asker.person, asked.question, version=asked.version, channel=_channel(http)),
    )


@router.post("/requests/{request_id}/answers", response_model=m.RequestOut)
def post_answer(
    request_id: RequestId,
    told: m.AnswerIn,
    http: Request,
    service: Asked,
    asker: Asker,
    if_match: IfMatch = None,
) -> Response:
    """Answers what was asked, for those who take part in the action: a new version, on which everybody votes anew."""
    asker.needs("answer")
    listed = _matching(service, request_id, if_match, told.version)
    return _done(
        service,
        listed,
        asker,
        lambda exact: service.answer(exact, _speaker(asker), told.answer, version=told.version, channel=_channel(http)),
    )


@router.post("/requests/{request_id}/withdrawal", response_model=m.RequestOut)
def post_withdrawal(
    request_id: RequestId,
    why: m.WithdrawalIn,
    http: Request,
    service: Asked,
    asker: Asker,
    if_match: IfMatch = None,
) -> Response:
    """Takes a request back, for those who take part in the action."""
    asker.needs("answer")
    listed = _matching(service, request_id, if_match, None)
    return _done(
        service,
        listed,
        asker,
        lambda exact: service.withdraw(exact, _speaker(asker), why.reason, channel=_channel(http)),
    )


@router.post("/votes")
def post_votes(batch: m.BatchIn, http: Request, service: Asked, asker: Asker) -> m.BatchOut:
    """One decision on several requests. Denials may be of anything; approvals only of what is alike and of low risk."""
    asker.needs("vote")
    decision = Decision(batch.decision)
    listed = [service.store.get(one.request_id) for one in batch.requests]
    if decision is Decision.APPROVE:
        words = why_not_together([one.review.request for one in listed if one is not None])
        if words is not None:
            raise ApiError(409, "not_alike", words)
    outcomes = []
    for one in batch.requests:
        try:
            result = service.vote(
                one.request_id,
                asker.person,
                decision,
                version=one.version,
                reason=batch.reason,
                channel=_channel(http),
            )
        except StoreError as error:
            outcomes.append(m.OutcomeOut(request_id=one.request_id, state=None, code="busy", detail=str(error)))
            continue
        refused = result if isinstance(result, Refused) else None
        outcomes.append(
            m.OutcomeOut(
                request_id=one.request_id,
                state=None if isinstance(result, Refused) else result.state,
                code=refused.code if refused else None,
                detail=refused.message if refused else None,
            )
        )
    return m.BatchOut(outcomes=outcomes)


@router.post("/people/{identity}/bar", tags=["people"])
def post_bar(
    identity: Annotated[str, Path(min_length=3, max_length=400, pattern=r"^[^:\s]+:\S+$")],
    service: Asked,
    asker: Asker,
) -> m.BarredOut:
    """Ends somebody's sessions and counts none of their open votes; for a machine whose token is for ``people``."""
    if asker.scopes is None:
        raise ApiError(403, "scope", "this is for a machine with the scope 'people'")
    asker.needs("people")
    issuer, _, subject = identity.partition(":")
    ended = service.store.identities.bar(Identity(issuer, subject), at=service.clock())
    return m.BarredOut(id=identity, sessions=ended)


# --- How --------------------------------------------------------------------------------------------------------


def _found(service: Service, given: str) -> Listed:
    found = service.find(given)
    if isinstance(found, Ambiguous):
        raise ApiError(400, "ambiguous", f"several requests begin with that: {', '.join(found.ids)}")
    if found is None:
        raise ApiError(404, "unknown", "there is no such request")
    return found


def _matching(service: Service, given: str, if_match: str | None, seen: int | None) -> Listed:
    """The request, if it is what ``if_match`` says. ``seen`` is the version that the caller looked at."""
    listed = _found(service, given)
    if if_match is not None and if_match.strip() != "*" and _etag(listed) not in _tags(if_match):
        raise ApiError(
            412,
            "changed",
            "it is not any more what you looked at",
            etag=_etag(listed),
            **_difference(service, listed, seen),
        )
    return listed


def _difference(service: Service, listed: Listed, seen: int | None) -> dict[str, object]:
    """``version``, ``current`` and, where the version that was seen is still known, what has changed since."""
    request = listed.review.request
    if seen is None or seen == request.version:
        return {}
    before = service.store.lookups.version(request.request_id, seen)
    found = [] if before is None else [one.model_dump() for one in m.changes(before, request)]
    return {"version": seen, "current": request.version, "changes": found}


def _done(service: Service, listed: Listed, asker: Caller, act: Any) -> Response:
    """The request after ``act``, or the refusal of it."""
    exact = listed.review.request.request_id
    try:
        result: Review | Refused = act(exact)
    except StoreError as error:
        raise ApiError(503, "busy", str(error)) from None
    now = _found(service, exact)
    if isinstance(result, Refused):
        more = _difference(service, now, result.version) if result.code is RefusalCode.STALE else {}
        raise refusal(result, **more)
    return _shown(now, service, asker.person)


def _shown(listed: Listed, service: Service, asker: Person) -> Response:
    return JSONResponse(m.whole(listed, service, asker).model_dump(), headers={"etag": _etag(listed)})


def _etag(listed: Listed) -> str:
    """Changes when what was reviewed must not be decided on any more; see `pulse`."""
    return f'"{pulse(listed)}"'


def _tags(header: str) -> list[str]:
    """The entity tags of a header; weak ones compare as strong ones, since ours are strong."""
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def _fresh_enough(
    http: Request,
    asker: Caller,
    service: Service,
    request: ReviewRequest,
    decision: Decision,
    *,
    break_glass: bool,
) -> None:
    provider = provider_of(http)
    again = must_sign_in_again(
        provider.settings if provider is not None and asker.scopes is None else None,
        request.risk,
        decision,
        auth_time=asker.auth_time,
        acr=asker.acr,
        now=service.clock(),
        break_glass=break_glass,
    )
    if again:
        raise ApiError(
            403, "sign_in_again", "this risk needs a fresh sign-in: 'sluicegate approvals login --fresh', then again"
        )


def _speaker(asker: Caller) -> Person | Identity:
    return asker.person if asker.scopes is None else asker.person.identity


def _place(cursor: str) -> tuple[str, tuple[int, str] | None]:
    """Where a page begins: in which list, after which time and id. Raises ApiError 422."""
    if not cursor:
        return "", None
    try:
        kind, at, request_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        kind, at, request_id = None, None, None
    if kind not in ("waiting", "decided") or type(at) is not int or abs(at) >= _NUMBER or type(request_id) is not str:
        raise ApiError(422, "invalid", "that is no cursor: use 'next' of the page before")
    return kind, (at, request_id)


def _cursor(last: Listed) -> str:
    review = last.review
    kind, at = ("decided", review.verdict.decided) if review.verdict else ("waiting", review.request.expires)
    return base64.urlsafe_b64encode(json.dumps([kind, at, review.request.request_id]).encode()).decode("ascii")


def _channel(http: Request) -> str:
    """What the caller says it is. It says nothing about who they are: the token does."""
    return "cli" if http.headers.get("user-agent", "").startswith("sluicegate-cli/") else "api"
