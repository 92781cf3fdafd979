"""The shipped model's network, computed with numpy alone: the same figures as by spaCy, several times faster.

Two things make it so. A word's vector depends on the word alone, so it is computed once and kept. And what follows,
convolutions over neighbours, is done for all texts of a batch in few large steps, with weights laid out for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy

WORDS = 30_000  # whose vectors are kept, before all are forgotten
ROWS = 1_000  # words at a time: what they need stays in the processor's cache
_TINY = 1e-8  # as in thinc's LayerNorm


class Network:
    """Probabilities of labels, by the weights of ``model``, a trained ``spacy.Tagger.v2`` over ``spacy.Tok2Vec.v2``.

    ``embed`` gives the features of some words, an array (words, features), of which their vectors are made.
    """

    def __init__(self, model: Any, embed: Callable[[Sequence[str]], Any]) -> None:
        found = [one for part in model.get_ref("tok2vec").layers for one in part.walk()]
        maxouts, norms = ([one for one in found if one.name == name] for name in ("maxout", "layernorm"))
        self._mix, *self._layers = [_Layer(maxout, norm) for maxout, norm in zip(maxouts, norms, strict=True)]
        softmax = model.get_ref("softmax")
        self._out, self._bias = numpy.ascontiguousarray(softmax.get_param("W").T), softmax.get_param("b")
        self.sees = len(self._layers)  # neighbours on either side: one more with each layer
        self._embed = embed
        self.forget()

    def forget(self) -> None:
        """Forgets the vectors of all words."""
        self._numbers: dict[str, int] = {}
        self._vectors: Any = numpy.zeros((1, len(self._out)), dtype="f")  # the first is of what stands between texts

    def __call__(self, texts: Sequence[Sequence[str]]) -> Iterator[Any]:
        """For the words of each text an array (words, labels) of probabilities."""
        following = iter(texts)
        for scores, begins in self.groups(texts):
            for begin, text in zip(begins, following, strict=False):
                yield scores[begin : begin + len(text)]

    def groups(self, texts: Iterable[Sequence[str]]) -> Iterator[tuple[Any, list[int]]]:
        """The same for several texts at a time: one array, and at which of its rows each text begins.

        In the rows between them, each label is certain.
        """
        pad = [0] * self.sees  # as spaCy does
        for some in _groups(texts):
            self._learn(some)
            number = self._numbers.__getitem__
            rows, begins = list(pad), []
            for text in some:
                begins.append(len(rows))
                rows += map(number, text)
                rows += pad
            numbers = numpy.array(rows)
            scores = self._scores(numbers)
            scores[numbers == 0] = 1
            yield scores, begins

    def _learn(self, texts: Sequence[Sequence[str]]) -> None:
        if len(self._numbers) > WORDS:
            self.forget()
        numbers = self._numbers
        first = len(numbers) + 1
        if new := set().union(*texts).difference(numbers):
            words = sorted(new)
            end = first + len(words)
            if end > len(self._vectors):
                room = numpy.zeros((end, self._vectors.shape[1]), dtype="f")
                self._vectors = numpy.concatenate([self._vectors, room])
            features = self._embed(words)
            self._vectors[first:end] = self._mix(numpy.hstack([features, numpy.ones((len(words), 1), dtype="f")]))
            numbers.update(zip(words, range(first, end), strict=True))

    def _scores(self, rows: Any) -> Any:
        x = self._vectors[rows]
        windows = numpy.zeros((len(x), 3 * x.shape[1] + 1), dtype="f")
        windows[:, -1] = 1
        for layer in self._layers:
            layer.add(x, windows)
        scores = x @ self._out
        scores += self._bias
        scores -= scores.max(axis=1, keepdims=True)
        numpy.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores


class _Layer:
    """The largest of some pieces, normalized. What it is given ends in a 1."""

    def __init__(self, maxout: Any, norm: Any) -> None:
        weights, bias = maxout.get_param("W"), maxout.get_param("b")
        self._width, self._pieces, inputs = weights.shape
        by_piece = weights.transpose(2, 1, 0).reshape(inputs, -1)
        self._weights = numpy.concatenate([by_piece, bias.T.reshape(1, -1)])  # the last row is for what is always 1
        self._scale, self._shift = norm.get_param("G"), norm.get_param("b")
        self._mean = numpy.full((self._width, 1), 1 / self._width, dtype="f")

    def add(self, x: Any, windows: Any) -> None:
        """Adds to ``x``, an array (words, width), what comes of each word and its two neighbours. ``windows`` is room
        for these, and a 1.
        """
        width = self._width
        windows[1:, :width] = x[:-1]
        windows[:, width : 2 * width] = x
        windows[:-1, 2 * width : -1] = x[1:]
        x += self(windows)

    def __call__(self, inputs: Any) -> Any:
        """Of an array (words, inputs and a 1) one (words, width)."""
        width = self._width
        pieces = inputs @ self._weights
        best = pieces[:, :width]
        for piece in range(1, self._pieces):
            best = numpy.maximum(best, pieces[:, piece * width : (piece + 1) * width])
        best -= best @ self._mean
        spread = numpy.einsum("ij,ij->i", best, best) / width + _TINY
        best *= (1 / numpy.sqrt(spread))[:, None]
        best *= self._scale
        best += self._shift
        return best


def _groups(texts: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """``texts`` in groups of about `ROWS` words."""
    group: list[Sequence[str]] = []
    size = 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size >= ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group
