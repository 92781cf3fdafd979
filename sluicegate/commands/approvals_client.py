"""The reviewer service as a terminal asks it: where it is, as whom, and what is said where it cannot be asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from sluicegate.commands.approvals_words import printable
from sluicegate.commands.saved_sessions import saved

DEFAULT_URL = "http://127.0.0.1:8787"
_TIMEOUT = 15.0  # seconds

url_option = click.option("--url", envvar="SLUICEGATE_URL", default=DEFAULT_URL, show_default=True, show_envvar=True)


class Refused(click.ClickException):
    """The service said no, or could not be asked: one line on stderr, exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Writes ``sluicegate: MESSAGE``."""
        click.echo(f"sluicegate: {self.message}", err=True)


class Usage(Refused):
    """What was asked cannot be: exit code 2."""

    exit_code = 2


class Client:
    """The service at ``url``, asked with a token. Every failure is a `Refused` with a readable reason."""

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
            raise Usage(f"'{self._url}' is not the URL of a service; it looks like {DEFAULT_URL}") from None
        except httpx.HTTPError:
            raise Refused(
                f"no reviewer service answers at {self._url}; start one with 'sluicegate approvals serve', "
                "or name another with --url or SLUICEGATE_URL"
            ) from None
        except ValueError:
            raise Refused(f"what answers at {self._url} is no reviewer service") from None
        if answer.is_success:
            return body
        message = body.get("detail") if isinstance(body, dict) else None
        raise Refused(printable(str(message or f"the service answered {answer.status_code}")))


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say whom to ask and as whom."""
    token = click.option(
        "--token-file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The file with your token.  [env: SLUICEGATE_TOKEN holds the token itself]",
    )
    return url_option(token(command))


def client_of(url: str, token_file: Path | None) -> Client:
    """The service at ``url``, asked as whoever the token, or the session of this terminal, is of. Raises Usage."""
    if token_file is None:
        session = saved(url)
        token = os.environ.get("SLUICEGATE_TOKEN", "").strip() or (session.token if session else "")
        if not token:
            raise Usage(
                "say who you are: 'sluicegate approvals login', --token-file FILE, or the token in SLUICEGATE_TOKEN"
            )
    else:
        try:
            token = token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no token"
            raise Usage(f"{token_file}: {reason}") from None
    if not token or not token.isascii() or not token.isprintable():
        raise Usage("that is no token; 'sluicegate approvals token' makes one")
    return Client(url, token)
