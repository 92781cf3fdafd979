"""The gate over HTTP: agents ask and wait, executors redeem. A machine's token says who asks, and for whom."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from approvals.gate.authority import Authority
from approvals.gate.desk import Desk
from approvals.gate.errors import STATUS, Unfit
from approvals.gate.models import GateAnswerIn, GateWithdrawalIn, GrantOut, KeysOut, StandingOut
from approvals.gate.proposal import ProposalIn, RedemptionIn, read
from approvals.gate.standing import OPEN, Stand, Standing
from approvals.gate.waiting import Doorbell, TooManyWait
from approvals.lifecycle import Refused
from approvals.person import Identity
from approvals.rows import StoreError
from approvals.web.api import PROBLEMS
from approvals.web.callers import Asked, Asker, Caller
from approvals.web.idempotency import IdempotentRoute
from approvals.web.live import watch_of
from approvals.web.problems import ApiError, TooMany, refusal

LONGEST_WAIT = 60  # seconds that one question is held open
_STREAM_SECONDS = 900.0  # the client comes back by itself
_QUIET_SECONDS = 10.0  # a comment then: proxies cut what is silent
_BUSY_SECONDS = 5

T = TypeVar("T")

router = APIRouter(prefix="/v1", tags=["gate"], responses=PROBLEMS)
redeeming = APIRouter(prefix="/v1", tags=["gate"], responses=PROBLEMS, route_class=IdempotentRoute)

RequestId = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.-]+$")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="The same key of the same agent finds the same request, for as long as there is one.",
    ),
]


def _body_of(kind: type[Any]) -> dict[str, Any]:
    """The description of a body that is read by ourselves, so that numbers stay as they are written."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def desk_of(request: Request) -> Desk:
    """The desk of the application."""
    desk = request.app.state.gate
    assert isinstance(desk, Desk)  # noqa: S101 (for the type checker; these routes are there with a desk alone)
    return desk


def doorbell_of(request: Request) -> Doorbell:
    """The doorbell of the application."""
    state = request.app.state
    if not hasattr(state, "doorbell"):
        watch = watch_of(request.app)
        state.doorbell = Doorbell(state.service.store.lookups, closing=lambda: watch.closing)
        state.service.store.tell(state.doorbell.nudge)
    bell = state.doorbell
    assert isinstance(bell, Doorbell)  # noqa: S101 (as above)
    return bell


AtDesk = Annotated[Desk, Depends(desk_of)]


def agent_of(desk: AtDesk, asker: Asker) -> Authority:
    """As whom the caller asks. Raises ApiError 403 for anybody but a machine whose token is for that."""
    if asker.scopes is None:
        raise ApiError(403, "scope", "this is for a machine with the scope 'gate'")
    asker.needs("gate")
    return desk.authority(asker.person.identity)


Agent = Annotated[Authority, Depends(agent_of)]


@router.post("/gate/requests", response_model=StandingOut, openapi_extra=_body_of(ProposalIn))
async def post_request(request: Request, desk: AtDesk, service: Asked, agent: Agent, key: Key = None) -> Response:
    """Asks for an action: allowed or denied at once by the policy, or people are asked. See ``state``."""
    data = await request.body()

    def submit() -> Response:
        asked, params = read(ProposalIn, data, max_depth=desk.max_depth)
        return _out(desk, desk.submit(asked, params, agent, key, at=service.clock()))

    return await run_in_threadpool(_heeded, submit)


