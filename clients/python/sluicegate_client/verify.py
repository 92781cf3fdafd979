"""Checks an approval's token without the service: signature, time, audience, and what it was given for.

That it has not been used already only the service knows: redeem it afterwards.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from sluicegate_client.canonical import digest
from sluicegate_client.errors import TokenRejected
from sluicegate_client.model import Grant, JsonValue

ALGORITHM = "EdDSA"
TYPE = "sluicegate-approval+jwt"
_LEEWAY = 30.0  # seconds that clocks may differ
_LONGEST = 8_192  # characters of a token


class _OnlyOurs(JWSRegistry):
    """One algorithm: its old name, which every library knows, and joserfc warns of."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError("not the algorithm of the gate")
        return self.algorithms[name]


_REGISTRY = _OnlyOurs()


def verify(
    token: str,
    keys: Mapping[str, Any],
    *,
    action: str,
    resource: str,
    params: Mapping[str, JsonValue],
    audience: str,
    environment: str | None = None,
    now: float | None = None,
) -> Grant:
    """What ``token`` grants, if it is good for this. ``keys`` is the key set (JWKS) of the service.

    ``now`` is in s since the epoch; ``environment`` is compared if it is given. Raises TokenRejected.
    """
    claims = _signed(token, keys)
    at = time.time() if now is None else now
    try:
        grant = Grant(
            request_id=str(claims["request_id"]),
            token_id=str(claims["jti"]),
            agent=str(claims["sub"]),
            audience=str(claims["aud"]),
            environment=str(claims["environment"]),
            expires=datetime.fromtimestamp(float(claims["exp"]), UTC),
        )
        issued, expected, salt = float(claims["iat"]), str(claims["digest"]), str(claims["salt"])
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise _forged() from None
    if not issued - _LEEWAY <= at < grant.expires.timestamp() + _LEEWAY:
        raise TokenRejected("the approval was not used in time", code="token_expired")
    if grant.audience != audience:
        raise TokenRejected("the approval is for another executor", code="token_audience")
    same = hmac.compare_digest(digest(action, resource, params, salt=salt).encode(), expected.encode())
    if not same or (environment is not None and environment != grant.environment):
        raise TokenRejected("the approval is for something else than what is to run", code="token_parameters")
    return grant


def _signed(token: str, keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """The claims, if one of ``keys`` has signed them; no algorithm but ours, no type but ours."""
    if not token.isascii() or len(token) > _LONGEST:
        raise _forged()
    try:
        known = KeySet.import_key_set(cast(Any, dict(keys)))
        signature = jws.deserialize_compact(token.encode(), known, registry=_REGISTRY)
        claims = json.loads(signature.payload)
    except (JoseError, ValueError, TypeError, KeyError):
        raise _forged() from None
    if signature.headers().get("typ") != TYPE or not isinstance(claims, dict):
        raise _forged()
    return claims


def _forged() -> TokenRejected:
    return TokenRejected("the token was not given by this service", code="token_forged")
