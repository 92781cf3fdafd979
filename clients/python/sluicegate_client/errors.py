"""What can go wrong. None of these holds a token or a parameter's value.

GateError
├── Misconfigured        no address, no credential, or one that would travel unprotected
├── Unavailable          the service did not answer in time: nothing was approved
├── Refused              the service will not take the request: credential, principals, or what it says
├── NotApproved          it has ended, and not by an approval
│   ├── Denied           by a person, or by the policy
│   ├── Expired          nobody decided in time, or the approval was not used in time
│   ├── Withdrawn        a party to it took it back
│   └── Repeated         it repeats a request that was waiting; that one's approval is for one run
├── Undecided            still waiting when the caller's time was over; it can be resumed
├── ClarificationAsked   a reviewer asks something, and nobody was named to answer it
└── TokenRejected        an approval that is not good for this: forged, used, expired, for something else
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluicegate_client.model import Question


class GateError(Exception):
    """Whatever stops an action. Its message is one sentence for people."""


class Misconfigured(GateError):
    """The client cannot ask anybody: the message says what to set."""


class Unavailable(GateError):
    """The service did not answer within ``timeout``, or not in a way that can be trusted. Nothing was approved."""


class Refused(GateError):
    """The service will not take the request. ``code`` is for programs, ``status`` is that of HTTP."""

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class NotApproved(GateError):
    """The request has ended without an approval. ``reason`` is what was said, scrubbed; it may be empty."""

    def __init__(self, message: str, *, request_id: str, reason: str = "") -> None:
        super().__init__(message)
        self.request_id, self.reason = request_id, reason


class Denied(NotApproved):
    """A person or the policy said no."""


class Expired(NotApproved):
    """Nobody decided in time, which denies it; or the approval was not used in time."""


class Withdrawn(NotApproved):
    """A party to the action took the request back."""


class Repeated(NotApproved):
    """An equal request was waiting already and has ended: its approval, if it was one, is for that run alone."""


class Undecided(GateError):
    """Nobody had decided when the caller's time was over. The request stays open: resume it by ``request_id``."""

    def __init__(self, message: str, *, request_id: str) -> None:
        super().__init__(message)
        self.request_id = request_id


class ClarificationAsked(GateError):
    """A reviewer asks something before they decide, and ``on_question`` was not given: answer, and wait again."""

    def __init__(self, question: Question) -> None:
        super().__init__(f"a reviewer asks about {question.request_id}: {question.text}")
        self.question = question


class TokenRejected(GateError):
    """An approval's token is not good for what is to run.

    ``code`` is ``token_forged``, ``token_expired``, ``token_audience``, ``token_parameters``, ``token_redeemed`` or
    ``token_unknown``.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
