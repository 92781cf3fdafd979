"""Approvals as signed tokens: JWTs by Ed25519 that say what may run, who may run it, and until when."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import KeySet, OKPKey
from joserfc.jws import JWSRegistry

from approvals.gate.errors import Code, Unfit
from detectors.errors import ConfigError
from engine.actions.model import Json
from engine.binding import canonical

KEY_VARIABLE = "SLUICEGATE_GATE_KEY"
_ALGORITHM = "EdDSA"
_CURVE: Final = "Ed25519"
_TYPE = "sluicegate-approval+jwt"
_LONGEST = 8_192  # characters


class _OnlyOurs(JWSRegistry):
    """One algorithm: its old name, which every library knows, and joserfc warns of."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name != _ALGORITHM:
            raise UnsupportedAlgorithmError("not the algorithm of the gate")
        return self.algorithms[name]


_REGISTRY = _OnlyOurs()


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says; times in s since the epoch. ``digest`` is that of `digest` with ``salt``."""

    request_id: str
    agent: str
    audience: str
    environment: str
    digest: str
    salt: str
    issued: int
    expires: int

    @property
    def token_id(self) -> str:
        """One for each request, however often its token is given out: it is used up once."""
        return f"apr_{self.request_id.removeprefix('req_')}"


class Signer:
    """Signs with the private ``key``; its ``repr`` shows nothing of it. ``issuer`` stands in each token."""

    def __init__(self, key: OKPKey, issuer: str) -> None:
        self._key, self._issuer = key, issuer
        self._keys = KeySet([key])

    def __repr__(self) -> str:
        return "Signer()"

    def public(self) -> Mapping[str, Any]:
        """The public key, as a JWKS."""
        return dict(self._keys.as_dict(private=False))

    def sign(self, claims: Claims) -> str:
        """``claims`` as a token."""
        said = {
            "iss": self._issuer,
            "sub": claims.agent,
            "aud": claims.audience,
            "jti": claims.token_id,
            "iat": claims.issued,
            "nbf": claims.issued,
            "exp": claims.expires,
            "request_id": claims.request_id,
            "environment": claims.environment,
            "digest": claims.digest,
            "salt": claims.salt,
        }
        header = {"alg": _ALGORITHM, "kid": self._key.kid, "typ": _TYPE}
        return jws.serialize_compact(header, json.dumps(said).encode(), self._key, registry=_REGISTRY)

    def read(self, token: str) -> Claims:
        """What ``token`` says, if this gate has signed it. Times are not looked at. Raises Unfit."""
        forged = Unfit(Code.TOKEN_FORGED, "the token was not given by this gate")
        if not token.isascii() or len(token) > _LONGEST:
            raise forged
        try:
            signed = jws.deserialize_compact(token.encode(), self._keys, registry=_REGISTRY)
            said = json.loads(signed.payload)
        except (JoseError, ValueError, TypeError, KeyError):
            raise forged from None
        if signed.headers().get("typ") != _TYPE or not isinstance(said, dict) or said.get("iss") != self._issuer:
            raise forged
        return Claims(
            request_id=said["request_id"],
            agent=said["sub"],
            audience=said["aud"],
            environment=said["environment"],
            digest=said["digest"],
            salt=said["salt"],
            issued=said["iat"],
            expires=said["exp"],
        )


def digest(action: str, resource: str, params: Json, *, salt: str) -> str:
    """What binds a token to exactly this; ``salt`` keeps values that are easily guessed from being found by it."""
    whole: dict[str, Json] = {"action": action, "resource": resource, "params": params}
    return "sha256:" + hashlib.sha256(salt.encode() + b"\0" + canonical(whole)).hexdigest()


def read_key(path: Path, environ: Mapping[str, str] = os.environ) -> OKPKey:
    """The private key in ``SLUICEGATE_GATE_KEY``, else in the file at ``path``; a new one if there is none.

    It is PEM (PKCS 8). Raises ConfigError, never with content.
    """
    text = environ.get(KEY_VARIABLE, "")
    where: dict[str, Any] = {"key": KEY_VARIABLE} if text else {"file": path}
    try:
        if not text:
            if not path.exists():
                _make_key(path)
            text = path.read_text(encoding="ascii")
        key = OKPKey.import_key(text.strip(), {"use": "sig", "alg": _ALGORITHM})
    except OSError as error:
        raise ConfigError(error.strerror or "cannot be read", file=path) from None
    except (JoseError, ValueError, TypeError):
        key = None
    if key is None or not key.is_private or key.curve_name != _CURVE:
        message = f"holds no private key of {_CURVE}; make one with: openssl genpkey -algorithm ed25519"
        raise ConfigError(message, **where)
    key.ensure_kid()
    return key


def secret_of(key: OKPKey) -> bytes:
    """The secret of keyed digests that goes with the private ``key``: whoever has the one has the other."""
    private = str(key.as_dict(private=True)["d"])
    return hmac.new(private.encode(), b"sluicegate gate digests", hashlib.sha256).digest()


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(OKPKey.generate_key(_CURVE, private=True).as_pem(private=True))
