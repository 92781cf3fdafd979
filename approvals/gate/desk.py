"""The gate's desk: what agents and executors may do, on the judge, the store and the signer. Does not wait."""

from __future__ import annotations

import hmac
import logging
import uuid

from approvals.gate.authority import Authority
from approvals.gate.errors import Code, Unfit
from approvals.gate.judge import Judge
from approvals.gate.proposal import ProposalIn, RedemptionIn
from approvals.gate.standing import Kept, Standing, standing
from approvals.gate.store import GateStore
from approvals.gate.tokens import Claims, Signer, digest
from approvals.person import Identity
from engine.actions.model import Json

USABLE_SECONDS = 600
"""How long an approval can be used once it was given."""

_log = logging.getLogger("sluicegate.gate")


class Desk:
    """``usable_ms`` is how long an approval can be used once it was given. Safe to use from several threads."""

    def __init__(self, judge: Judge, store: GateStore, signer: Signer, *, usable_ms: int) -> None:
        self.signer = signer
        self.max_depth = judge.policy.file.limits.depth
        self._judge, self._store, self._usable_ms = judge, store, usable_ms

    def authority(self, machine: Identity) -> Authority:
        """What the record of this machine's token says."""
        return self._store.authority(machine.subject)

    def submit(self, asked: ProposalIn, params: Json, authority: Authority, key: str | None, *, at: int) -> Standing:
        """Asks for what was sent; the same ``key`` finds the same request. Raises Unfit."""
        judged = self._judge.judge(asked, params, authority, key or uuid.uuid4().hex, at=at)
        kept = self._store.submit(judged, at=at)
        if (kept.likeness, kept.digest, kept.audience) != (judged.likeness, judged.digest, judged.audience):
            raise Unfit(Code.KEY_REUSED, "this idempotency key was used for something else")
        return self._standing(kept, at=at)

    def find(self, request_id: str, authority: Authority, *, at: int) -> Standing:
        """Where a request of this agent stands. Raises Unfit."""
        found = self._store.find(request_id)
        if found is None or found[0].agent != authority.agent:
            raise Unfit(Code.UNKNOWN, "there is no such request of this agent")
        return standing(*found, at=at, usable_ms=self._usable_ms)

    def token(self, stands: Standing) -> str | None:
        """The token of an approval that can be used; always the same one."""
        if stands.usable is None:
            return None
        kept, (given, until) = stands.kept, stands.usable
        salt = self._judge.salt(kept.request_id)
        return self.signer.sign(
            Claims(
                request_id=kept.request_id,
                agent=str(kept.agent),
                audience=kept.audience,
                environment=kept.environment,
                digest=kept.digest,
                salt=salt,
                issued=given // 1000,
                expires=until // 1000,
            )
        )

    def redeem(
        self,
        asked: RedemptionIn,
        params: Json,
        by: Identity,
        authority: Authority,
        audiences: frozenset[str],
        *,
        at: int,
    ) -> Claims:
        """Uses up an approval, just before what it is for runs. Each refusal is told to the log. Raises Unfit.

        ``audiences`` are those as which the caller may execute.
        """
        if asked.audience and asked.audience not in audiences:
            raise Unfit(Code.AUDIENCE, "this token does not execute as that")
        claims, version = None, 1
        try:
            claims = self.signer.read(asked.token)
            stands = self._store.find(claims.request_id)
            if stands is None:
                raise Unfit(Code.TOKEN_UNKNOWN, "the gate does not know this approval any more")
            version = stands[1].request.version if stands[1] else 1
            self._check(claims, asked, params, authority, audiences, at)
            if not self._store.redeem(claims.request_id, by=by, version=version, at=at, detail=claims.token_id):
                raise Unfit(Code.TOKEN_REDEEMED, "the approval has been used already")
        except Unfit as unfit:
            request_id = claims.request_id if claims else ""
            _log.warning("refused: %s tried to use an approval: %s", by, unfit.code)
            self._store.refused(request_id, by=by, version=version, at=at, detail=unfit.code)
            raise
        return claims

    def _check(
        self,
        claims: Claims,
        asked: RedemptionIn,
        params: Json,
        authority: Authority,
        audiences: frozenset[str],
        at: int,
    ) -> None:
        wanted = {asked.audience} if asked.audience else audiences
        own = claims.audience == authority.own_audience
        if claims.audience not in wanted or (own and claims.agent != authority.own_audience):
            raise Unfit(Code.TOKEN_AUDIENCE, "the approval is for another executor")
        bound = digest(asked.action, asked.resource, params, salt=claims.salt)
        same = hmac.compare_digest(bound.encode(), claims.digest.encode())
        if not same or (asked.environment is not None and asked.environment != claims.environment):
            raise Unfit(Code.TOKEN_PARAMETERS, "the approval is for something else than what is to run")
        if at >= claims.expires * 1000:
            raise Unfit(Code.TOKEN_EXPIRED, "the approval was not used in time")

    def _standing(self, kept: Kept, *, at: int) -> Standing:
        found = self._store.find(kept.request_id)
        return standing(*(found or (kept, None)), at=at, usable_ms=self._usable_ms)
