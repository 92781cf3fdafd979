"""When two labels mean the same: a tool's ``EMAIL_ADDRESS`` and a set's ``email``.

By default they do if they share a telling word, after a few synonyms: ``isIBAN``, ``IBAN_CODE`` and ``iban`` do by
*iban*. A labels file says more, and wins::

    same:                  # a label of the set: labels of tools that mean it
      card_no: [CREDIT_CARD]
    families:              # a name of yours: labels of the set
      financial: [card_no, iban]
    ignore: [PERSON]       # labels of the set that do not count
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from detectors.catalogue import load_rules, shipped_files
from detectors.yamlfile import YamlFile

OTHER = "other"  # the family of a label that nobody knows

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PLAIN = frozenset(
    "a access account address and api auth bearer body check checksum client code common credential date detector "
    "digit entropy filtered for format generic high id identifier identity is key license live low me my no none "
    "number of on or password personal private public recognizer redacted secret service string test the to token "
    "type uri url user valid value with".split()
)
_SAME = {
    "amex": "card", "visa": "card", "mastercard": "card", "luhn": "card", "credit": "card", "creditcard": "card",
    "mail": "email", "mobile": "phone", "telephone": "phone", "tel": "phone", "fax": "phone", "cell": "phone",
    "per": "person", "name": "person", "social": "ssn", "loc": "location", "gpe": "location", "city": "location",
    "street": "location", "org": "organization", "company": "organization", "ipv": "ip", "btc": "crypto",
    "bitcoin": "crypto", "ethereum": "crypto", "zip": "postcode", "postal": "postcode", "birth": "dob",
}  # fmt: skip


class LabelFile(BaseModel):
    """A labels file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    same: dict[str, list[str]] = {}
    families: dict[str, list[str]] = {}
    ignore: list[str] = []


class Labels:
    """What labels mean, by ``file``; families that it does not name are those of our catalogue."""

    def __init__(self, file: LabelFile | None = None) -> None:
        file = file or LabelFile()
        self.ignored = frozenset(file.ignore)
        self._same = {label: {one.upper() for one in means} for label, means in file.same.items()}
        self._families = {label: family for family, labels in file.families.items() for label in labels}
        self._known: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path | None) -> Labels:
        """By the file at ``path``, if there is one. Raises ConfigError naming line and key."""
        return cls(YamlFile.read(path).validate(LabelFile) if path is not None else None)

    def agree(self, label: str, of_tool: str) -> bool:
        """Whether the set's ``label`` and what a tool called its finding mean the same."""
        if label in self._same:
            return of_tool.upper() in self._same[label]
        return label.upper() == of_tool.upper() or bool(words(label) & words(of_tool))

    def family(self, label: str) -> str:
        """The family of one of the set's labels."""
        if label not in self._known:
            ours = _catalogue()
            meant = [entity for entity in ours if self.agree(label, entity)]
            named = (entity for entity in meant if label.upper() in entity)  # EMAIL is no MAIL_API_KEY
            nearest = next(named, meant[0] if meant else "")
            self._known[label] = self._families.get(label) or ours.get(nearest, OTHER)
        return self._known[label]


@cache
def words(label: str) -> frozenset[str]:
    """The telling words of a label."""
    found = {word.lower() for word in _WORD.findall(label) if len(word) > 1}
    return frozenset(_SAME.get(word, word) for word in found if word in _SAME or word not in _PLAIN)


def label_of(new: str) -> str | None:
    """What a tool calls what it replaced, read from the ``[KIND]`` or ``{{KIND}}`` that it wrote there, if it did."""
    found = re.search(r"[\[{<]+([A-Za-z][A-Za-z0-9_ -]+)", new)
    return found[1] if found and found[1].lower() not in {"redacted", "filtered", "removed", "masked"} else None


@cache
def _catalogue() -> Mapping[str, str]:
    """Our entities, with the family of most of the rules that find them; the first of those that have as many."""
    found: dict[str, Counter[str]] = {}
    for rule in load_rules(*shipped_files()):
        found.setdefault(rule.entity, Counter())[rule.family] += 1
    return {entity: families.most_common(1)[0][0] for entity, families in found.items()}
