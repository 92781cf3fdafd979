"""What keeps the page safe: sessions, form tokens, allowed hosts, headers, and the size of what is sent."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detectors.errors import ConfigError

COOKIE = "sluicegate_session"
SESSION_SECONDS = 8 * 60 * 60
BODY_LIMIT = 64 * 1024  # bytes

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SessionData(NamedTuple):
    """Who is signed in (None: nobody yet), and a random id that form tokens are bound to."""

    person_id: str | None
    session_id: str


class Sessions:
    """Signed cookies: what is in them cannot be changed, and ends after eight hours."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._serializer = URLSafeTimedSerializer(secret, salt="sluicegate.session")

    def read(self, connection: HTTPConnection) -> SessionData | None:
        """The session of a request; None if it has none, or one that is forged or too old."""
        try:
            data = self._serializer.loads(connection.cookies.get(COOKIE, ""), max_age=SESSION_SECONDS)
            return SessionData(*data)
        except (BadData, TypeError):
            return None

    def write(self, response: Response, person_id: str | None) -> SessionData:
        """Begins a session with a new id, so that none from before the sign-in goes on."""
        session = SessionData(person_id, secrets.token_urlsafe(16))
        response.set_cookie(  # not Secure: on loopback there is no TLS, and nothing else is served yet
            COOKIE,
            self._serializer.dumps(session),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return session

    def form_token(self, session: SessionData) -> str:
        """What a form of this session must carry."""
        return hmac.new(self._secret, f"form:{session.session_id}".encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, session: SessionData, token: str) -> bool:
        """Whether ``token`` belongs to this session; in constant time."""
        return hmac.compare_digest(self.form_token(session).encode(), token.encode("utf-8", "replace"))


def read_secret(path: Path) -> bytes:
    """The secret in the file at ``path``; made, readable by its owner only, if there is none.

    Raises ConfigError if it cannot be read or made, or is too short to be a secret.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(secrets.token_hex(32), encoding="ascii")
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(error.strerror or "cannot be read", file=path) from None
    if len(secret) < 32:
        raise ConfigError("is shorter than 32 bytes: remove it, and a new secret is made", file=path)
    return secret


def is_loopback(host: str) -> bool:
    """Whether ``host`` is an address that only this machine can reach."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """ASGI middleware: refuses foreign hosts (DNS rebinding) and large bodies, sets the safety headers."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if _host_name(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("This address is not served here.\n", status_code=421)
        if scope["method"] in ("GET", "HEAD"):
            return None
        length = headers.get("content-length", "")
        if "transfer-encoding" in headers or not length.isdigit():
            return PlainTextResponse("Say how long the body is.\n", status_code=411)
        if int(length) > BODY_LIMIT:
            return PlainTextResponse("The body is too large.\n", status_code=413)
        return None


def _host_name(header: str) -> str:
    """The host of a Host header without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.rsplit(":", 1)[0] if ":" in name else name
