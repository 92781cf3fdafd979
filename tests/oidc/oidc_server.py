"""A certified OpenID provider, started for tests; and somebody who signs in there without a browser."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import Key, RSAKey

HERE = Path(__file__).parent
CLIENT, CLI = "sluicegate", "sluicegate-cli"
SECRET = "the secret of the reviewer service"
STRONG = "urn:test:strong"
CALLBACK = "http://127.0.0.1:8787/sign-in/callback"
ACCOUNTS = {
    "u-ada": {"name": "Ada Lindqvist", "email": "ada@example.com", "email_verified": True, "groups": ["security"]},
    "u-grace": {"name": "Grace Okafor", "email": "grace@example.com", "email_verified": True, "groups": ["security"]},
    "u-linus": {"name": "Linus Berg", "email": "linus@example.com", "email_verified": True, "groups": ["data"]},
}


class Missing(Exception):
    """Node or npm is not there; the message says what to install."""


class OidcServer:
    """The provider. ``key`` signs what it hands out; `forged` signs whatever a test likes with it."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key: Key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}, auto_kid=False)
        self._keys_made = 1
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Installs it, if need be, and starts it. Raises Missing."""
        node = _installed()
        self._process = subprocess.Popen(
            [node, str(HERE / "provider.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.issuer = json.loads(self._process.stdout.readline())["issuer"]
        self.reset()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def reset(self) -> None:
        """As at the start, whatever a test did."""
        self.tell(accounts=ACCOUNTS, redirectUris=[CALLBACK], jwks={"keys": [self.key.as_dict(private=True)]})

    def tell(self, **changes: Any) -> int:
        """Changes it; how often its keys have been asked for so far."""
        answer = httpx.post(f"{self.issuer}/control", json=changes, trust_env=False)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["keySetsAsked"])

    def rotate(self) -> Key:
        """From now on it signs with another key and no longer publishes the old one, which this returns."""
        old = self.key
        self._keys_made += 1
        self.key = RSAKey.generate_key(
            2048, {"kid": f"k{self._keys_made}", "use": "sig", "alg": "RS256"}, auto_kid=False
        )
        self.tell(jwks={"keys": [self.key.as_dict(private=True)]})
        return old

    def claims(self, subject: str = "u-ada", **changes: Any) -> dict[str, Any]:
        """The claims of a good ID token for a terminal; a change to None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": CLI,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "groups": ["security"],
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def forged(self, claims: Mapping[str, Any], *, key: Key | None = None, **header: Any) -> str:
        """``claims``, signed: by the provider's own key, if no other is given."""
        key = key or self.key
        full = {"alg": "RS256", "kid": key.kid, **header}
        return jwt.encode(full, dict(claims), key, algorithms=[str(full["alg"])])


def _installed() -> str:
    """The path of node, with the provider's packages beside its script. Raises Missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("no node and npm found. Install them: apt-get install nodejs npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        raise Missing(f"node is {version}, and the provider needs 20 or newer")
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]["oidc-provider"]
    manifest = HERE / "node_modules" / "oidc-provider" / "package.json"
    with (HERE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists() or json.loads(manifest.read_text())["version"] != wanted:
            command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise Missing(f"npm could not install the packages of {HERE / 'package.json'}")
    return node


@contextmanager
def running(request: pytest.FixtureRequest) -> Iterator[OidcServer]:
    """The provider, started; stopped at the end. Where it cannot be: a failure in CI, else one loud skip."""
    server = OidcServer()
    try:
        server.start()
    except Missing as missing:
        message = f"SIGN-IN TESTS NOT RUN: {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n*** {message} ***", file=sys.stderr)
        pytest.skip(message)
    try:
        yield server
    finally:
        server.stop()


class AtProvider:
    """Somebody's browser at the provider: it keeps the provider's cookies and sends its forms."""

    def __init__(self) -> None:
        self.http = httpx.Client(trust_env=False)

    def close(self) -> None:
        self.http.close()

    def sign_in(self, url: str, login: str) -> dict[str, str]:
        """Follows ``url``, clicking ``login`` if asked; what the provider sends back, as query parameters."""
        answer = self.http.get(url)
        for _ in range(10):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if target.startswith(CALLBACK):
                    return dict(parse_qsl(urlsplit(target).query))
                answer = self.http.get(target)
            else:
                answer = self._fill_in(answer, login)
        raise AssertionError("the provider leads in circles")

    def confirm_device(self, url: str, login: str) -> str:
        """Does what somebody does who is shown ``url`` by a terminal; the text of the last page."""
        answer = self.http.get(url)
        for _ in range(12):
            if answer.is_redirect:
                answer = self.http.get(urljoin(str(answer.url), answer.headers["location"]))
            elif "<form" in answer.text:
                answer = self._fill_in(answer, login)
            else:
                return answer.text
        raise AssertionError("the provider leads in circles")

    def _fill_in(self, page: httpx.Response, login: str) -> httpx.Response:
        assert page.status_code == 200, page.text
        assert "<form" in page.text, page.text
        action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        target = urljoin(str(page.url), action[1]) if action else str(page.url)
        return self.http.post(target, data={**hidden, "login": login})
