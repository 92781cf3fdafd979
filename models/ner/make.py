"""Makes the model for names: `make model`.

Everything is drawn from seeds, and one thread computes, so that one machine makes the same weights again, byte for
byte. Other machines round otherwise; there the scores agree.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

os.environ.setdefault("OMP_NUM_THREADS", "1")

import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from detectors.ner.language import Lexicon, LogTokenizer, Names, bilou
from models.ner.grammar import Grammar, Labelled
from models.ner.sources import classes, gate_words, load

SHIPPED = Path(__file__).parents[2] / "detectors" / "ner" / "pipeline"
CONFIG = Path(__file__).parent / "config.cfg"
CARD = Path(__file__).parent / "card.md"
VERSION = "1.2.0"
TEXTS = 70_000
SEED = 7


@spacy.registry.callbacks("sluicegate.knows.v1")
def _knows(lexicon: str) -> Callable[[Language], Language]:
    def install(nlp: Language) -> Language:
        _names(nlp).knows(Lexicon.read(Path(lexicon)))
        return nlp

    return install


def make(into: Path, *, texts: int = TEXTS, steps: int | None = None, quiet: bool = False) -> None:
    """Trains the model on ``texts`` texts and writes it to the folder ``into``."""
    out = io.StringIO() if quiet else sys.stdout
    sources = load()
    words = classes(sources)
    with TemporaryDirectory(prefix="sluicegate-model-") as name:
        folder = Path(name)
        Lexicon(withheld(words)).write(folder / "lexicon.gz")
        tokenizer = LogTokenizer(spacy.blank("logs").vocab)
        corpus(tokenizer, Grammar(sources, SEED).texts(texts)).to_disk(folder / "train.spacy")
        corpus(tokenizer, Grammar(sources, SEED + 1).texts(max(texts // 100, 20))).to_disk(folder / "dev.spacy")
        print(f"{texts} texts made", file=out)
        config = load_config(CONFIG)
        config["paths"] |= {one: str(folder / f"{one}.spacy") for one in ("train", "dev")}
        config["paths"]["lexicon"] = str(folder / "lexicon.gz")
        if steps is not None:
            config["training"] |= {"max_steps": steps, "eval_frequency": steps}
        nlp = init_nlp(config)
        nlp, _ = train(nlp, stdout=out, stderr=sys.stderr)
    _names(nlp).lexicon = Lexicon(words)
    nlp.meta |= {"name": "sluicegate", "version": VERSION, "license": "Apache-2.0", "description": "Names in logs."}
    nlp.config["paths"] = dict.fromkeys(("train", "dev", "lexicon", "vectors", "init_tok2vec"))
    nlp.config["initialize"]["before_init"] = None
    shutil.rmtree(into, ignore_errors=True)
    nlp.to_disk(into, exclude=["vocab"])
    (into / "gate.gz").write_bytes(
        gzip.compress("\n".join(" ".join(part) for part in gate_words(sources)).encode(), 9, mtime=0)
    )
    shutil.copy(CARD, into / "README.md")


def withheld(words: dict[str, str]) -> dict[str, str]:
    """The classes as training sees them: every other name is on no list, so that the model does not lean on lists."""
    out = {}
    for word, kind in words.items():
        if kind[0] in "gps" and crc32(word.encode()) % 2:
            kind = kind.lstrip("gps")
        if kind:
            out[word] = kind
    return out


def corpus(tokenizer: LogTokenizer, texts: Iterable[Labelled]) -> DocBin:
    """The texts as tokens with labels."""
    found = DocBin(attrs=["ORTH", "SPACY", "TAG", "ENT_IOB", "ENT_TYPE"])
    for text, spans in texts:
        doc = tokenizer(text)
        starts = {token.idx: token.i for token in doc}
        ends = {token.idx + len(token): token.i + 1 for token in doc}
        inside = [(starts[a], ends[b], kind) for a, b, kind in spans if a in starts and b in ends]
        for token, label in zip(doc, bilou(len(doc), inside), strict=True):
            token.tag_ = label
        doc.ents = [spacy.tokens.Span(doc, start, end, label=kind) for start, end, kind in inside]
        if len(doc):
            found.add(doc)
    return found


def _names(nlp: Language) -> Names:
    pipe = nlp.get_pipe("names")
    assert isinstance(pipe, Names)  # noqa: S101
    return pipe


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=SHIPPED)
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--steps", type=int)
    chosen = parser.parse_args()
    started = time.monotonic()
    make(chosen.into, texts=chosen.texts, steps=chosen.steps)
    print(f"{chosen.into} made in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
