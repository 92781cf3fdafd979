"""Where chats post to, and the page on which somebody gets the code that links their account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from approvals.channels.assembly import Channels
from approvals.channels.slack.app import payload_of
from approvals.channels.slack.inbound import Unusable
from approvals.channels.slack.signature import genuine
from approvals.web.shell import Asked, Sender, Viewer, render

router = APIRouter()


def channels_of(request: Request) -> Channels:
    """The channels of the application. Raises HTTPException 404 if it has none."""
    channels = request.app.state.channels
    if not isinstance(channels, Channels):
        raise HTTPException(404)
    return channels


@router.post("/chat/slack")
async def from_slack(request: Request, service: Asked) -> Response:
    """What somebody did in Slack: answered at once, and done afterwards."""
    slack = channels_of(request).slack
    if slack is None or slack.settings.signing_secret is None:
        raise HTTPException(404)
    body = await request.body()
    timestamp, signature = (request.headers.get(f"x-slack-{name}") for name in ("request-timestamp", "signature"))
    if not genuine(slack.settings.signing_secret, body, timestamp, signature, now=service.clock()):
        return Response(status_code=401)
    try:
        slack.take(payload_of(body))
    except Unusable:
        return Response(status_code=400)
    return Response(status_code=200)


@router.post("/chat/teams")
async def from_teams(request: Request) -> Response:
    """What somebody did in Teams: done, and answered with the card as it is for them."""
    teams = channels_of(request).teams
    if teams is None:
        raise HTTPException(404)
    body = await request.body()
    status, answer = await run_in_threadpool(teams.answer, request.headers.get("authorization", ""), body)
    return Response(status_code=status) if answer is None else JSONResponse(answer, status_code=status)


@router.get("/chat")
def accounts_page(request: Request, service: Asked, viewer: Viewer) -> Response:
    """Which accounts in chats are the viewer's."""
    channels_of(request)
    return render(request, "chat.html", viewer=viewer, links=service.store.links.of(viewer.identity), code="")


@router.post("/chat/code")
def new_code(request: Request, service: Asked, viewer: Sender) -> Response:
    """A code that links the account from which it is typed into a chat."""
    channels_of(request)
    links = service.store.links
    code = links.code(viewer.identity, at=service.clock())
    return render(request, "chat.html", viewer=viewer, links=links.of(viewer.identity), code=code)


@router.post("/chat/unlink")
def unlink(
    request: Request,
    service: Asked,
    viewer: Sender,
    place: Annotated[str, Form(max_length=200)],
    chat_user: Annotated[str, Form(max_length=200)],
) -> Response:
    """Ends a link of the viewer's."""
    channels_of(request)
    service.store.links.unlink(viewer.identity, place, chat_user)
    return RedirectResponse("/chat", status_code=303)
