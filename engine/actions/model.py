"""An action as a record tells it, and the JSON trees it is read from.

Actions and trees hold raw values: they stay inside the process, and their ``repr`` shows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.ledger.model import ActionKind, Principal


class Number(str):
    """A JSON number as it was written: no rounding, any size; ``NaN`` and ``Infinity`` too."""

    __slots__ = ()


Json = bool | Number | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody wants to do (a proposal) or did (a fact), as one profile reads it from a record.

    ``principals`` is empty when the record does not say who initiated it; otherwise the initiator comes
    first. Fields that the record does not have are empty strings; ``params`` is then None.
    """

    kind: ActionKind
    profile: str
    action: str
    resource: str
    environment: str
    reason: str
    params: Json
    principals: tuple[Principal, ...]

    def __repr__(self) -> str:  # never a raw value
        return f"Action({self.kind.value}, {self.profile})"
