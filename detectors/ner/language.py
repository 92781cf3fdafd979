"""How the shipped model reads text: its tokens, what it knows of words beforehand, and how it tells names.

The model is a spaCy pipeline of one component. It gives each token a label in the BILOU scheme (Ratinov and Roth,
2009: a token is the Beginning, Inside or Last of a name, a Unit that is one, or Outside), and names are read off by
the Viterbi algorithm. That is faster than spaCy's own recognizer, which decides step by step, and gives each name a
probability.

Besides its letters, a word has a *class*: whether lists know it as a given name, a surname, a place, and how common
it is as a word (`Lexicon`). The model sees the class where spaCy would show it the prefix.
"""

from __future__ import annotations

import gzip
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import spacy
from spacy.attrs import NORM, PREFIX, SUFFIX
from spacy.lang.lex_attrs import word_shape
from spacy.lang.norm_exceptions import BASE_NORMS
from spacy.language import BaseDefaults, Language
from spacy.pipeline.tagger import Tagger
from spacy.scorer import Scorer
from spacy.strings import get_string_id
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from detectors.ner.network import Network

LONGEST = 40  # letters of a token; a longer word is cut
REACH = 5  # tokens beside one that could be of a name, which could be of it, too
UNKNOWN = "-"
_DIGIT = re.compile(r"\d")
_SURELY = 0.9  # the probability from which on a token is in no name

_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts without spaces: each character
    r"|(?:[cdjlmnstCDJLMNST]|[Qq]u)['’](?=[^\W\d_])"  # d'Anna, l'équipe, qu'elle
    rf"|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{{1,{LONGEST}}}(?:['’][^\W\d_]{{2,{LONGEST}}})?"
    r"|\d{1,20}"
    r"|[^\S ]+| {2,}"  # white space other than one blank
    r"|\S"
)


def words_of(text: str) -> list[str]:
    """The tokens of ``text``: all of it but the single blanks between them."""
    words: list[str] = _TOKEN.findall(text)
    if text[:1] == " " and text[1:2] != " ":
        words.insert(0, " ")
    return words


class LogTokenizer:
    """Words, numbers and signs. ``jane_doe.42`` is five tokens. What stands between tokens is kept."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        """The tokens of ``text``; joined, they are ``text`` again."""
        words, spaces, end = words_of(text), list[bool](), 0
        for word in words:
            end += len(word)
            blank = text.startswith(" ", end) and not text.startswith("  ", end)
            spaces.append(blank)
            end += blank
        return Doc(self.vocab, words=words, spaces=spaces)

    def to_bytes(self, **_: Any) -> bytes:
        """Nothing: it has no state."""
        return b""

    def from_bytes(self, _: bytes, **__: Any) -> LogTokenizer:
        """Itself: it has no state."""
        return self

    def to_disk(self, _: Path | str, **__: Any) -> None:
        """Writes nothing: it has no state."""

    def from_disk(self, _: Path | str, **__: Any) -> LogTokenizer:
        """Itself: it has no state."""
        return self


class Lexicon:
    """What is known of words: a class of a few letters for each, by its lower-case form.

    ``g`` a given name, ``s`` a surname, ``p`` (part of) a place's name; then a digit, how common it is as a word:
    0 the commonest, 4 rare. A file of it has a line for each class: the class, a blank, and its words.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self.classes = classes

    @classmethod
    def read(cls, path: Path) -> Lexicon:
        """The lexicon in a gzip file."""
        classes: dict[str, str] = {}
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            name, *words = line.split(" ")
            classes |= dict.fromkeys(words, name)
        return cls(classes)

    def write(self, path: Path) -> None:
        """Writes it as `read` reads it, the same bytes for the same content."""
        lines: dict[str, list[str]] = {}
        for word, name in sorted(self.classes.items()):
            lines.setdefault(name, []).append(word)
        text = "".join(f"{name} {' '.join(words)}\n" for name, words in sorted(lines.items()))
        path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))

    def __call__(self, token: str) -> str:
        """The class of a token. A sign is a class of its own, digits are one."""
        if token.isalpha():
            return self.classes.get(token.lower(), UNKNOWN)
        return "0" if token.isdecimal() else token[:1]


def _norm(token: str) -> str:
    token = token if token.isalpha() else BASE_NORMS.get(token) or _DIGIT.sub("0", token)
    return token.lower()[:20]


def _suffix(token: str) -> str:
    end = token[-3:].lower()
    return end if end.isalpha() else _DIGIT.sub("0", end)


def _shape(token: str) -> str:
    """As spaCy's `word_shape`, which takes its time over each letter."""
    if token.isascii() and token.isalpha():
        if token.islower():
            return "xxxx"[: len(token)]
        if token.istitle():
            return "X" + "xxxx"[: len(token) - 1]
    return str(word_shape(token))


