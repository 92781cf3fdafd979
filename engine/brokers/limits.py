"""What a broker takes: the size of one message, and the error that names the record above it."""

from __future__ import annotations

from engine.brokers.base import BrokerError
from engine.records import OutputRecord

DEFAULT_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class MessageTooLarge(BrokerError):
    """One record is above the broker's limit; nothing of its transaction may be committed.

    ``record`` is the very object that was given to ``produce``, so that a worker can tell which input it came
    from. ``limit`` is in bytes.
    """

    def __init__(self, record: OutputRecord, limit: int) -> None:
        self.record, self.limit = record, limit
        super().__init__(
            f"a record of {message_bytes(record):,} bytes for {record.topic}/{record.partition} is above the "
            f"limit of {limit:,} bytes a message"
        )


def message_bytes(record: OutputRecord) -> int:
    """The bytes of key, value and headers of ``record``."""
    size = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += len(name.encode()) + len(value or b"")
    return size
