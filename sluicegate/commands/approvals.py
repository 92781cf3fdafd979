"""`sluicegate approvals`: the reviewer service, and what reviewers do from a terminal."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from sluicegate.commands.approvals_gate import gate_of
from sluicegate.commands.approvals_identity import people, tokens
from sluicegate.commands.approvals_login import Saved, SignInFailed, device_flow, echo_where, keep, saved
from sluicegate.commands.database_option import database_option

if TYPE_CHECKING:
    from engine.config import Config

DEFAULT_URL = "http://127.0.0.1:8787"
_TIMEOUT = 15.0  # seconds


class _Refused(click.ClickException):
    """The service said no, or could not be asked: one line on stderr, exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Writes ``sluicegate: MESSAGE``."""
        click.echo(f"sluicegate: {self.message}", err=True)


class _Usage(_Refused):
    """What was asked cannot be: exit code 2."""

    exit_code = 2


class _Client:
    """The service at ``url``, asked with a token. Every failure is a `_Refused` with a readable reason."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token

    def get(self, path: str, **query: str) -> Any:
        """What the service answers to a GET."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """What the service answers to a POST."""
        return self._ask("POST", path, json=body)

    def delete(self, path: str) -> Any:
        """What the service answers to a DELETE."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        import httpx

        from sluicegate import __version__

        headers = {"user-agent": f"sluicegate-cli/{__version__}"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        try:
            answer = httpx.request(
                method, f"{self._url}/v1{path}", headers=headers, timeout=_TIMEOUT, trust_env=False, **more
            )
            body = answer.json() if answer.content else None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise _Usage(f"'{self._url}' is not the URL of a service; it looks like {DEFAULT_URL}") from None
        except httpx.HTTPError:
            raise _Refused(
                f"no reviewer service answers at {self._url}; start one with 'sluicegate approvals serve', "
                "or name another with --url or SLUICEGATE_URL"
            ) from None
        except ValueError:
            raise _Refused(f"what answers at {self._url} is no reviewer service") from None
        if answer.is_success:
            return body
        message = body.get("detail") if isinstance(body, dict) else None
        raise _Refused(_printable(str(message or f"the service answered {answer.status_code}")))


def _asks(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say whom to ask and as whom."""
    token = click.option(
        "--token-file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The file with your token.  [env: SLUICEGATE_TOKEN holds the token itself]",
    )
    url = click.option("--url", envvar="SLUICEGATE_URL", default=DEFAULT_URL, show_default=True, show_envvar=True)
    return url(token(command))


def _client(url: str, token_file: Path | None) -> _Client:
    if token_file is None:
        session = saved(url)
        token = os.environ.get("SLUICEGATE_TOKEN", "").strip() or (session.token if session else "")
        if not token:
            raise _Usage(
                "say who you are: 'sluicegate approvals login', --token-file FILE, or the token in SLUICEGATE_TOKEN"
            )
    else:
        try:
            token = token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no token"
            raise _Usage(f"{token_file}: {reason}") from None
    if not token or not token.isascii() or not token.isprintable():
        raise _Usage("that is no token; 'sluicegate approvals token' makes one")
    return _Client(url, token)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def approvals() -> None:
    """Decide on held actions: serve the page, or list, show, approve and deny from here.

    \b
    Examples:
      sluicegate approvals serve -c sluicegate.yaml --people people.yaml
      sluicegate approvals list
      sluicegate approvals approve 7f3a --reason "expected, covered by CHG-1042"
    """


@approvals.command()
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False, path_type=Path), help="sluicegate.yaml.")
@click.option("--people", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Who may be asked.")
@click.option(
    "--identity",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The OpenID provider at which people sign in: identity.yaml.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Without --identity: of this machine only.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--published-on-loopback",
    is_flag=True,
    help="In a container whose port is published on 127.0.0.1 and nowhere else: listen on all its addresses.",
)
@database_option("Requests, votes and events")
@click.option(
    "--secret-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What signs sessions; instances on one PostgreSQL share it.  [default: beside the database, or in state_dir]",
)
@click.option(
    "--gate-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What signs approvals at the gate (Ed25519, PEM); instances share it.  [default: gate.key in state_dir; "
    "SLUICEGATE_GATE_KEY holds the key itself]",
)
def serve(
    config: Path,
    people: Path,
    identity: Path | None,
    host: str,
    port: int,
    *,
    published_on_loopback: bool,
    database: Path | str | None,
    secret_file: Path | None,
    gate_key_file: Path | None,
) -> None:
    """Serve the reviewer's page and API, and carry verdicts to the log.

    SIGTERM and SIGINT stop it; what was decided and not yet published is published at the next start. Several
    instances may share a database: all take votes, one at a time carries the log, another takes over when it ends.

    \b
    Examples:
      sluicegate approvals serve -c sluicegate.yaml --people people.yaml
      sluicegate approvals serve -c sluicegate.yaml --people people.yaml --identity identity.yaml --host 0.0.0.0
    """
    from approvals.identity.settings import load_identity
    from approvals.server import Settings, build
    from approvals.server import serve as run
    from engine.config import load_config
    from engine.connect import connect
    from engine.policy.load import load_policy
    from engine.sanitizer import cleaner_of

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    loaded = load_config(config)
    policy = load_policy(loaded.policy)
    cleaner = cleaner_of(policy)
    settings = Settings(
        people=people,
        database=database or loaded.state_dir / "approvals.db",
        topics=_decisions(loaded),
        format=loaded.file.decisions_format,
        host=host,
        port=port,
        published_on_loopback=published_on_loopback,
        identity=load_identity(identity) if identity is not None else None,
        secret_file=secret_file or (loaded.state_dir / "approvals.secret" if isinstance(database, str) else None),
        gate=gate_of(loaded, policy, cleaner, gate_key_file),
    )
    with connect(loaded) as broker:
        server = build(settings, broker, scrub=cleaner.scrub)
        run(server, ready=lambda url: click.echo(f"Decide at {url} (Ctrl-C stops)", err=True))


@approvals.command()
def token() -> None:
    """Make a token: its hash for people.yaml, the token itself for whoever it is for.

    The token goes to stdout, the line for people.yaml to stderr.

    \b
    Example:
      sluicegate approvals token > ada.token
    """
    from approvals.people import hash_token, new_token

    made = new_token()
    click.echo(made)
    click.echo(f"token_hash: {hash_token(made)}", err=True)


@approvals.command()
@click.option("--url", envvar="SLUICEGATE_URL", default=DEFAULT_URL, show_default=True, show_envvar=True)
@click.option("--fresh", is_flag=True, help="Sign in freshly, as approving a high risk wants it.")
def login(url: str, *, fresh: bool) -> None:
    """Sign in at the service's OpenID provider, in a browser on any device.

    The session is kept in ~/.config/sluicegate, and ends when you leave or log out.

    \b
    Example:
      sluicegate approvals login --url https://approvals.example.com
    """
    client = _Client(url, "")
    try:
        id_token = device_flow(client.get("/sign-in"), fresh=fresh, show=echo_where)
    except SignInFailed as failed:
        raise _Refused(str(failed)) from None
    made = client.post("/session", {"id_token": id_token})
    keep(url, Saved(made["token"], made["expires"]))
    click.echo(_printable(f"Signed in as {made['name']} ({made['person']}) until {_time(made['expires'])}"), err=True)


@approvals.command()
@click.option("--url", envvar="SLUICEGATE_URL", default=DEFAULT_URL, show_default=True, show_envvar=True)
def logout(url: str) -> None:
    """End this terminal's session.

    \b
    Example:
      sluicegate approvals logout --url https://approvals.example.com
    """
    if (session := saved(url)) is None:
        raise _Refused(f"nobody is signed in at {url}")
    keep(url, None)
    _Client(url, session.token).delete("/session")


@approvals.command(name="list")
@click.option("--state", type=click.Choice(["waiting", "decided", "all"]), default="waiting", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_asks
def list_(state: str, *, as_json: bool, url: str, token_file: Path | None) -> None:
    """List requests, the most urgent first; decided ones, the latest first.

    Each line says how long it still waits, and whether you can decide on it ('show' says why not).

    \b
    Examples:
      sluicegate approvals list
      sluicegate approvals list --state all --json | jq .request_id
    """
    answer = _client(url, token_file).get("/requests", state=state)
    found = answer["requests"]
    for request in found:
        click.echo(json.dumps(request) if as_json else _line(request))
    if answer["truncated"]:
        click.echo(f"sluicegate: these are the first {len(found)}; there are more", err=True)
    if not found and not as_json:
        click.echo("nothing waits for a decision" if state == "waiting" else "no requests", err=True)


@approvals.command()
@click.argument("request_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@_asks
def show(request_id: str, *, as_json: bool, url: str, token_file: Path | None) -> None:
    """Show one request. ID may be the beginning of an id, if no other id begins like it.

    \b
    Example:
      sluicegate approvals show 7f3a
    """
    request = _client(url, token_file).get(f"/requests/{quote(request_id, safe='')}")
    click.echo(json.dumps(request) if as_json else "\n".join(_description(request)))


@approvals.command()
@click.argument("request_id", metavar="ID")
@click.option("--reason", default="", help="Why. Needed where the risk is high or critical.")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@click.option("--break-glass", is_flag=True, help="Approve alone, in an emergency: flagged, and reviewed afterwards.")
@_asks
def approve(
    request_id: str, reason: str, seen: int | None, *, break_glass: bool, url: str, token_file: Path | None
) -> None:
    """Approve a request. Exit code 1 if you may not, with the reason.

    \b
    Examples:
      sluicegate approvals approve 7f3a --reason "expected, covered by CHG-1042"
      sluicegate approvals approve 7f3a --break-glass --reason "INC-77, nobody else is awake"
    """
    _vote(_client(url, token_file), request_id, "approve", reason, seen, break_glass=break_glass)


@approvals.command()
@click.argument("request_id", metavar="ID")
@click.argument("question")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@_asks
def clarify(request_id: str, question: str, seen: int | None, url: str, token_file: Path | None) -> None:
    """Ask those who are behind a request. Until they answer it can only be denied; then everybody votes anew.

    \b
    Example:
      sluicegate approvals clarify 7f3a "which customers, and who reads the report?"
    """
    _say(_client(url, token_file), request_id, "questions", {"question": question}, seen)


@approvals.command()
@click.argument("request_id", metavar="ID")
@click.argument("text")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@_asks
def answer(request_id: str, text: str, seen: int | None, url: str, token_file: Path | None) -> None:
    """Answer what was asked, if you take part in the action: a new version, and the votes so far are void.

    \b
    Example:
      sluicegate approvals answer 7f3a "those of 2019, for the audit"
    """
    _say(_client(url, token_file), request_id, "answers", {"answer": text}, seen)


@approvals.command()
@click.argument("request_id", metavar="ID")
@click.option("--reason", default="", help="Why.")
@_asks
def withdraw(request_id: str, reason: str, url: str, token_file: Path | None) -> None:
    """Take a request back, if you take part in the action. It is never released then.

    \b
    Example:
      sluicegate approvals withdraw 7f3a --reason "no longer needed"
    """
    client = _client(url, token_file)
    after = client.post(f"/requests/{quote(request_id, safe='')}/withdrawal", {"reason": reason})
    click.echo(f"{after['request_id'][:12]}  {_standing(after)}")


@approvals.command()
@click.argument("request_id", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@click.option("--version", "seen", type=int, help="The version you looked at, if it has more than one.")
@_asks
def deny(request_id: str, reason: str, seen: int | None, url: str, token_file: Path | None) -> None:
    """Deny a request: one denial is enough. Exit code 1 if you may not, with the reason.

    \b
    Example:
      sluicegate approvals deny 7f3a --reason "this agent has no business in payments"
    """
    _vote(_client(url, token_file), request_id, "deny", reason, seen)


@approvals.command(name="who-can")
@click.argument("request_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@_asks
def who_can(request_id: str, *, as_json: bool, url: str, token_file: Path | None) -> None:
    """Say who can decide on a request, and why not the others.

    \b
    Example:
      sluicegate approvals who-can 7f3a
    """
    answer = _client(url, token_file).get(f"/requests/{quote(request_id, safe='')}/who-can")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for standing in answer["people"]:
        can = "can   " if standing["can"] else "cannot"
        click.echo(f"{can}  {standing['id']:<16} {_printable(standing['why'])}")
    able = sum(standing["can"] for standing in answer["people"])
    if able < answer["quorum"]:
        click.echo(f"it needs {answer['quorum']}, so it will expire", err=True)


def _decisions(config: Config) -> dict[str, str]:
    """The topic of verdicts for each topic of requests."""
    found: dict[str, str] = {}
    for index, topics in enumerate(config.file.topics):
        decisions = found.setdefault(topics.approvals, topics.decisions)
        if decisions != topics.decisions:
            message = f"the verdicts of '{topics.approvals}' already go to '{decisions}'"
            raise config.source.error(message, ("topics", index, "decisions"))
    return found


def _vote(
    client: _Client, request_id: str, decision: str, reason: str, seen: int | None, *, break_glass: bool = False
) -> None:
    body: dict[str, object] = {"decision": decision, "reason": reason}
    _say(client, request_id, "votes", {**body, "break_glass": True} if break_glass else body, seen)


def _say(client: _Client, request_id: str, what: str, body: Mapping[str, object], seen: int | None) -> None:
    """Posts ``body`` for the version that was seen, which has to be said once there are several."""
    request = client.get(f"/requests/{quote(request_id, safe='')}")
    version = request["version"]
    if seen is None and version > 1:
        raise _Usage(
            f"this request has changed and is now version {version}: look at it with 'show', "
            f"then say --version {version}"
        )
    said = {**body, "version": version if seen is None else seen}
    after = client.post(f"/requests/{request['request_id']}/{what}", said)
    click.echo(f"{after['request_id'][:12]}  {_standing(after)}")


def _standing(request: Mapping[str, Any]) -> str:
    verdict = request["verdict"]
    if verdict is None:
        state = "a repeat" if request["folded_into"] else request["state"].replace("_", " ")
        approvals = sum(vote["decision"] == "approve" for vote in request["votes"])
        return f"{state}, {approvals} of {request['quorum']} approvals"
    words = {"approved": "acknowledged", "denied": "flagged"} if request["kind"] == "fact" else {}
    word = words.get(verdict["verdict"], verdict["verdict"])
    by = " and ".join(vote["subject"] for vote in verdict["votes"])
    return f"{word}{f' by {by}' if by else ''}"


def _sentence(request: Mapping[str, Any]) -> str:
    names = {role: p for p in reversed(request["principals"]) for role in [p["role"]]}
    first = names.get("initiator") or request["principals"][0]
    behalf = names.get("on_behalf_of")
    who = f"{first['issuer']}:{first['subject']}"
    acting = f", acting for {behalf['issuer']}:{behalf['subject']}," if behalf else ""
    verb = "has run" if request["kind"] == "fact" else "wants to run"
    on = f" on {request['resource']}" if request["resource"] else ""
    where = f" in {request['environment']}" if request["environment"] else ""
    return _printable(f"{who}{acting} {verb} {request['action']}{on}{where}")


def _left(request: Mapping[str, Any]) -> str:
    """How long it still waits, and whether whoever asks can decide: ``07:42 you can``."""
    if request["verdict"] is not None:
        return ""
    seconds = max(0, request["expires"] // 1000 - int(time.time()))
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}" if rest >= 3600 else f"{rest // 60:02}:{rest % 60:02}"
    return f"{f'{days}d {clock}' if days else clock} {'you can' if request['can_decide'] else 'not you'}"


def _line(request: Mapping[str, Any]) -> str:
    times = f" ×{request['repeats'] + 1}" if request["repeats"] else ""
    return (
        f"{request['request_id'][:12]}  {request['risk']:<8}  {_left(request):<18}  {_standing(request):<28}  "
        f"{_sentence(request)[:200]}{times}"
    )


_SILENCE = {"proposal": "silence is a denial", "fact": "it has happened, and is then closed as not reviewed"}


def _description(request: Mapping[str, Any]) -> list[str]:
    lines = [_sentence(request), ""]
    times = f", asked {request['repeats'] + 1} times" if request["repeats"] else ""
    facts = {
        "request": f"{request['request_id']}, version {request['version']}{times}",
        "state": _standing(request),
        "risk": request["risk"],
        "rule": f"{request['rule_id']}: {request['rule_reason']}" if request["rule_reason"] else request["rule_id"],
        "says": request["reason"],
        "expires": f"{_time(request['expires'])}; {_SILENCE[request['kind']]}",
        "binding": request["binding"],
    }
    lines += [f"{name + ':':<10}{_printable(str(value))}" for name, value in facts.items() if value]
    lines += ["", "principals:"]
    lines += [_printable(f"  {p['role']:<13} {p['issuer']}:{p['subject']}") for p in request["principals"]]
    lines += ["", "parameters (sanitized):", *(f"  {line}" for line in _pretty(request["params"]))]
    for vote in (request["verdict"] or request)["votes"]:
        said = f"{vote['subject']}: {vote['decision']}, {_time(vote['at'])}: {vote['reason']}"
        lines.append(_printable(f"vote of {said}"))
    if request["why_not"]:
        lines += ["", _printable(request["why_not"])]
    return lines


def _pretty(params: str) -> list[str]:
    from approvals.web.params import param_lines

    return [_printable(f"{path or 'value'} = {value}") for path, value in param_lines(params)]


def _printable(text: str) -> str:
    """Log content on a terminal: no escape sequence, no character that turns text around, gets through."""
    from approvals.web.text import plain

    return plain(text)


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


for _group in (people, tokens):
    approvals.add_command(_group)
