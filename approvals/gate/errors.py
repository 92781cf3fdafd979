"""Why the gate does not do what it is asked for."""

from __future__ import annotations

from enum import StrEnum

from detectors.errors import SluicegateError


class Code(StrEnum):
    """What is wrong, for programs."""

    INVALID = "invalid"  # not readable, or not complete
    PRINCIPALS = "principals"  # somebody whom the credential does not allow
    KEY_REUSED = "key_reused"  # the idempotency key was used for something else
    UNKNOWN = "unknown"  # no such request of this agent
    AUDIENCE = "audience"  # the credential does not execute as that
    TOKEN_FORGED = "token_forged"  # noqa: S105 (not signed by this gate, or no token at all)
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_AUDIENCE = "token_audience"  # noqa: S105 (for another executor)
    TOKEN_PARAMETERS = "token_parameters"  # noqa: S105 (for something else than what is to run)
    TOKEN_REDEEMED = "token_redeemed"  # noqa: S105 (used already)
    TOKEN_UNKNOWN = "token_unknown"  # noqa: S105 (signed by this gate, which does not know the request any more)


STATUS = {
    Code.INVALID: 422,
    Code.PRINCIPALS: 403,
    Code.KEY_REUSED: 422,
    Code.UNKNOWN: 404,
    Code.AUDIENCE: 403,
    Code.TOKEN_FORGED: 403,
    Code.TOKEN_EXPIRED: 403,
    Code.TOKEN_AUDIENCE: 403,
    Code.TOKEN_PARAMETERS: 403,
    Code.TOKEN_REDEEMED: 409,
    Code.TOKEN_UNKNOWN: 404,
}
"""The HTTP status of each."""


class Unfit(SluicegateError):
    """The gate refuses it. The message holds nothing of what was sent."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