class LogDefaults(BaseDefaults):
    """What a vocabulary tells of a word."""

    lex_attr_getters = {  # noqa: RUF012
        **BaseDefaults.lex_attr_getters,
        NORM: _norm,
        SUFFIX: _suffix,
        PREFIX: lambda token: UNKNOWN,  # until a lexicon is there
    }


@spacy.registry.languages("logs")
class Logs(Language):
    """The language of logs, of any country."""

    lang = "logs"
    Defaults = LogDefaults


@spacy.registry.tokenizers("sluicegate.LogTokenizer.v1")
def _make_tokenizer() -> Callable[[Language], LogTokenizer]:
    return lambda nlp: LogTokenizer(nlp.vocab)


@Language.factory("names", default_config={"model": None})
def _make_names(nlp: Language, name: str, model: Any) -> Names:
    return Names(nlp.vocab, model, name)


class Names(Tagger):
    """Labels tokens and makes ``doc.ents`` of the labels; ``doc.user_data["scores"]`` holds a score for each."""

    lexicon: Lexicon | None = None

    def __init__(self, vocab: Vocab, model: Any, name: str = "names") -> None:
        super().__init__(vocab, model, name, scorer=_score)

    def knows(self, lexicon: Lexicon) -> None:
        """From now on, words are known by ``lexicon``."""
        self.lexicon = lexicon
        self.vocab.lex_attr_getters[PREFIX] = lexicon

    def predict(self, docs: Iterable[Doc]) -> list[Any]:
        """For each document the probability of each label for each token: an array (tokens, labels)."""
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [numpy.zeros((len(doc), len(self.labels)), dtype="f") for doc in docs]
        return list(self.model.predict(docs))

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Any]) -> None:
        """Sets ``doc.ents``."""
        decode = Decoder(self.labels)
        for doc, probabilities in zip(docs, scores, strict=True):
            found = decode(probabilities)
            doc.ents = [Span(doc, start, end, label=label) for start, end, label, _ in found]
            doc.user_data["scores"] = [score for *_, score in found]

    def find(
        self, texts: Sequence[str], near: Sequence[Sequence[tuple[int, int]] | None] | None = None
    ) -> list[list[tuple[int, int, str, float]]]:
        """The names in each text (first character, the one after the last, kind, score), without documents of them.

        Of a text with places in ``near``, what stands there is read, with as many words around as it takes to read
        them and `REACH` more on either side the way that they are read in the whole text.
        """
        words = [words_of(text) for text in texts]
        starts = [_starts(text, some) for text, some in zip(texts, words, strict=True)]
        runs: list[tuple[int, int]] = []  # of words that are read: the text that they are of, and the first of them
        read: list[Sequence[str]] = []
        for number, some in enumerate(words):
            spots = near[number] if near is not None else None
            parts = [(0, len(some))] if spots is None else _runs(starts[number], some, spots, REACH + self.network.sees)
            for first, end in parts:
                runs.append((number, first))
                read.append(some[first:end])
        out: list[list[tuple[int, int, str, float]]] = [[] for _ in texts]
        done = 0
        for scores, begins in self.network.groups(read):
            for start, end, kind, score in self.decoder(scores):
                run = bisect_right(begins, start) - 1
                number, first = runs[done + run]
                first, last = start - begins[run] + first, end - 1 - begins[run] + first
                after = starts[number][last] + len(words[number][last])
                out[number].append((starts[number][first], after, kind, score))
            done += len(begins)
        return out

    @cached_property
    def network(self) -> Network:
        """What computes, once there are weights."""
        return Network(self.model, self._features)

    def _features(self, words: Sequence[str]) -> Any:
        """For each word what the model knows of it by itself. A document of them would take ten times as long."""
        tables = self.model.get_ref("tok2vec").layers[0].layers[2]
        known = self.lexicon or (lambda _: UNKNOWN)
        features = [
            tuple(map(get_string_id, (_norm(word), known(word), _suffix(word), _shape(word)))) for word in words
        ]
        return tables.layers[0].predict(numpy.array(features, dtype="uint64"))

    @cached_property
    def decoder(self) -> Decoder:
        """By the labels, once they are known."""
        return Decoder(self.labels)

    def to_disk(self, path: Path | str, *, exclude: Iterable[str] = ()) -> None:
        """Writes the model and, beside it, what it knows of words."""
        super().to_disk(path, exclude=exclude)
        if self.lexicon is not None:
            self.lexicon.write(Path(path) / "lexicon.gz")

    def from_disk(self, path: Path | str, *, exclude: Iterable[str] = ()) -> Names:
        """Reads what `to_disk` wrote."""
        super().from_disk(path, exclude=exclude)
        file = Path(path) / "lexicon.gz"
        if file.exists():
            self.knows(Lexicon.read(file))
        return self


