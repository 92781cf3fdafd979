r"""What the gate says of each record of a batch, and what of that is worth a look at the record.

All of a batch in a row, question by question: the gate's tables and what reading needs do not fit into a processor's
cache together. After the gate over the records themselves come those with ``\uXXXX``, as what these spell, and those in
which look-alikes may name an action; then the anchors of the rules that hit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import compress, count
from operator import not_

from detectors.gate import Gate
from engine.cleaning import Cleaner
from engine.escapes import spell_out
from engine.hidden import is_spelled_out
from engine.layers import lookalikes
from engine.policy.compiled import GateIds


class BatchGate:
    """Asks ``gate``. Without ``privileged``, actions that look-alikes name are not looked for.

    ``cleaner`` says which hits lead nowhere, by rules that all topics have in common.
    """

    def __init__(self, gate: Gate, ids: GateIds, cleaner: Cleaner, *, privileged: bool) -> None:
        self._gate = gate
        self._ids = ids
        self._cleaner = cleaner
        self._privileged = privileged

    def __call__(self, values: Sequence[bytes]) -> tuple[Sequence[Sequence[int]], Collection[int]]:
        r"""What of the gate hits on each value and may come to something; and of which values all that hides is
        ``\uXXXX``, in what these spell as well: see `engine.cleaning.Cleaner.clean_hit`.
        """
        found: list[Sequence[int]] = [*self._gate.hits_of_each(values)]
        hides = self._ids.rules
        there = [at for at in compress(count(), found) if hides in found[at]]
        spelled = {at: spell_out(values[at]) for at in there if values[at].find(b"\\u") >= 0}
        escaped = self._add_spelled(values, found, spelled) if spelled else frozenset[int]()
        if self._privileged:
            self._add_alike(values, found, spelled)
        narrowed = self._cleaner.narrowed
        for at in compress(count(), found):
            found[at] = narrowed(values[at], found[at], spelled[at] if at in escaped else None)
        return found, escaped

    def _add_spelled(
        self, values: Sequence[bytes], found: list[Sequence[int]], spelled: Mapping[int, bytes]
    ) -> frozenset[int]:
        """Adds what hits on what escapes spell, and gives the numbers of those in which nothing else hides."""
        escaped = []
        for at, shown in zip(spelled, self._gate.hits_of_each(list(spelled.values())), strict=True):
            if self._ids.rules not in shown and is_spelled_out(values[at]):
                escaped.append(at)
            found[at] = [*{*found[at], *shown}]
        return frozenset(escaped)

    def _add_alike(self, values: Sequence[bytes], found: list[Sequence[int]], spelled: Mapping[int, bytes]) -> None:
        """Adds the actions that are announced once look-alikes are taken for what they look like."""
        beyond = map(not_, map(bytes.isascii, values))
        texts = [(at, values[at]) for at in compress(count(), beyond)]
        texts += [(at, text) for at, text in spelled.items() if not text.isascii()]
        alike = [(at, plain) for at, text in texts if (plain := lookalikes.plain(text)) != text]
        if alike:
            least = self._ids.paths
            for (at, _), hits in zip(alike, self._gate.hits_of_each([text for _, text in alike]), strict=True):
                if actions := [hit for hit in hits if hit >= least]:
                    found[at] = [*{*found[at], *actions}]
