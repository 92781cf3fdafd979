"""A client's producer that stops at a chosen place of its next commit, so that its process can be killed there."""

from __future__ import annotations

from collections.abc import Callable


class Halting:
    """The Kafka client's ``producer``, which calls ``halt`` at ``place``.

    ``produced``: the records have reached the log in the open transaction; ``inside``: the offsets too, and only
    the commit is missing.
    """

    def __init__(self, producer, place: str, halt: Callable[[], None]) -> None:
        self._producer, self._place, self._halt = producer, place, halt

    def __getattr__(self, name: str):
        return getattr(self._producer, name)

    def send_offsets_to_transaction(self, *given) -> None:
        if self._place == "produced":
            self._producer.flush(30)
            self._halt()
        self._producer.send_offsets_to_transaction(*given)

    def commit_transaction(self, *timeout) -> None:
        if self._place == "inside":
            self._producer.flush(30)
            self._halt()
        self._producer.commit_transaction(*timeout)
