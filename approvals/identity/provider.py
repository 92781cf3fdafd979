"""An OpenID provider: what it says of itself, the keys it signs with, and the tokens it hands out.

The code flow with PKCE (RFC 7636) as OpenID Connect Core 1.0, section 3.1, has it; ID tokens are checked by its
section 3.1.3.7. Signatures are asymmetric: an ``alg`` that is not in `ALGORITHMS` (``none`` and HMAC among them) is
refused before a key is looked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import KeySet

from approvals.identity.claims import Profile, SignInRefused, profile
from approvals.identity.settings import IdentitySettings

ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA")
_TIMEOUT = 10.0  # seconds, for the provider's answers
_METADATA_SECONDS = 3600
_KEYS_SECONDS = 3600
_REFETCH_SECONDS = 10  # between two looks for a key that we do not know: else anybody's token makes us ask
_TOKEN_LIMIT = 16_384  # characters
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class Flow(NamedTuple):
    """What we must remember of somebody whom we sent to the provider: all of it secret from others."""

    state: str
    nonce: str
    verifier: str


class Provider:
    """The provider of ``settings``. Safe to use from several threads. ``now`` gives s since the epoch."""

    def __init__(self, settings: IdentitySettings, *, now: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._now = now
        self._http = httpx.Client(timeout=_TIMEOUT, trust_env=False)
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._metadata_until = 0.0
        self._keys = KeySet([])
        self._keys_until = 0.0
        self._keys_asked = 0.0

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def begin(self, *, step_up: bool = False) -> tuple[str, Flow]:
        """Where to send somebody to sign in, and what to remember of it. ``step_up``: freshly, and strongly enough."""
        flow = Flow(generate_token(32), generate_token(32), generate_token(64))
        more: dict[str, str] = {}
        if step_up:
            more["max_age"] = str(self.settings.step_up.max_age)
            if self.settings.step_up.acr_values:
                more["acr_values"] = " ".join(self.settings.step_up.acr_values)
        url, _ = self._client().create_authorization_url(
            self._endpoint("authorization_endpoint"),
            state=flow.state,
            nonce=flow.nonce,
            code_verifier=flow.verifier,
            **more,
        )
        return str(url), flow

    def redeem(self, code: str, flow: Flow) -> Profile:
        """Who came back with ``code``. Raises SignInRefused."""
        client = self._client()
        settings = self.settings
        auth = None
        if settings.client_secret is not None:  # RFC 6749, section 2.3.1: form-encoded within the header
            auth = httpx.BasicAuth(quote(settings.client_id, safe=""), quote(settings.client_secret, safe=""))
        try:
            token = client.fetch_token(
                self._endpoint("token_endpoint"),
                grant_type="authorization_code",
                code=code,
                code_verifier=flow.verifier,
                redirect_uri=settings.redirect_uri,
                auth=auth,
                **({} if auth else {"client_id": settings.client_id}),
            )
        except AuthlibBaseError:
            raise SignInRefused("code", f"{settings.name} does not take the code it sent you with") from None
        except (httpx.HTTPError, ValueError):
            raise self._away() from None
        return self.verify(str(token.get("id_token", "")), nonce=flow.nonce, access_token=token.get("access_token"))

    def verify(self, id_token: str, *, nonce: str | None = None, access_token: str | None = None) -> Profile:
        """Who ``id_token`` is of. Raises SignInRefused if it is not in order, or not for us.

        ``nonce`` is the one that was sent; None where there was none, as in the device flow: the token is then for
        one of the other audiences of the settings.
        """
        settings = self.settings
        checked = self._decode(id_token)
        if "events" in checked.claims:  # a logout token
            raise SignInRefused("token", "that is no token to sign in with")
        client_ids = [settings.client_id] if nonce is not None else list(settings.audiences)
        audience = checked.claims.get("aud")
        audience = audience if isinstance(audience, list) else [audience]
        client_id = next((known for known in client_ids if known in audience), None)
        if client_id is None:
            raise SignInRefused("audience", "that token is for somebody else")
        claims = CodeIDToken(
            checked.claims,
            checked.header,
            options={"iss": {"essential": True, "value": settings.issuer}, "aud": {"value": client_id}},
            params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
        )
        try:
            claims.validate(now=int(self._now()), leeway=settings.leeway)
        except ClaimError as error:
            raise SignInRefused(str(error.claim), _claim_words(str(error.claim))) from None
        return profile(claims, settings)

    def logged_out(self, token: str) -> str:
        """The subject whom ``token`` says the provider has signed out (OpenID Connect Back-Channel Logout 1.0).

        Raises SignInRefused if it is not in order.
        """
        checked = self._decode(token).claims
        events, audience = checked.get("events"), checked.get("aud")
        known = {self.settings.client_id, *self.settings.audiences}
        subject = checked.get("sub")
        issued = checked.get("iat")
        fresh = isinstance(issued, int | float) and abs(self._now() - issued) <= 120 + self.settings.leeway
        right = (
            checked.get("iss") == self.settings.issuer
            and bool(known & set(audience if isinstance(audience, list) else [audience]))
            and isinstance(events, Mapping)
            and _LOGOUT_EVENT in events
            and "nonce" not in checked
            and fresh
            and isinstance(subject, str)
        )
        if not right:
            raise SignInRefused("logout", "that is no logout token for us")
        return str(subject)

    def device(self) -> Mapping[str, str]:
        """What a terminal needs for the device flow (RFC 8628). Raises SignInRefused if it is off."""
        if self.settings.device_client_id is None:
            raise SignInRefused("device", "signing in from a terminal is off: identity.yaml has no device_client_id")
        return {
            "issuer": self.settings.issuer,
            "client_id": self.settings.device_client_id,
            "scope": " ".join(self.settings.scopes),
            "device_authorization_endpoint": self._endpoint("device_authorization_endpoint"),
            "token_endpoint": self._endpoint("token_endpoint"),
        }

    # --- What it says of itself -----------------------------------------------------------------------------

    def _client(self) -> Any:
        return OAuth2Client(
            self._http,
            client_id=self.settings.client_id,
            scope=" ".join(self.settings.scopes),
            redirect_uri=self.settings.redirect_uri,
            code_challenge_method="S256",
        )

    def _endpoint(self, name: str) -> str:
        with self._lock:
            if self._now() >= self._metadata_until:
                found = self._get(f"{self.settings.issuer}/.well-known/openid-configuration")
                if found.get("issuer", "").rstrip("/") != self.settings.issuer:
                    raise SignInRefused("issuer", "what answers at the issuer's address is another issuer")
                self._metadata, self._metadata_until = found, self._now() + _METADATA_SECONDS
            url = self._metadata.get(name)
        if not isinstance(url, str):
            raise SignInRefused("metadata", f"{self.settings.name} has no {name}")
        return url

    def _decode(self, token: str) -> jwt.Token:
        """``token`` with its signature checked; a key that we do not know is looked for, but not again and again."""
        if len(token) > _TOKEN_LIMIT:
            raise SignInRefused("token", "that token is too long")
        for again in (False, True):
            keys = self._key_set(anew=again)
            try:
                return jwt.decode(token, keys, algorithms=ALGORITHMS)
            except JoseError as error:
                unknown = type(error).__name__ in ("InvalidKeyIdError", "MissingKeyError")
                if not unknown or again:
                    raise SignInRefused("signature", "that token is not signed by the provider") from None
            except ValueError:
                raise SignInRefused("token", "that is no token") from None
        raise AssertionError  # the loop returns or raises

    def _key_set(self, *, anew: bool) -> KeySet:
        url = self._endpoint("jwks_uri")
        with self._lock:
            now = self._now()
            if now < self._keys_until and not (anew and now - self._keys_asked >= _REFETCH_SECONDS):
                return self._keys
            self._keys_asked = now
            answer = self._get(url)
            try:
                self._keys = KeySet.import_key_set({"keys": list(answer.get("keys", []))})
            except (JoseError, ValueError, TypeError, AttributeError):
                raise self._away() from None
            self._keys_until = now + _KEYS_SECONDS
            return self._keys

    def _get(self, url: str) -> Mapping[str, Any]:
        try:
            answer = self._http.get(url).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise self._away() from None
        if not isinstance(answer, Mapping):
            raise self._away()
        return answer

    def _away(self) -> SignInRefused:
        return SignInRefused("provider", f"{self.settings.name} does not answer as it should; try again in a moment")


def _claim_words(claim: str) -> str:
    words = {
        "exp": "that sign-in is over: sign in again",
        "iat": "that token is from the future: is this machine's clock right?",
        "nbf": "that token is from the future: is this machine's clock right?",
        "iss": "that token is from another provider",
        "aud": "that token is for somebody else",
        "nonce": "that token is not for this sign-in",
    }
    return words.get(claim, "that token is not in order")
