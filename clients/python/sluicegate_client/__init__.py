"""Ask before it runs.

    with Gate().require("db.export", "warehouse/customers", {"rows": 41000}):
        export()

The block runs if a person, or the policy, has approved exactly this; otherwise the line above it raises.
"""

from sluicegate_client.aio import AsyncGate, AsyncPending
from sluicegate_client.canonical import digest
from sluicegate_client.errors import (
    ClarificationAsked,
    Denied,
    Expired,
    GateError,
    Misconfigured,
    NotApproved,
    Refused,
    Repeated,
    TokenRejected,
    Unavailable,
    Undecided,
    Withdrawn,
)
from sluicegate_client.gate import Gate, Pending
from sluicegate_client.model import Approval, Grant, Intent, JsonValue, Principal, Question, Waiting
from sluicegate_client.verify import verify

__all__ = [
    "Approval",
    "AsyncGate",
    "AsyncPending",
    "ClarificationAsked",
    "Denied",
    "Expired",
    "Gate",
    "GateError",
    "Grant",
    "Intent",
    "JsonValue",
    "Misconfigured",
    "NotApproved",
    "Pending",
    "Principal",
    "Question",
    "Refused",
    "Repeated",
    "TokenRejected",
    "Unavailable",
    "Undecided",
    "Waiting",
    "Withdrawn",
    "digest",
    "verify",
]
