"""The library call: texts and JSON values in, the same without secrets and personal data out.

For programs that clean what they hold before it goes anywhere: a prompt before the model reads it, a tool's
arguments before they are logged. It is the engine's core (`engine.sanitizer`) without records, topics and reviews.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from detectors.errors import SluicegateError
from engine.ledger.model import Redaction
from engine.outcomes import QUARANTINE_REASONS, Dropped, Quarantined, Sanitized
from engine.policy import Policy, load_policy
from engine.records import ActivityRecord, Position
from engine.sanitizer import Sanitizer as Core

T = TypeVar("T")

DROPPED = "[DROPPED]"
"""What stands for a text of which the policy keeps nothing."""

_NOWHERE = Position("", 0, 0)


class Unreadable(SluicegateError):
    """A value could not be read safely, so nothing of it is given back. ``reason`` is a term, never a value.

    It is one of `engine.outcomes.QUARANTINE_REASONS`, or "not-json".
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {QUARANTINE_REASONS.get(reason, 'the value has no form in JSON')}")


@dataclass(frozen=True, slots=True)
class Cleaned(Generic[T]):
    """A value as it may leave, and what was redacted in it: rules, places and methods, never what was found."""

    value: T
    redactions: tuple[Redaction, ...]

    def __repr__(self) -> str:  # never the value: a policy may keep parts of it
        return f"Cleaned({type(self.value).__name__}, {len(self.redactions)} redactions)"


class Sanitizer:
    """Cleans texts and JSON values by one policy, compiled once. Usable from several threads.

    ``policy`` is a policy file, the shipped one if left out. ``ner`` switches its model for names on or off.
    Raises ConfigError naming file, line and key of whatever cannot be used.

    >>> sanitizer = Sanitizer()
    >>> sanitizer.clean("mail jane.doe@example.com")
    'mail [EMAIL_ADDRESS]'
    >>> sanitizer.clean_json({"to": ["jane.doe@example.com"], "card": 4111111111111111, "amount": 12.5})
    {'to': ['[EMAIL_ADDRESS]'], 'card': '[CREDIT_CARD]', 'amount': 12.5}

    It fails closed: whatever cannot be read raises Unreadable, and no value is given back.
    """

    def __init__(self, policy: Path | str | None = None, *, ner: bool | None = None) -> None:
        loaded = load_policy(None if policy is None else Path(policy), ner=ner)
        self._json = _core(loaded, "json")
        # A text on its own stands at no path; where names are looked for, it is free text.
        self._text = _core(loaded, "auto", free_text=["**"])
        # The model for names keeps what it has read in mind; everything else needs no turns.
        self._turn = threading.RLock() if loaded.names is not None else nullcontext()

    def __repr__(self) -> str:
        return f"Sanitizer({self._json.policy.file.name}, {self.digest[:12]})"

    @property
    def digest(self) -> str:
        """The digest of the policy: what it does, exactly."""
        return self._json.digest

    def clean(self, text: str) -> str:
        """``text`` redacted; one without findings is given back as it is.

        JSON in it stays JSON. Raises Unreadable.
        """
        return self.inspect(text).value

    def clean_json(self, value: T) -> T:
        """``value`` redacted: what JSON can write, at any depth, its keys too. Without findings it is ``value`` itself.

        With findings it is a new value, of what `json.loads` makes: a tuple is a list, a number that was redacted a
        string. Raises Unreadable, also for what JSON cannot write.
        """
        return self.inspect_json(value).value

    def inspect(self, text: str) -> Cleaned[str]:
        """`clean`, with what was redacted."""
        data, redactions = self._cleaned(self._text, text.encode("utf-8", "surrogatepass"))
        if data is None:
            return Cleaned(DROPPED, redactions)
        return Cleaned(data.decode("utf-8", "surrogatepass") if redactions else text, redactions)

    def inspect_json(self, value: T) -> Cleaned[T]:
        """`clean_json`, with what was redacted."""
        if isinstance(value, str):
            return self.inspect(value)  # type: ignore[return-value]
        data, redactions = self._cleaned(self._json, _written(value))
        if data is None:
            return Cleaned(DROPPED, redactions)  # type: ignore[arg-type]
        return Cleaned(_read(data), redactions) if redactions else Cleaned(value, ())

    def _cleaned(self, core: Core, data: bytes) -> tuple[bytes | None, tuple[Redaction, ...]]:
        """The bytes that may leave, None if none; and what was redacted. Raises Unreadable."""
        with self._turn:
            [outcome] = core.sanitize([ActivityRecord(_NOWHERE, None, data, (), 0)], 0)
        match outcome:
            case Sanitized(record, redactions):
                return record.value, redactions
            case Dropped(_, redactions):
                return None, redactions
            case Quarantined(_, reason):
                raise Unreadable(reason)
            case _:
                raise AssertionError("nothing is held here")


def _core(policy: Policy, form: str, *, free_text: list[str] | None = None) -> Core:
    """The engine's core for what comes from no topic; what the policy says about topics says nothing about it."""
    file = policy.file.model_copy(update={"topics": []})
    if free_text is not None:
        file = file.model_copy(update={"ner": file.ner.model_copy(update={"fields": free_text})})
    return Core(replace(policy, file=file), secret=os.urandom(32), form=form, privileged=False)


def _written(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):  # the message may quote the value
        raise Unreadable("not-json") from None


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # the error carries the whole document
        raise Unreadable("not-json") from None
