"""What an agent sends: read strictly, numbers as they are written. Holds raw values, which no ``repr`` shows."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from approvals.gate.errors import Code, Unfit
from detectors.errors import BudgetExceeded
from engine.actions.model import Json, Number
from engine.actions.tree import parse
from engine.ledger.model import Principal, PrincipalRole

_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
Line = Annotated[str, Field(max_length=2_000)]
Name = Annotated[str, Field(min_length=1, max_length=2_000)]
Audience = Annotated[str, Field(max_length=400)]


Body = TypeVar("Body", bound="_Body")


class PrincipalIn(BaseModel):
    """Somebody who takes part in the action, as far as the token allows that."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    role: Literal["initiator", "on_behalf_of", "delegate", "owner", "beneficiary"] = "on_behalf_of"
    issuer: Annotated[str, Field(min_length=1, max_length=200)]
    subject: Annotated[str, Field(min_length=1, max_length=400)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    action: Name
    resource: Line = ""
    params: dict[str, Any] = Field({}, repr=False)


class ProposalIn(_Body):
    """An action that is to run: exactly this is approved, or not. ``audience`` is who executes it; the agent, if empty.

    Numbers count as they are written.
    """

    environment: Line = ""
    reason: Annotated[str, Field(max_length=20_000)] = ""
    principals: Annotated[list[PrincipalIn], Field(max_length=20)] = []
    audience: Audience = ""

    def claimed(self) -> list[Principal]:
        """Whom the agent names."""
        return [Principal(PrincipalRole(one.role), one.issuer, one.subject) for one in self.principals]


class RedemptionIn(_Body):
    """An approval that is to be used up, and what is about to run.

    ``audience`` is as whom: one of those of the token. ``environment`` is compared if it is given.
    """

    token: Annotated[str, Field(min_length=1, max_length=10_000, repr=False)]
    environment: Line | None = None
    audience: Audience = ""


def read(kind: type[Body], data: bytes, *, max_depth: int) -> tuple[Body, Json]:
    """What ``data`` asks for, and its parameters as they are written. Raises Unfit."""
    try:
        trees = parse(data, max_depth=max_depth)
    except (ValueError, BudgetExceeded):
        raise Unfit(Code.INVALID, "the body is no JSON, or is nested too deep") from None
    tree = trees.last
    if trees.ambiguous or not isinstance(tree, dict):
        raise Unfit(Code.INVALID, "the body must be one object, without a key that stands in it twice")
    if not _finite(tree):
        raise Unfit(Code.INVALID, "NaN and infinity are no numbers of JSON")
    params = tree.get("params", {})
    if any(isinstance(value, Number) for name, value in tree.items() if name != "params"):
        raise Unfit(Code.INVALID, "only parameters may be numbers")
    try:
        return kind.model_validate(tree), params
    except ValidationError as error:
        fields = {str(e["loc"][0]) for e in error.errors()}
    # A name that nobody expects is the sender's own word, and may be anything.
    known = sorted(fields & kind.model_fields.keys())
    raise Unfit(Code.INVALID, f"missing or not valid: {', '.join(known) or 'an unknown member'}")


def _finite(tree: Json) -> bool:
    left = [tree]
    while left:
        one = left.pop()
        if isinstance(one, Number) and one in _NOT_FINITE:
            return False
        left += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return True
