"""Whom to ask, and as whom: from arguments, else from the environment."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sluicegate_client.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Settings:
    """The service's address, without a final slash, and the credential."""

    url: str
    token: str = field(repr=False)


def settings(url: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """What is given, else ``SLUICEGATE_URL``, and ``SLUICEGATE_TOKEN`` or the file ``SLUICEGATE_TOKEN_FILE``.

    Raises Misconfigured.
    """
    address = (url or environ.get("SLUICEGATE_URL", "")).strip().rstrip("/")
    if not address:
        raise Misconfigured("say where the gate is: SLUICEGATE_URL=https://approvals.example.com")
    _check(address)
    secret = (token or environ.get("SLUICEGATE_TOKEN", "")).strip()
    if not secret and (file := environ.get("SLUICEGATE_TOKEN_FILE")):
        secret = token_in(Path(file))
    if not secret:
        raise Misconfigured("say who asks: SLUICEGATE_TOKEN_FILE names the file with the token")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Misconfigured("that is no token: one line that 'sluicegate approvals tokens create' made")
    return Settings(address, secret)


def token_in(file: Path) -> str:
    """The token in ``file``. Raises Misconfigured, never with content."""
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "holds no token"
        raise Misconfigured(f"{file}: {why}") from None


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise Misconfigured("SLUICEGATE_URL is no address of a service; it looks like https://approvals.example.com")
    if parts.scheme == "http" and not _on_this_machine(parts.hostname):
        raise Misconfigured("SLUICEGATE_URL must begin with https://, unless the service is on this machine")


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