@router.get("/gate/requests/{request_id}", response_model=StandingOut)
async def get_request(
    request_id: RequestId,
    request: Request,
    desk: AtDesk,
    service: Asked,
    agent: Agent,
    wait: Annotated[int, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for people at most.")] = 0,
    through_questions: Annotated[bool, Query(description="Somebody else answers what reviewers ask.")] = False,
) -> Response:
    """Where a request stands: with ``wait`` as soon as nobody has to be waited for, or when the time is over."""
    bell = doorbell_of(request)

    def find() -> Standing:
        return _heeded(lambda: desk.find(request_id, agent, at=service.clock()))

    if not wait:
        stands = await run_in_threadpool(find)
    else:
        until = time.monotonic() + wait
        gone = asyncio.create_task(_gone(request))
        try:
            with bell.listening(request_id) as listener:
                gone.add_done_callback(lambda _: listener.wake())
                while True:
                    await listener.begin()
                    stands = await run_in_threadpool(find)
                    left = min(until - time.monotonic(), _until(stands, service.clock()))
                    over = left <= 0 or bell.closing or gone.done()
                    if over or not _waits(stands, through_questions=through_questions):
                        break
                    await listener.hear(left)
        except TooManyWait:
            raise TooMany(_BUSY_SECONDS) from None
        finally:
            gone.cancel()
        await run_in_threadpool(_still_good, request)  # it may have been revoked meanwhile
    return await run_in_threadpool(_out, desk, stands)


@router.get("/gate/requests/{request_id}/events", response_class=StreamingResponse)
async def get_request_events(
    request_id: RequestId, request: Request, desk: AtDesk, service: Asked, agent: Agent
) -> Response:
    """Server-sent events: where a request stands, now and whenever that changes, until it has ended."""

    def find() -> Standing:
        return _heeded(lambda: desk.find(request_id, agent, at=service.clock()))

    await run_in_threadpool(find)
    stream = _changes(request, desk, request_id, find)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _changes(request: Request, desk: Desk, request_id: str, find: Callable[[], Standing]) -> AsyncIterator[str]:
    bell, until, told = doorbell_of(request), time.monotonic() + _STREAM_SECONDS, ""
    yield "retry: 2000\n\n"
    try:
        with bell.listening(request_id) as listener:
            while time.monotonic() < until and not bell.closing:
                await listener.begin()
                await run_in_threadpool(_still_good, request)
                stands = await run_in_threadpool(find)
                said = json.dumps(await run_in_threadpool(_said, desk, stands))
                yield f"event: standing\ndata: {said}\n\n" if said != told else ": still here\n\n"
                told = said
                if stands.stand not in OPEN:
                    return
                await listener.hear(_QUIET_SECONDS)
    except (TooManyWait, ApiError):
        return  # the client comes back, and is told why


@router.post("/gate/requests/{request_id}/answers", response_model=StandingOut)
def post_gate_answer(request_id: RequestId, told: GateAnswerIn, desk: AtDesk, service: Asked, agent: Agent) -> Response:
    """Answers what a reviewer asked: a new version, on which everybody votes anew."""

    def answer() -> Response:
        speaker = _speaker(desk, request_id, agent, service.clock())
        result = service.answer(request_id, speaker, told.answer, version=told.version, channel="gate")
        return _done(result, lambda: _out(desk, desk.find(request_id, agent, at=service.clock())))

    return _heeded(answer)


@router.post("/gate/requests/{request_id}/withdrawal", response_model=StandingOut)
def post_gate_withdrawal(
    request_id: RequestId, why: GateWithdrawalIn, desk: AtDesk, service: Asked, agent: Agent
) -> Response:
    """Takes a request back."""

    def withdraw() -> Response:
        speaker = _speaker(desk, request_id, agent, service.clock())
        result = service.withdraw(request_id, speaker, why.reason, channel="gate")
        return _done(result, lambda: _out(desk, desk.find(request_id, agent, at=service.clock())))

    return _heeded(withdraw)


class KeySet(JSONResponse):
    """A JSON Web Key Set (RFC 7517, section 8.5.2)."""

    media_type = "application/jwk-set+json"


@router.get("/gate/keys", response_class=KeySet, response_model=KeysOut)
def get_keys(desk: AtDesk) -> Response:
    """The public key that approvals are signed with, as a JSON Web Key Set."""
    headers = {"cache-control": "public, max-age=300"}
    return KeySet(dict(desk.signer.public()), headers=headers)


@redeeming.post("/tokens/redeem", response_model=GrantOut, openapi_extra=_body_of(RedemptionIn))
async def post_redeem(request: Request, desk: AtDesk, service: Asked, asker: Asker) -> Response:
    """For the executor, just before it runs: uses up an approval for exactly this. It works once."""
    data = await request.body()

    def redeem() -> Response:
        authority, audiences = _executor(desk, asker)
        asked, params = read(RedemptionIn, data, max_depth=desk.max_depth)
        claims = desk.redeem(asked, params, asker.person.identity, authority, audiences, at=service.clock())
        grant = GrantOut(
            request_id=claims.request_id,
            token_id=claims.token_id,
            agent=claims.agent,
            audience=claims.audience,
            environment=claims.environment,
            expires=claims.expires * 1000,
        )
        return JSONResponse(grant.model_dump())

    return await run_in_threadpool(_heeded, redeem)


# --- How --------------------------------------------------------------------------------------------------------


def _still_good(request: Request) -> None:
    """Raises ApiError 401 if the token of who waits has been revoked, or is over."""
    service, (_, _, token) = request.app.state.service, request.headers.get("authorization", "").partition(" ")
    if service.store.identities.token(token.strip(), at=service.clock()) is None:
        raise ApiError(401, "unauthenticated", "this token is no longer good")


def _executor(desk: Desk, asker: Caller) -> tuple[Authority, frozenset[str]]:
    """As whom the caller may execute: as its own audiences with the scope ``redeem``, as itself with ``gate``."""
    scopes = asker.scopes
    if scopes is None or scopes.isdisjoint({"gate", "redeem"}):
        raise ApiError(403, "scope", "this is for a machine with the scope 'redeem'")
    authority = desk.authority(asker.person.identity)
    audiences = set(authority.executes_as()) if "redeem" in scopes else set()
    if "gate" in scopes and authority.own_audience:
        audiences.add(authority.own_audience)
    return authority, frozenset(audiences)


def _speaker(desk: Desk, request_id: str, agent: Authority, at: int) -> Identity:
    """The agent, which speaks for what it asked. Raises Unfit for a request of another."""
    return desk.find(request_id, agent, at=at).kept.agent


async def _gone(request: Request) -> None:
    """Done when the client has hung up: nobody waits any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _waits(stands: Standing, *, through_questions: bool) -> bool:
    return stands.stand is Stand.WAITING or (through_questions and stands.stand is Stand.CLARIFICATION_ASKED)


def _until(stands: Standing, at: int) -> float:
    """Seconds until its deadline, and a moment: then the service ends it, or it is over by itself."""
    return max(0.0, (stands.kept.expires - at) / 1000) + 1.0


def _heeded(act: Callable[[], T]) -> T:
    try:
        return act()
    except Unfit as unfit:
        raise ApiError(STATUS[unfit.code], unfit.code, str(unfit)) from None
    except StoreError as error:
        raise ApiError(503, "busy", str(error)) from None


def _done(result: object, then: Callable[[], Response]) -> Response:
    if isinstance(result, Refused):
        raise refusal(result)
    return then()


def _out(desk: Desk, stands: Standing) -> Response:
    return JSONResponse(_said(desk, stands))


def _said(desk: Desk, stands: Standing) -> dict[str, Any]:
    kept = stands.kept
    return StandingOut(
        request_id=kept.request_id,
        version=stands.version,
        state=stands.stand,
        expires=kept.expires,
        reason=stands.reason,
        by=stands.by,
        audience=kept.audience,
        question=stands.question,
        token=desk.token(stands),
        token_expires=stands.usable[1] if stands.usable else None,
    ).model_dump(mode="json")
