"""A tool call of an agent, as it is put to the gate: what the integrations with frameworks share.

All of them hold to the same: whoever runs the tool redeems an approval for exactly the arguments that it is about to
run with. What a framework believes was approved counts for nothing, and no approval reaches another call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeVar

from sluicegate_client.errors import Denied, Expired, GateError, NotApproved, TokenRejected, Undecided
from sluicegate_client.model import Approval, JsonValue, Principal

T = TypeVar("T")

Arguments = Mapping[str, JsonValue]


class Redacts(Protocol):
    """What makes texts and JSON values clean: `sluicegate.Sanitizer`."""

    def clean(self, text: str) -> str:
        """The text redacted."""

    def clean_json(self, value: T) -> T:
        """The value redacted, at any depth."""


@dataclass(frozen=True, slots=True)
class ToolRule:
    """How the calls of one tool are put to the gate.

    ``action`` is the tool's name if it is empty, and ``resource`` is ``tool/NAME``; it may be made from the arguments,
    which it is called with. The arguments are the parameters.
    """

    action: str = ""
    resource: str | Callable[..., str] = ""
    environment: str = ""
    reason: str = ""
    principals: tuple[Principal | str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call, as the gate is asked about it. Its ``repr`` shows no arguments."""

    action: str
    resource: str
    params: Arguments = field(repr=False)
    principals: tuple[Principal | str, ...] = ()
    environment: str = ""
    reason: str = field(default="", repr=False)

    @property
    def asked(self) -> dict[str, Any]:
        """What `Gate.submit` and `Gate.check` are called with."""
        return {
            "action": self.action,
            "resource": self.resource,
            "params": self.params,
            "principals": self.principals,
            "environment": self.environment or None,
            "reason": self.reason or None,
        }

    def redeemed(self, approval: Approval) -> dict[str, Any]:
        """What `Gate.redeem` is called with, just before this runs."""
        return {
            "token": approval.token,
            "action": self.action,
            "resource": self.resource,
            "params": self.params,
            "audience": approval.audience,
            "environment": self.environment or None,
        }


class ToolRules:
    """Which tools ask, and how. Every tool does, unless its name matches one of the globs in ``free``.

    ``place`` is what the resource of a tool without one begins with.
    """

    def __init__(
        self, rules: Mapping[str, ToolRule] | None = None, *, free: Collection[str] = (), place: str = "tool"
    ) -> None:
        self._rules, self._free, self._place = dict(rules or {}), tuple(free), place

    def call(self, name: str, arguments: Arguments) -> ToolCall | None:
        """The call that the gate is asked about; None for a tool that need not ask."""
        if any(fnmatchcase(name, glob) for glob in self._free):
            return None
        rule = self._rules.get(name, _DEFAULT)
        resource = rule.resource(**arguments) if callable(rule.resource) else rule.resource
        return ToolCall(
            rule.action or name,
            resource or f"{self._place}/{name}",
            arguments,
            rule.principals,
            rule.environment,
            rule.reason,
        )


_DEFAULT = ToolRule()


def call_key(*parts: str) -> str:
    """The idempotency key of the call that these name: its run, its id."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def refusal(error: GateError) -> str:
    """What a model is told of a call that did not run, so that it does not look for a way around."""
    reason = f" The reason given: {error.reason}" if isinstance(error, NotApproved) and error.reason else ""
    match error:
        case Denied():
            said = "the request was denied."
        case Expired():
            said = "there is no approval that it can use: nobody decided in time, or it was used by an earlier run."
        case Undecided():
            said = "nobody has decided yet, and the time to wait is over."
        case TokenRejected():
            said = f"the approval is not good for this call ({error.code})."
        case _:
            said = f"the gate did not approve it ({type(error).__name__})."
    return f"This call was NOT run now: {said}{reason} Do not try to get the same done in another way."
