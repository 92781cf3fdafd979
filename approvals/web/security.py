"""What keeps the page safe: sessions, form tokens, allowed hosts, headers, and the size of what is sent."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from approvals.identity.store import IdentityStore
from approvals.person import Identity
from approvals.web.problems import ApiError, problem
from detectors.errors import ConfigError

COOKIE = "sluicegate_session"
SESSION_SECONDS = 8 * 60 * 60
_NOTE_COOKIE = "sluicegate_sign_in"
_NOTE_SECONDS = 10 * 60
BODY_LIMIT = 64 * 1024  # bytes

_log = logging.getLogger("sluicegate.identity")

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
    """Whose session it is, as ``issuer:subject`` (None: nobody is signed in), and its random id, to which form tokens
    are bound. ``auth_time`` (s since the epoch; 0: not known) and ``acr`` say when and how they signed in.
    """

    person: str | None
    session_id: str
    auth_time: int = 0
    acr: str = ""


class Sessions:
    """Signed cookies that carry the id of a session. Whose it is stands in the database alone, so that it can be ended
    there; until somebody signs in there is only the id.

    ``clock`` gives ms since the epoch; ``seconds`` is how long a session lasts; ``secure``: people come by TLS.
    """

    def __init__(
        self,
        secret: bytes,
        store: IdentityStore,
        clock: Callable[[], int],
        *,
        seconds: int = SESSION_SECONDS,
        secure: bool = False,
    ) -> None:
        self._secret, self._store, self._clock, self._seconds = secret, store, clock, seconds
        self._secure = secure
        self._cookie = f"__Host-{COOKIE}" if secure else COOKIE
        self._serializer = URLSafeTimedSerializer(secret, salt="sluicegate.session")
        self._notes = URLSafeTimedSerializer(secret, salt="sluicegate.sign-in")

    def read(self, connection: HTTPConnection) -> SessionData | None:
        """The session of a request; None if it has none, or one that is forged, over, or was ended.

        It is looked up once a request; `look_again` has it looked up anew.
        """
        if not hasattr(connection.state, "session"):
            connection.state.session = self._looked_up(connection)
        found = connection.state.session
        assert found is None or isinstance(found, SessionData)  # noqa: S101 (for the type checker; set above)
        return found

    def look_again(self, connection: HTTPConnection) -> None:
        """Has `read` ask the database again, for a request that is answered for long."""
        if hasattr(connection.state, "session"):
            del connection.state.session

    def _looked_up(self, connection: HTTPConnection) -> SessionData | None:
        given = connection.cookies.get(self._cookie, "")
        try:
            session_id, signed_in = self._serializer.loads(given, max_age=self._seconds)
        except (BadData, TypeError, ValueError):
            if given:
                _log.warning("refused: a session cookie that is forged or too old")
            return None
        if not signed_in:
            return SessionData(None, session_id)
        found = self._store.session(session_id, at=self._clock())
        if found is None or found.channel != "page":
            return None
        return SessionData(str(found.identity), session_id, found.auth_time, found.acr)

    def write(self, response: Response, identity: Identity | None, *, auth_time: int = 0, acr: str = "") -> SessionData:
        """Begins a session with a new id, so that none from before the sign-in goes on."""
        if identity is None:
            session = SessionData(None, secrets.token_urlsafe(16))
        else:
            made = self._store.begin_session(
                identity, at=self._clock(), seconds=self._seconds, channel="page", auth_time=auth_time, acr=acr
            )
            session = SessionData(str(identity), made, auth_time, acr)
        content = self._serializer.dumps([session.session_id, identity is not None])
        # Lax: who comes from the provider, or by a link in a chat, is signed in. Forms have tokens of their own.
        self._set(response, self._cookie, content, self._seconds)
        return session

    def end(self, connection: HTTPConnection) -> None:
        """Ends the session of a request, here and in the database."""
        session = self.read(connection)
        if session is not None and session.person is not None:
            self._store.end_session(session.session_id)
        self.look_again(connection)

    def note(self, response: Response, content: list[str]) -> None:
        """Has the browser remember ``content`` while somebody is at the provider; see `noted`."""
        self._set(response, _NOTE_COOKIE, self._notes.dumps(content), _NOTE_SECONDS)

    def noted(self, connection: HTTPConnection) -> list[str]:
        """What `note` had the browser remember; empty if it was nothing, is forged, or too long ago."""
        try:
            return [str(part) for part in self._notes.loads(connection.cookies.get(_NOTE_COOKIE, ""), _NOTE_SECONDS)]
        except (BadData, TypeError, ValueError):
            return []

    def forget(self, response: Response) -> None:
        """Has the browser forget what `note` gave it."""
        response.delete_cookie(_NOTE_COOKIE, path="/", httponly=True, samesite="lax", secure=self._secure)

    def _set(self, response: Response, name: str, content: str, seconds: int) -> None:
        response.set_cookie(
            name, content, max_age=seconds, httponly=True, samesite="lax", secure=self._secure, path="/"
        )

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
            return _plain(scope, 421, "host", "this address is not served here")
        if scope["method"] in ("GET", "HEAD"):
            return None
        length = headers.get("content-length", "")
        if "transfer-encoding" in headers or (length and not length.isdigit()):
            return _plain(scope, 411, "length", "say how long the body is")
        if int(length or 0) > BODY_LIMIT:  # neither header: no body (RFC 9112, section 6.3)
            return _plain(scope, 413, "too_large", "the body is too large")
        return None


def _plain(scope: Scope, status: int, code: str, message: str) -> Response:
    if scope["path"].startswith("/v1/"):
        return problem(ApiError(status, code, message))
    return PlainTextResponse(f"{message[:1].upper()}{message[1:]}.\n", status_code=status)


def _host_name(header: str) -> str:
    """The host of a Host header without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.rsplit(":", 1)[0] if ":" in name else name
