"""Texts with known names in them, made from templates.

A template is a line of a file in ``templates``: ``[[a|b]]`` chooses, ``<slot>`` is filled by the method of `Filler` of
that name. What slots of people, places and organizations are filled with are the names to be found; all else is not.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from models.ner.fillers import Filler
from models.ner.sources import Sources

SHARES = {"clean": 0.39, "chat": 0.155, "records": 0.125, "social": 0.095, "news": 0.095, "languages": 0.14}
"""How often a text comes from each file."""

LABELS = {
    "person": "PERSON", "first": "PERSON", "last": "PERSON", "first1": "PERSON", "last1": "PERSON",
    "lperson": "PERSON", "lfirst": "PERSON", "llast": "PERSON", "upperson": "PERSON",
    "city": "LOCATION", "country": "LOCATION", "place": "LOCATION", "airport": "LOCATION",
    "org": "ORGANIZATION", "address": "ADDRESS", "street": "ADDRESS", "user": "USERNAME",
}  # fmt: skip

_CHOICE = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_SLOT = re.compile(r"<([a-z_]+\d?)>", re.IGNORECASE)
_FOLDER = Path(__file__).parent / "templates"


class Labelled(NamedTuple):
    """A text and its names: first character, the one after the last, kind."""

    text: str
    spans: list[tuple[int, int, str]]


def templates() -> dict[str, list[str]]:
    """The templates by file."""
    out = {}
    for name in SHARES:
        lines = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        out[name] = [line.replace("\\n", "\n").replace("\\t", "\t") for line in lines if line and line[0] != "#"]
    return out


class Grammar:
    """Makes texts by ``seed``: the same ones each time."""

    def __init__(self, sources: Sources, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._filler = Filler(sources, self._random)
        self._templates = templates()
        self._files = list(SHARES)
        self._weights = list(SHARES.values())

    def texts(self, count: int) -> Iterator[Labelled]:
        """``count`` texts."""
        for _ in range(count):
            yield self._changed(self._wrapped(self._composed()))

    def _one(self) -> Labelled:
        name = self._random.choices(self._files, self._weights)[0]
        template = self._random.choice(self._templates[name])
        return self.filled(template)

    def _composed(self) -> Labelled:
        made = self._one()
        while self._random.random() < 0.22 and len(made.text) < 300:
            made = _joined(made, self._random.choice((" ", " ", "\n", ". ", "\n\n", ", ")), self._one())
        return made

    def filled(self, template: str) -> Labelled:
        """``template`` with its choices made and its slots filled, in the language that it may begin with.

        Raises ValueError for a slot that nobody knows.
        """
        spoken = template[2:4] == "| "
        self._filler.speak(template[:2] if spoken else "")
        template = template[4:] if spoken else template
        while (match := _CHOICE.search(template)) is not None:
            template = template[: match.start()] + self._random.choice(match[1].split("|")) + template[match.end() :]
        self._filler.begin()
        parts: list[str] = []
        spans: list[tuple[int, int, str]] = []
        length, at = 0, 0
        for match in _SLOT.finditer(template):
            fill: Callable[[], str] | None = getattr(self._filler, match[1] if match[1] != "class" else "class_", None)
            if fill is None:
                raise ValueError(f"no slot is called <{match[1]}>, in: {template}")
            before = template[at : match.start()]
            text = fill()
            length += len(before)
            if match[1] in LABELS and text:
                spans.append((length, length + len(text), LABELS[match[1]]))
            parts += [before, text]
            length += len(text)
            at = match.end()
        parts.append(template[at:])
        return Labelled("".join(parts), spans)

    def _wrapped(self, made: Labelled) -> Labelled:
        """Perhaps within something that texts come in."""
        roll = self._random.random()
        if roll < 0.04:
            return _joined(
                Labelled(self._random.choice(("user: ", "assistant: ", "tool: ", "content: ", "text: ", "> ")), []),
                "",
                made,
            )
        if roll < 0.07:
            return _joined(
                Labelled(f'{{"role": "{self._random.choice(("user", "assistant", "tool"))}", "content": "', []),
                "",
                _escaped(made),
                '"}',
            )
        if roll < 0.09:
            return _joined(Labelled(f"{self._filler.ts()} {self._filler.level()} {self._filler.comp()} ", []), "", made)
        return made

    def _changed(self, made: Labelled) -> Labelled:
        """Perhaps in another case."""
        roll = self._random.random()
        if roll < 0.09 and len(made.text.lower()) == len(made.text):
            return made._replace(text=made.text.lower())
        if roll < 0.105 and len(made.text.upper()) == len(made.text):
            return made._replace(text=made.text.upper())
        if roll < 0.115:
            return _titled(made)
        return made


def _joined(first: Labelled, between: str, second: Labelled, after: str = "") -> Labelled:
    shift = len(first.text) + len(between)
    spans = [(start + shift, end + shift, kind) for start, end, kind in second.spans]
    return Labelled(first.text + between + second.text + after, first.spans + spans)


def _escaped(made: Labelled) -> Labelled:
    """As it stands in a JSON string."""

    def write(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)[1:-1]

    spans = [(len(write(made.text[:a])), len(write(made.text[:b])), kind) for a, b, kind in made.spans]
    return Labelled(write(made.text), spans)


def _titled(made: Labelled) -> Labelled:
    text = re.sub(r"\b[a-z]", lambda match: match[0].upper(), made.text)
    return made._replace(text=text)
