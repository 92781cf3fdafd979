"""Peers that are Python packages: ``harness.py TOOL RULES CORPUS FORM``.

It runs by itself, in an environment that holds the peers and not Sluicegate, so it imports nothing of ours.
benchmarks/peers/program.py describes what it reads and answers. What reads texts gets each record as one text, which
is what costs such a tool least; what it finds is replaced by ``[KIND]``.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

Apply = Callable[[str], str]
Made = tuple[Apply, int, list[str]]  # what is done to a record, how many rules that uses, and those refused
FAILED = b"\xff\xff\xff\xff"
stack = ExitStack()  # what holds for as long as the process lives


def presidio(_rules: Sequence[dict[str, Any]], _form: str) -> Made:
    """The recognizers that are on by default, without names by NER: that is another kind of tool, and needs a model."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        """A tokenizer alone."""

        def load(self) -> None:
            self.nlp = {"en": spacy.blank("en")}

    nlp = Blank(models=[{"lang_code": "en", "model_name": "blank"}])
    nlp.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
    registry.recognizers = [one for one in registry.recognizers if one.name != "SpacyRecognizer"]
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])

    def apply(text: str) -> str:
        found = analyzer.analyze(text, language="en")
        return replaced(text, ((one.start, one.end, one.entity_type) for one in found))

    return apply, len(registry.recognizers), []


def detect_secrets(_rules: Sequence[dict[str, Any]], _form: str) -> Made:
    """All plugins and filters, as over a file: what it has for a single line is eager, and calls anything a secret."""
    from detect_secrets.core.scan import _process_line_based_plugins
    from detect_secrets.settings import default_settings, get_settings

    stack.enter_context(default_settings())

    def apply(text: str) -> str:
        spans = []
        for secret in _process_line_based_plugins(list(enumerate(text.split("\n"), 1)), "activity.log"):
            value = secret.secret_value
            at = text.find(value) if value else -1
            while at >= 0:
                spans.append((at, at + len(value), secret.type))
                at = text.find(value, at + len(value))
        return replaced(text, spans)

    return apply, len(get_settings().plugins), []


def datafog(_rules: Sequence[dict[str, Any]], _form: str) -> Made:
    """The regex engine."""
    from datafog.engine import scan

    def apply(text: str) -> str:
        found = scan(text, engine="regex").entities
        return replaced(text, ((one.start, one.end, one.type) for one in found))

    return apply, len(scan.__globals__["ALL_ENTITY_TYPES"]), []


def scrubadub(_rules: Sequence[dict[str, Any]], _form: str) -> Made:
    """The detectors that are on by default."""
    from scrubadub import Scrubber

    scrubber = Scrubber()

    def apply(text: str) -> str:
        return replaced(text, ((one.beg, one.end, one.type) for one in scrubber.iter_filth(text)))

    return apply, len(scrubber._detectors), []


def sentry_relay(_rules: Sequence[dict[str, Any]], form: str) -> Made:
    """``@common`` on every string and number; JSON is read as JSON."""
    from sentry_relay.processing import pii_strip_event

    config = {"applications": {"$string || $number": ["@common"]}}

    def as_json(record: str) -> str:
        return json.dumps(pii_strip_event(config, {"extra": {"value": json.loads(record)}})["extra"]["value"])

    def as_text(text: str) -> str:
        return str(pii_strip_event(config, {"extra": {"value": text}})["extra"]["value"])

    return as_json if form == "json" else as_text, 1, []


def pyvrl(rules: Sequence[dict[str, Any]], form: str) -> Made:
    """Vector Remap Language as a Python package, with the rules that all peers are given."""
    from pyvrl import Transform

    filters = ", ".join("r'" + rule["pattern"].replace("'", r"\x27") + "'" for rule in rules)
    value = "object!(parse_json!(string!(.message)))" if form == "json" else "string!(.message)"
    redacted = f'redact({value}, filters: [{filters}], redactor: {{"type": "text", "replacement": "[redacted]"}})'
    transform = Transform(f"encode_json({redacted})" if form == "json" else redacted)

    def apply(record: str) -> str:
        return str(transform.remap({"message": record}))

    apply("{}" if form == "json" else "")
    return apply, len(rules), []


TOOLS: dict[str, tuple[Callable[[Sequence[dict[str, Any]], str], Made], str]] = {
    "presidio": (presidio, "presidio-analyzer"),
    "detect-secrets": (detect_secrets, "detect-secrets"),
    "datafog": (datafog, "datafog"),
    "scrubadub": (scrubadub, "scrubadub"),
    "sentry-relay": (sentry_relay, "sentry-relay"),
    "pyvrl": (pyvrl, "pyvrl"),
}


def replaced(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """``text`` with ``[KIND]`` in place of each span; of those that overlap, the first one's kind for all."""
    out, at, last = [], 0, ""
    for start, end, kind in sorted(spans):
        if start >= at:
            last = f"[{kind.upper().replace(' ', '_')}]"
            out += [text[at:start], last]
        at = max(at, end)
    return "".join(out) + text[at:]


def attempt(apply: Apply, record: str) -> str | None:
    """What comes out; None where the tool fails."""
    try:
        return apply(record)
    except Exception:  # whatever a peer raises is its failure on this record, and its text may hold the record
        return None


def main() -> None:
    """Loads, then answers until the input ends."""
    tool, rules_file, corpus_file, form = sys.argv[1:]
    warnings.simplefilter("ignore")
    make, package = TOOLS[tool]
    with open(rules_file, "rb") as file:
        rules = json.load(file)
    with open(corpus_file, "rb") as file:
        records = [one.decode("utf-8", "surrogatepass") for one in split(file.read())]
    apply, used, refused = make(rules, form)
    say({"tool": f"{tool} {version(package)}", "rules": used, "refused": refused, "records": len(records)})
    for line in sys.stdin:
        what, count, rest = line.rstrip("\n").split(" ", 2)
        some = records[: int(count)]
        if what == "run":
            say(run(apply, some, int(rest)))
        else:
            write(apply, some, rest)
            say({"records": len(some)})


def run(apply: Apply, records: Sequence[str], passes: int) -> dict[str, Any]:
    """Works through the records, and how long that took."""
    failed = 0
    started = time.perf_counter()
    for _ in range(passes):
        for record in records:
            failed += attempt(apply, record) is None
    seconds = time.perf_counter() - started
    size = sum(len(one.encode("utf-8", "surrogatepass")) for one in records)
    return {"records": len(records) * passes, "bytes": size * passes, "seconds": seconds, "failed": failed}


def write(apply: Apply, records: Sequence[str], path: str) -> None:
    """Works through the records and writes what comes out."""
    with open(path, "wb") as file:
        for record in records:
            found = attempt(apply, record)
            if found is None:
                file.write(FAILED)
            else:
                value = found.encode("utf-8", "surrogatepass")
                file.write(len(value).to_bytes(4, "little") + value)


def split(data: bytes) -> list[bytes]:
    """The records of a corpus."""
    out, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        out.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return out


def say(answer: dict[str, Any]) -> None:
    """One line, at once."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