class Decoder:
    """From probabilities of labels to spans: the likeliest row of labels that makes sense."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._outside = labels.index("O")
        kinds = sorted({label[2:] for label in labels if label != "O"})
        self._of = {kind: [n for n, label in enumerate(labels) if label[2:] == kind] for kind in kinds}
        follows = numpy.array([[_may_follow(a, b) for b in labels] for a in labels])
        self._follows: list[list[bool]] = follows.tolist()
        self._steps = numpy.where(follows, 0.0, -1e9)
        self._start = numpy.array([0.0 if _may_follow("O", label) else -1e9 for label in labels])
        self._stop = numpy.array([0.0 if _may_follow(label, "O") else -1e9 for label in labels])

    def __call__(self, probabilities: Any) -> list[tuple[int, int, str, float]]:
        """Each name as its first token, the token after its last, its kind, and the probability that it is one.

        What is surely outside parts a text, so that most of it need not be looked at.
        """
        out: list[tuple[int, int, str, float]] = []
        places = numpy.flatnonzero(probabilities[:, self._outside] <= _SURELY)
        some = probabilities[places]
        rows, path, numbers = some.tolist(), some.argmax(axis=1).tolist(), places.tolist()
        begin = 0
        for end, (before, after) in enumerate(pairwise([*numbers, -1]), 1):
            if after != before + 1:
                self._read(numbers[begin], rows[begin:end], path[begin:end], out)
                begin = end
        return out

    def _read(
        self, first: int, rows: list[list[float]], path: list[int], out: list[tuple[int, int, str, float]]
    ) -> None:
        """Adds the names in these ``rows`` of probabilities, from token ``first`` on."""
        if not self._sensible(path):
            path = self._best(numpy.log(numpy.array(rows, dtype="f") + 1e-9))
        start = 0
        for at, number in enumerate(path):
            label = self._labels[number]
            if label[0] in "BU":
                start = at
            if label[0] in "LU":
                of = self._of[label[2:]]
                score = min(sum(row[one] for one in of) for row in rows[start : at + 1])
                out.append((first + start, first + at + 1, label[2:], min(score, 1.0)))

    def _sensible(self, path: list[int]) -> bool:
        before = self._outside
        for number in path:
            if not self._follows[before][number]:
                return False
            before = number
        return bool(self._follows[before][self._outside])

    def _best(self, logs: Any) -> list[int]:
        best = logs[0] + self._start
        back = []
        for row in logs[1:]:
            through = best[:, None] + self._steps
            back.append(through.argmax(axis=0))
            best = through.max(axis=0) + row
        at = int((best + self._stop).argmax())
        path = [at]
        for row in reversed(back):
            at = int(row[at])
            path.append(at)
        return path[::-1]


def _starts(text: str, words: Iterable[str]) -> list[int]:
    """Where each of its ``words`` begins in ``text``."""
    out, end = [], 0
    for word in words:
        start = text.index(word, end)
        out.append(start)
        end = start + len(word)
    return out


def _runs(
    starts: Sequence[int], words: Sequence[str], spots: Iterable[tuple[int, int]], beside: int
) -> list[tuple[int, int]]:
    """The words at ``spots``, which are in order, and those ``beside`` them: the first of each run, and the one after
    its last.
    """
    out: list[tuple[int, int]] = []
    for low, high in spots:
        first = max(0, bisect_right(starts, low) - 1)
        if first < len(words) and starts[first] + len(words[first]) <= low:
            first += 1
        begin, end = max(0, first - beside), min(len(words), bisect_left(starts, high) + beside)
        if out and begin <= out[-1][1]:
            out[-1] = out[-1][0], max(end, out[-1][1])
        elif begin < end:
            out.append((begin, end))
    return out


def bilou(count: int, spans: Iterable[tuple[int, int, str]]) -> list[str]:
    """The labels of ``count`` tokens in which ``spans`` (first token, after the last, kind) are names."""
    labels = ["O"] * count
    for start, end, kind in spans:
        if end - start == 1:
            labels[start] = f"U-{kind}"
        else:
            labels[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 2), f"L-{kind}"]
    return labels


def _may_follow(before: str, after: str) -> bool:
    within = before[0] in "BI"
    if after[0] in "IL":
        return within and before[2:] == after[2:]
    return not within


def _score(examples: Iterable[Any], **_: Any) -> dict[str, Any]:
    return dict(Scorer.score_spans(examples, "ents"))
