"""Where the words come from: names, places, companies and common words, all from packages that may be redistributed.

Faker (MIT) holds names and places of some ninety locales, `names` (MIT) those of the US census of 1990 (public
domain), symspellpy (MIT) the frequencies of English words and pairs of words (from Google's n-grams, CC BY 3.0, and
SCOWL), Babel (BSD) the CLDR (Unicode licence). The model card names them. Common words of German, Spanish and French
are this project's own (`words`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from babel import Locale
from babel.core import get_global
from faker.config import AVAILABLE_LOCALES

SURNAMES = 20_000  # of the census, the commonest
LATIN = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ'’. -]+")
COMMON = 12_000  # of the commonest words; the rest are rather names if they are on a list of them
LOWER = 8e-9  # percent of people by occurrences of the word: above it, the word is a name in lower case, too
CAPITAL = 2e-9  # and with a capital
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class People:
    """Names by the locale that they are of. ``census`` is the locale of those that are of none."""

    given: dict[str, list[str]]
    last: dict[str, list[str]]


@dataclass(frozen=True)
class Sources:
    """Everything that texts are made from."""

    people: People
    foreign: People  # in other scripts than Latin
    cities: list[str]
    large: list[str]  # cities and regions that everybody knows
    countries: list[str]
    streets: dict[str, list[str]]  # suffixes and prefixes of streets by locale
    suffixes: list[str]  # of companies
    jobs: list[str]
    words: list[str]  # the commonest first
    pairs: dict[str, list[str]]  # what may follow a word
    lorem: dict[str, list[str]]  # words by locale
    languages: dict[str, dict[str, list[str]]]  # words by language and kind: nouns, verbs, …

    @cached_property
    def known(self) -> frozenset[str]:
        """Every part of a name, lower case."""
        parts = (self.people.given, self.people.last, self.foreign.given, self.foreign.last)
        return frozenset(_words(name for one in parts for names in one.values() for name in names))


def load() -> Sources:
    """Reads all of it, in an order that is the same each time."""
    people, foreign = _people()
    words = [line.split()[0] for line in _lines("symspellpy", "frequency_dictionary_en_82_765.txt")]
    pairs = defaultdict(list)
    for line in _lines("symspellpy", "frequency_bigramdictionary_en_243_342.txt"):
        first, second, _ = line.split()
        pairs[first].append(second)
    return Sources(
        people=people,
        foreign=foreign,
        cities=_cities(),
        large=_large(),
        countries=_countries(),
        streets={
            locale: _values(f"address.{locale}", "street_suffixes", "street_prefixes", "street_suffixes_short")
            for locale in _locales()
        },
        suffixes=sorted({s for locale in _locales() for s in _values(f"company.{locale}", "company_suffixes")}),
        jobs=_values("job.en_US", "jobs"),
        words=[word.strip("﻿") for word in words],
        pairs=dict(pairs),
        lorem={locale: found for locale in _locales() if (found := _values(f"lorem.{locale}", "word_list"))},
        languages={path.stem: _kinds(path) for path in sorted((Path(__file__).parent / "words").glob("*.txt"))},
    )


def latin(text: str) -> bool:
    """Whether it is written in Latin letters."""
    return LATIN.fullmatch(text) is not None


def plain(text: str) -> str:
    """Without diacritics."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def classes(sources: Sources) -> dict[str, str]:
    """The class of each word; see `detectors.ner.language.Lexicon`."""
    marks: dict[str, set[str]] = defaultdict(set)
    for letter, names in (("g", sources.people.given), ("s", sources.people.last)):
        for word in _words(name for some in names.values() for name in some):
            marks[word].add(letter)
            marks[plain(word)].add(letter)
    for word in _words([*sources.cities, *sources.large, *sources.countries]):
        if len(word) > 3:
            marks[word].add("p")
            marks[plain(word)].add("p")
    rank = {word: n for n, word in reversed(list(enumerate(sources.words)))}
    for word in _foreign(sources):
        rank.setdefault(word, 5_000)
    out = {}
    for word in sorted(marks.keys() | rank.keys()):
        place = rank.get(word)
        often = (
            ""
            if place is None
            else "0"
            if place < 200
            else "1"
            if place < 2_000
            else "2"
            if place < 10_000
            else "3"
            if place < 30_000
            else "4"
        )
        name = "".join(sorted(marks.get(word, ()))) + often
        if name and word.isalpha():
            out[word] = name
    return out


