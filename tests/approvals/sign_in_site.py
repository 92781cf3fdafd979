"""A reviewer service whose people sign in at a real OpenID provider, and a browser without JavaScript for it."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from approval_site import Site
from oidc_server import CLI, CLIENT, SECRET, STRONG, AtProvider, OidcServer
from starlette.exceptions import StarletteDeprecationWarning

from approvals.identity.directory import Directory
from approvals.identity.provider import Provider
from approvals.identity.settings import IdentitySettings, StepUp
from approvals.people import load_people
from approvals.web.app import WebSettings, create_app

with warnings.catch_warnings():
    # It would rather have httpx2; with the httpx that the CLI uses anyway it works as well.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8787"
PEOPLE = """
people:
  - {id: ada, name: Ada Lindqvist, groups: ['local:security'], identities: ['test:u-ada', 'k8s:ada']}
  - {id: grace, name: Grace Okafor, identities: ['test:u-grace']}
"""
_FORM_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Clock:
    """The real time in ms, moved by what a test says."""

    ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead


class Door:
    """The application on ``site``, with ``oidc`` as its provider."""

    def __init__(
        self, site: Site, oidc: OidcServer, folder: Path, *, now: Callable[[], float] = time.time, **settings: Any
    ) -> None:
        self.site, self.oidc = site, oidc
        self.people = folder / "people.yaml"
        self.people.write_text(PEOPLE)
        values: dict[str, Any] = {
            "public_url": BASE,
            "name": "test",
            "issuer": oidc.issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "device_client_id": CLI,
            "audiences": (CLI,),
            "scopes": ("openid", "profile", "email", "groups"),
            "groups_claim": "groups",
            "max_groups": 100,
            "aliases": {"email": "email"},
            "unlisted": "refuse",
            "step_up": StepUp(max_age=300, acr_values=[STRONG]),
            "leeway": 60,
            "session_seconds": 8 * 3600,
        }
        self.settings = IdentitySettings(**(values | settings))
        self.provider = Provider(self.settings, now=now)
        service = site.service
        directory = Directory(
            site.store.identities,
            load_people(self.people),
            clock=service.clock,
            file=self.people,
            provider=self.settings,
        )
        self.app = create_app(service, WebSettings(secret=b"s" * 32, provider=self.provider, directory=directory))
        self._visitors: list[Visitor] = []

    def visitor(self, login: str | None = None) -> Visitor:
        """Somebody at the page; signed in, if ``login`` names an account of the provider."""
        visitor = Visitor(self.app)
        self._visitors.append(visitor)
        if login is not None:
            answer = visitor.sign_in(login)
            assert answer.status_code == 303, answer.text
        return visitor

    def close(self) -> None:
        for visitor in self._visitors:
            visitor.close()
        self.provider.close()


class Visitor:
    """A browser: ``here`` is at the page, ``there`` at the provider."""

    def __init__(self, app: Any) -> None:
        self.here = TestClient(app, base_url=BASE, follow_redirects=False)
        self.there = AtProvider()

    def close(self) -> None:
        self.here.close()
        self.there.close()

    def sign_in(self, login: str, path: str = "/sign-in/provider") -> Any:
        """Goes to the provider and comes back; the answer to the coming back."""
        answer = self.here.get(path)
        assert answer.status_code == 303, answer.text
        return self.come_back(self.there.sign_in(answer.headers["location"], login))

    def come_back(self, query: dict[str, str]) -> Any:
        return self.here.get(f"/sign-in/callback?{urlencode(query)}")

    def post(self, path: str, page: str, **data: str) -> Any:
        """Sends a form of ``page``."""
        found = _FORM_TOKEN.search(self.here.get(page).text)
        assert found is not None
        return self.here.post(path, data={"csrf": found[1], **data})

    def vote(self, request_id: str = "req-0001", decision: str = "approve", typed: str = "") -> Any:
        page = f"/requests/{request_id}"
        return self.post(f"{page}/vote", page, decision=decision, version="1", reason="because", typed=typed)
