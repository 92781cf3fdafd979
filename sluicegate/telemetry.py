"""What logs and traces share: cleaning that never raises, since an exception would break the program that they tell of.

What cannot be read is withheld: a placeholder that says why stands in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from sluicegate.library import Sanitizer, Unreadable


class Redactor:
    """Cleans texts and named values by ``sanitizer`` (the shipped policy's if left out)."""

    def __init__(self, sanitizer: Sanitizer | None = None) -> None:
        self._sanitizer = sanitizer or Sanitizer()
        self._busy = threading.local()

    def text(self, of: Callable[[], str]) -> str:
        """The text that ``of`` gives, redacted: a message is put together here, so that its errors are met here."""
        return str(self._guarded(lambda: self._sanitizer.clean(of())))

    def members(self, values: Mapping[str, object]) -> dict[str, Any]:
        """``values`` redacted, each under its name. Of one that JSON cannot write, its text is given.

        Those of which the policy keeps nothing are missing.
        """
        if not values:
            return {}
        whole = self._guarded(lambda: self._sanitizer.clean_json(plain(values)))
        if isinstance(whole, dict):
            return whole
        out: dict[str, Any] = {}
        for name, value in values.items():  # so that one value that cannot be read withholds itself alone
            one = self._guarded(lambda name=name, value=value: self._sanitizer.clean_json({name: plain(value)}))  # type: ignore[misc]
            out |= one if isinstance(one, dict) else {self.text(lambda name=name: name): one}  # type: ignore[misc]
        return out

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """What ``work`` gives; a placeholder if it fails, or if it is asked for while it is at work in this thread.

        The latter is so when cleaning itself logs something, which would go round for ever.
        """
        if getattr(self._busy, "now", False):
            return withheld("nested")
        self._busy.now = True
        try:
            return work()
        except Unreadable as error:
            return withheld(error.reason)
        except Exception as error:  # of a value that cannot be written as text, say; the message may quote it
            return withheld(type(error).__name__)
        finally:
            self._busy.now = False


def withheld(reason: str) -> str:
    """What stands for a text that could not be read. ``reason`` is a term, never a value."""
    return f"[sluicegate: withheld, {reason}]"


def plain(value: object) -> Any:
    """``value`` as JSON can write it: containers as they are, bytes and whatever else as text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray():
            return value.decode("utf-8", "backslashreplace")
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(one) for one in value]
        case _:
            return str(value)