def gate_words(sources: Sources) -> tuple[list[str], list[str]]:
    """For `detectors.ner.gate`: words that are names even in lower case, and words that are none with a capital.

    Both by how often a word is a name of the census, in percent, for each time that it is a word.
    """
    counts = {
        line.split()[0]: int(line.split()[1]) for line in _lines("symspellpy", "frequency_dictionary_en_82_765.txt")
    }
    share: dict[str, float] = {}
    for name in ("dist.all.last", "dist.male.first", "dist.female.first"):
        for line in _lines("names", name):
            word, percent = line.split()[:2]
            share[word.lower()] = max(share.get(word.lower(), 0.0), float(percent))
    rank = {word: n for n, word in enumerate(sources.words)}
    foreign = set(_foreign(sources))
    places = {word for word in _words([*_countries_in("en"), *_zone_cities(), *_large()]) if len(word) > 3}
    names, plain = set(), set()
    for word in sources.known | rank.keys() | foreign:
        listed = word in sources.known or word in share
        often = share.get(word, 0.0) / counts.get(word, 1)
        common = rank.get(word, len(rank)) < COMMON or word in foreign
        if listed and len(word) > 2 and (often > LOWER if common else word not in foreign):
            names.add(word)
        if not (listed and (often > CAPITAL or not common)) and (word not in places or rank.get(word, len(rank)) < 300):
            plain.add(word)
    return sorted(names), sorted(plain)


def _people() -> tuple[People, People]:
    given: dict[str, list[str]] = {}
    last: dict[str, list[str]] = {}
    foreign = People({}, {})
    for locale in _locales():
        firsts = _values(
            f"person.{locale}", "first_names", "first_names_male", "first_names_female", "first_romanized_names"
        )
        lasts = _values(
            f"person.{locale}", "last_names", "last_names_male", "last_names_female", "male_last_names",
            "unisex_last_names", "last_romanized_names",
        )  # fmt: skip
        for into, other, found in ((given, foreign.given, firsts), (last, foreign.last, lasts)):
            if some := [name for name in found if latin(name) and 2 <= len(name) <= 24]:
                into[locale] = some
            if some := [name for name in found if not latin(name)]:
                other[locale] = some
    census = [line.split()[0].title() for line in _lines("names", "dist.all.last")[:SURNAMES]]
    last["census"] = [name for name in census if len(name) > 1]
    firsts = [line.split()[0].title() for kind in ("male", "female") for line in _lines("names", f"dist.{kind}.first")]
    given["census"] = sorted(set(firsts))
    return People(given, last), foreign


def _foreign(sources: Sources) -> Iterator[str]:
    """Words of other languages than English."""
    for words in sources.lorem.values():
        yield from _words(words)
    for kinds in sources.languages.values():
        for words in kinds.values():
            yield from _words(words)


def _kinds(path: Path) -> dict[str, list[str]]:
    """The words of a file: a line for each kind, which it begins with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {kind: words for kind, *words in map(str.split, lines)}


def _cities() -> list[str]:
    found: set[str] = set()
    for locale in _locales():
        found.update(
            city for city in _values(f"address.{locale}", "cities", "city_names", "states", "provinces") if latin(city)
        )
    zones = Locale("en").time_zones
    found.update(zone["city"] for zone in zones.values() if "city" in zone)
    found.update(_zone_cities())
    italian = set(_values("address.it_IT", "cities"))  # sixteen thousand villages would drown the rest
    return sorted((found - italian) | set(sorted(italian)[::12]))


def _large() -> list[str]:
    """Facts that anybody may list: the largest cities, some states and regions."""
    text = (Path(__file__).parent / "cities.txt").read_text(encoding="utf-8")
    return [name for line in text.splitlines() for name in line.split(", ")]


def _countries() -> list[str]:
    return sorted({name for language in ("en", "de", "fr", "es", "it", "pt", "nl") for name in _countries_in(language)})


def _countries_in(language: str) -> list[str]:
    names = Locale(language).territories
    return [name for code, name in names.items() if len(code) == 2 and latin(name) and code not in ("ZZ", "XA", "XB")]


def _zone_cities() -> list[str]:
    """Cities that time zones are called after, by the CLDR: each machine's own list of zones is another."""
    zones = sorted(name for name in get_global("zone_territories") if not name.startswith("Etc/"))
    return [name.rsplit("/", 1)[1].replace("_", " ") for name in zones]


def _locales() -> list[str]:
    return sorted(AVAILABLE_LOCALES)


def _values(module: str, *names: str) -> list[str]:
    """The strings of these attributes of a provider of Faker, in order, each once."""
    try:
        provider: Any = import_module(f"faker.providers.{module}").Provider
    except ModuleNotFoundError:
        return []
    found: dict[str, None] = {}
    for name in names:
        values = getattr(provider, name, ())
        for value in values if isinstance(values, tuple | list | dict) else ():
            text = value[0] if isinstance(value, tuple) else value
            if isinstance(text, str):
                found[text.strip()] = None
    return list(found)


def _lines(package: str, name: str) -> list[str]:
    return (files(package) / name).read_text(encoding="utf-8-sig").splitlines()


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from (word for word in _LETTERS.findall(text.lower()) if len(word) > 1)


__all__ = ["People", "Sources", "classes", "latin", "load", "plain"]
