"""A filter for the standard library's logging: what a handler writes is redacted before it is written.

Two lines::

    from sluicegate.logs import RedactingFilter
    logging.getLogger().handlers[0].addFilter(RedactingFilter())

A filter belongs to a handler: one on a logger does not see what the loggers below it pass on.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sluicegate.library import Sanitizer
from sluicegate.telemetry import Redactor

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""What each record has by itself; everything else came as ``extra``."""

_formatter = logging.Formatter()


class RedactingFilter(logging.Filter):
    """Redacts a record's message, extra fields, exception and stack, and lets it pass.

    ``sanitizer`` may be shared with the rest of the program; or else ``policy`` names a file (the shipped policy if
    left out), so that ``{"()": "sluicegate.logs.RedactingFilter", "policy": "policy.yaml"}`` will do in a dictConfig.
    Raises ConfigError for a policy that cannot be used.

    The record is changed in place, for all handlers that come after. Its arguments are in the message then, and its
    exception is text: neither is there as an object any more, which a handler could write out.
    """

    def __init__(self, sanitizer: Sanitizer | None = None, *, policy: Path | str | None = None) -> None:
        super().__init__()
        self._redactor = Redactor(sanitizer or Sanitizer(policy))

    def filter(self, record: logging.LogRecord) -> bool:
        """True: each record passes, redacted. Never raises; what cannot be read is withheld."""
        redactor = self._redactor
        if isinstance(record.msg, dict) and not record.args:  # as formatters that write JSON take it
            record.msg = redactor.members(record.msg)
        else:
            record.msg = redactor.text(record.getMessage)
        record.args = ()
        if record.exc_info:
            exception: Any = record.exc_info
            record.exc_text = redactor.text(lambda: _formatter.formatException(exception))
        elif record.exc_text:
            text = record.exc_text
            record.exc_text = redactor.text(lambda: text)
        record.exc_info = None
        if record.stack_info:
            stack = record.stack_info
            record.stack_info = redactor.text(lambda: stack)
        extra = {name: value for name, value in record.__dict__.items() if name not in _OWN}
        if extra:
            for name in extra:
                del record.__dict__[name]
            record.__dict__.update(redactor.members(extra))
        return True
