"""Slack, Teams and a webhook's end, as local servers: they check what comes as the real ones do, and can fail."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote

import jsonschema
from joserfc import jwt
from joserfc.jwk import RSAKey
from standardwebhooks import Webhook, WebhookVerificationError

_SCHEMAS = Path(__file__).parent / "schemas"


class Reply(NamedTuple):
    """An answer: ``wait`` s before it, and for a body that is cut off, a ``length`` that is too large."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0.0
    length: int | None = None


class Got(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def answer(content: Any, status: int = 200, **headers: str) -> Reply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, json.dumps(content).encode(), named)


def problems(schema: str, content: Any) -> list[str]:
    """What is wrong with ``content``, by a schema of ours."""
    checker = jsonschema.Draft202012Validator(json.loads((_SCHEMAS / f"{schema}.json").read_text()))
    return [error.message for error in checker.iter_errors(content)]


class Local:
    """A server on this machine. ``faults`` are what it answers first, instead of what is right."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.faults: deque[Reply] = deque()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer._serve(self, Got(self.command, self.path, headers, body))

            do_GET = do_PUT = do_POST  # noqa: N815 (as http.server calls them)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def right(self, got: Got) -> Reply:
        raise NotImplementedError

    def _serve(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        self.got.append(got)
        reply = self.faults.popleft() if self.faults else self.right(got)
        time.sleep(reply.wait)
        try:
            handler.send_response(reply.status)
            for name, value in reply.headers:
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(reply.body) if reply.length is None else reply.length))
            handler.end_headers()
            handler.wfile.write(reply.body)
        except OSError:  # who asked has given up
            pass


class SlackServer(Local):
    """The Web API of one workspace, for one app that is in the channels C1 and C2."""

    TOKEN, APP_TOKEN, SECRET, APP, TEAM = (
        "xoxb-1-good",
        "xapp-1-good",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "A0APP",
        "T0TEAM",
    )

    def __init__(self) -> None:
        super().__init__()
        self.error = ""  # what every call is answered with, from now on
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}
        self.updates = 0
        self.whispers: list[tuple[str, str, dict[str, Any]]] = []
        self.views: list[dict[str, Any]] = []
        self.users: dict[str, dict[str, Any]] = {}
        self.socket_url = ""
        self.calls: list[str] = []
        self._ts = 1_795_000_000_000_000

    def right(self, got: Got) -> Reply:
        method = got.path.strip("/")
        self.calls.append(method)
        token = self.APP_TOKEN if method == "apps.connections.open" else self.TOKEN
        if got.headers.get("authorization") != f"Bearer {token}":
            return answer({"ok": False, "error": "invalid_auth"})
        if self.error:
            return answer({"ok": False, "error": self.error})
        if got.headers["content-type"].startswith("application/json"):
            given = json.loads(got.body)
        else:
            given = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
        return answer(getattr(self, "_" + method.replace(".", "_").lower())(given))

    def _chat_postmessage(self, given: dict[str, Any]) -> dict[str, Any]:
        if wrong := problems("slack_message", given):
            return {"ok": False, "error": "invalid_blocks", "errors": wrong}
        if given["channel"] not in ("C1", "C2"):
            return {"ok": False, "error": "channel_not_found"}
        self._ts += 1
        ts = f"{self._ts // 1_000_000}.{self._ts % 1_000_000:06}"
        self.messages[given["channel"], ts] = given
        return {"ok": True, "channel": given["channel"], "ts": ts}

    def _chat_update(self, given: dict[str, Any]) -> dict[str, Any]:
        if wrong := problems("slack_message", given):
            return {"ok": False, "error": "invalid_blocks", "errors": wrong}
        if (given["channel"], given["ts"]) not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        self.messages[given["channel"], given["ts"]] = given
        self.updates += 1
        return {"ok": True, "channel": given["channel"], "ts": given["ts"]}

    def _chat_postephemeral(self, given: dict[str, Any]) -> dict[str, Any]:
        whole = {"blocks": [{"type": "section", "text": {"type": "plain_text", "text": "-"}}], **given}
        if wrong := problems("slack_message", whole):
            return {"ok": False, "error": "invalid_blocks", "errors": wrong}
        self.whispers.append((given["channel"], given["user"], given))
        return {"ok": True, "message_ts": "1.2"}

    def _views_open(self, given: dict[str, Any]) -> dict[str, Any]:
        if wrong := problems("slack_view", given):
            return {"ok": False, "error": "invalid_arguments", "errors": wrong}
        self.views.append(given["view"])
        return {"ok": True, "view": {"id": f"V{len(self.views)}"}}

    def _users_info(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self.users.get(given["user"])
        return {"ok": True, "user": found} if found else {"ok": False, "error": "user_not_found"}

    def _apps_connections_open(self, _given: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "url": self.socket_url}

    # --- What Slack sends -----------------------------------------------------------------------------------

    def press(self, action: str, user: str, *, at: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """The payload of a click on the newest message, or on the one ``at`` a channel and ts."""
        channel, ts = at or next(reversed(self.messages))
        message = self.messages[channel, ts]
        button = next(
            one
            for block in message["blocks"]
            if block["type"] == "actions"
            for one in block["elements"]
            if one["action_id"] == action
        )
        return self.click(action, user, button.get("value", ""), channel, ts, **more)

    def click(
        self, action: str, user: str, value: str, channel: str = "C1", ts: str = "1.2", **more: Any
    ) -> dict[str, Any]:
        return {
            "type": "block_actions",
            "team": {"id": self.TEAM},
            "user": {"id": user, "team_id": self.TEAM, "username": "somebody"},
            "api_app_id": self.APP,
            "trigger_id": "13345224609.738474920.8088930838d88f008e0",
            "response_url": "https://hooks.slack.com/actions/T0TEAM/1/x",
            "channel": {"id": channel, "name": "on-call"},
            "message": {"ts": ts},
            "actions": [{"action_id": action, "block_id": "b", "value": value, "action_ts": f"{time.time():.6f}"}],
            **more,
        }

    def submit(self, user: str, words: str, **more: Any) -> dict[str, Any]:
        """The payload of sending the newest form."""
        view = self.views[-1]
        block = view["blocks"][0]
        values = {block["block_id"]: {block["element"]["action_id"]: {"type": "plain_text_input", "value": words}}}
        return {
            "type": "view_submission",
            "team": {"id": self.TEAM},
            "user": {"id": user, "team_id": self.TEAM},
            "api_app_id": self.APP,
            "view": {**view, "id": f"V{len(self.views)}", "state": {"values": values}},
            **more,
        }

    def signed(
        self, payload: Any, *, at: float | None = None, secret: str | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """``payload`` as Slack posts it: body and headers."""
        body = f"payload={quote(json.dumps(payload))}".encode()
        return body, self.headers(body, at=at, secret=secret)

    def headers(self, body: bytes, *, at: float | None = None, secret: str | None = None) -> dict[str, str]:
        stamp = str(int(time.time() if at is None else at))
        mac = hmac.new((secret or self.SECRET).encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
        return {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": f"v0={mac.hexdigest()}",
        }


class TeamsServer(Local):
    """The sign-in, the Bot Connector and its keys, for one bot in one tenant."""

    APP, TENANT, SECRET = "0a1b2c3d-app", "tenant-1", "bot-secret"
    ISSUER = "https://api.botframework.com"
    KEY = RSAKey.generate_key(2048, auto_kid=True)

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}
        self.updates = 0
        self.tokens_made = 0
        self.refuses = False  # the bot's secret
        self.endorsements = ["msteams", "webchat"]
        self.flow: list[dict[str, Any]] = []

    def right(self, got: Got) -> Reply:
        if got.path == "/keys":
            key = self.KEY.as_dict(private=False)
            return answer({"keys": [{**key, "endorsements": self.endorsements}]})
        if got.path == f"/{self.TENANT}/oauth2/v2.0/token":
            form = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
            wanted = {
                "grant_type": "client_credentials",
                "client_id": self.APP,
                "client_secret": self.SECRET,
                "scope": "https://api.botframework.com/.default",
            }
            if form != wanted or self.refuses:
                return answer({"error": "invalid_client"}, 401)
            self.tokens_made += 1
            return answer({"access_token": f"made-{self.tokens_made}", "expires_in": 3600, "token_type": "Bearer"})
        if got.path == "/flow":
            given = json.loads(got.body)
            wrong = problems("adaptive_card", given["attachments"][0]["content"])
            if wrong or given["type"] != "message" or given["attachments"][0]["contentUrl"] is not None:
                return answer({"error": wrong}, 400)
            self.flow.append(given["attachments"][0]["content"])
            return Reply(202)
        return self._connector(got)

    def _connector(self, got: Got) -> Reply:
        if got.headers.get("authorization") != f"Bearer made-{self.tokens_made}":
            return answer({"error": "unauthorized"}, 401)
        parts = [unquote(part) for part in got.path.strip("/").split("/")]
        given = json.loads(got.body)
        content = given["attachments"][0]["content"]
        if parts[:2] != ["v3", "conversations"] or parts[3] != "activities" or problems("adaptive_card", content):
            return answer({"error": problems("adaptive_card", content)}, 400)
        if parts[2] != "19:ops@thread.tacv2":
            return answer({"error": "not found"}, 404)
        if got.method == "POST":
            made = f"1{len(self.messages)}"
            self.messages[parts[2], made] = content
            return answer({"id": made}, 201)
        if (parts[2], parts[4]) not in self.messages:
            return answer({"error": "not found"}, 404)
        self.messages[parts[2], parts[4]] = content
        self.updates += 1
        return answer({"id": parts[4]})

    # --- What Teams sends -----------------------------------------------------------------------------------

    def press(self, action: Mapping[str, Any], user: str, **data: str) -> dict[str, Any]:
        """The activity of pressing ``action`` of a card, with what was filled in."""
        return {
            "type": "invoke",
            "name": "adaptiveCard/action",
            "serviceUrl": self.url,
            "channelId": "msteams",
            "from": {"id": f"29:{user}", "aadObjectId": user, "name": "somebody"},
            "conversation": {"id": "19:ops@thread.tacv2", "tenantId": self.TENANT},
            "value": {"action": {**action, "data": {**action["data"], **data}}, "trigger": "manual"},
        }

    def token(self, *, key: RSAKey | None = None, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token of the Bot Connector; the Authorization header with it."""
        now, key = int(time.time()), key or self.KEY
        whole = {
            "iss": self.ISSUER,
            "aud": self.APP,
            "nbf": now - 10,
            "exp": now + 3600,
            "serviceurl": self.url,
            **claims,
        }
        named = {"alg": "RS256", "kid": key.kid, **(header or {})}
        return "Bearer " + jwt.encode(named, whole, key, algorithms=[named["alg"]])


class WebhookServer(Local):
    """The end of a webhook. ``events`` is what came, by id: once, however often it was sent."""

    SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, dict[str, Any]] = {}
        self.refused = 0

    def right(self, got: Got) -> Reply:
        try:
            event = Webhook(self.SECRET).verify(got.body, dict(got.headers))
        except WebhookVerificationError:
            self.refused += 1
            return Reply(401)
        self.events[got.headers["webhook-id"]] = event
        return Reply(204)


@contextmanager
def serving(make: Callable[[], Any]) -> Iterator[Any]:
    server = make()
    try:
        yield server
    finally:
        server.close()
