"""As whom a machine's token acts at the gate, and for whom: by its record, never by what it sends. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from approvals.gate.errors import Code, Unfit
from approvals.person import MACHINE, Identity
from engine.ledger.model import Principal, PrincipalRole

ANYBODY = "*"


@dataclass(frozen=True, slots=True)
class Authority:
    """What the record of the token ``name`` says.

    ``agent`` is who asks with it, ``owner`` who answers for that agent. ``acts_for`` is whom it may act for: somebody,
    or with the subject ``*`` anybody of an issuer. ``audiences`` are the names under which it executes.
    """

    name: str
    agent: Identity | None = None
    owner: Identity | None = None
    acts_for: tuple[Identity, ...] = ()
    audiences: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str, text: str | None) -> Authority:
        """What stands in the database with the token ``name``."""
        said = json.loads(text) if text else {}
        return cls(
            name,
            Identity(*said["agent"]) if said.get("agent") else None,
            Identity(*said["owner"]) if said.get("owner") else None,
            tuple(Identity(*one) for one in said.get("acts_for", ())),
            tuple(said.get("audiences", ())),
        )

    def written(self) -> str:
        """The same for the database."""
        return json.dumps(
            {"agent": self.agent, "owner": self.owner, "acts_for": self.acts_for, "audiences": self.audiences}
        )

    def principals(self, claimed: Iterable[Principal]) -> tuple[Principal, ...]:
        """Who takes part in what is asked for with this token, given whom the agent names.

        Whom the record names takes part in any case, the token itself too: so nobody slips out by not being named.
        Raises Unfit for somebody whom the record does not allow, and where it allows anybody of an issuer and nobody
        is named.
        """
        if self.agent is None:
            raise Unfit(Code.PRINCIPALS, "this token names no agent: make one with --agent")
        own = [(PrincipalRole.INITIATOR, self.agent)]
        own += [(PrincipalRole.OWNER, self.owner)] if self.owner else []
        named = [one for one in self.acts_for if one.subject != ANYBODY]
        fixed = [*own, *((PrincipalRole.ON_BEHALF_OF, one) for one in named)]
        open_issuers = {one.issuer for one in self.acts_for if one.subject == ANYBODY}
        found = {(role.value, *one): Principal(role, *one) for role, one in fixed}
        for principal in claimed:
            one = Identity(principal.issuer, principal.subject)
            allowed = (
                (principal.role, one) in own
                if principal.role in (PrincipalRole.INITIATOR, PrincipalRole.OWNER)
                else one in named or (one.issuer in open_issuers and one.subject != ANYBODY)
            )
            if not allowed:
                raise Unfit(Code.PRINCIPALS, f"this token does not act for that {principal.role.value}")
            found.setdefault((principal.role.value, *one), principal)
        if open_issuers and not any(p.role is PrincipalRole.ON_BEHALF_OF for p in found.values()):
            raise Unfit(Code.PRINCIPALS, "say on whose behalf: this token may act for many")
        itself = Principal(PrincipalRole.DELEGATE, MACHINE, self.name)
        return (*found.values(), itself)

    @property
    def own_audience(self) -> str:
        """The audience of approvals that the agent uses itself."""
        return str(self.agent) if self.agent else ""

    def executes_as(self) -> tuple[str, ...]:
        """The audiences whose approvals it may redeem with the scope ``redeem``; its own name, if none is said."""
        return self.audiences or (self.name,)
