"""Text in, clean text out: what the detectors find in one text is redacted as the policy says.

This is the pure heart of the engine. It reads the scalars at any depth (`engine.reading`), asks the detector,
applies the policy's rules about places and methods, and splices the replacements into the bytes. Where the gate
sees all there is to see, only the scalars that it points at are read; the outcome is that of reading all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from detectors.finding import Finding, Text, resolve
from detectors.patterns import PatternDetector
from engine.candidates import Candidate, CandidateReader
from engine.hidden import Hides
from engine.joins import joined, people, words_of
from engine.jsontext import Step
from engine.layers.characters import in_lines
from engine.memory import Lingers, Memory, Recall, remembered, sought
from engine.names import Names, added
from engine.neighbours import keys_of, may_name
from engine.partreader import PartReader
from engine.parts import Parts
from engine.policy.compiled import GateIds, PathRules
from engine.reading import is_read_above, may_be_json, read_record
from engine.redaction import KEYED, Method
from engine.rewriting import Cleaned, rewrite
from engine.tokens import TenantKey
from engine.touched import Readers
from engine.views import Limits, View, apply
from engine.written import is_written, unwritten, within

_KNOWN_PLANS = 1024
_new = tuple.__new__  # a named tuple made by its own name runs a function of Python


class Plan:
    """What hits of the gate ask for. ``readers`` are those who do it, by what hides, and with signs or without."""

    __slots__ = ("actions", "hidden", "readers", "reads_all", "rules", "signs")

    def __init__(self, hits: Sequence[int], ids: GateIds) -> None:
        self.rules = tuple([hit for hit in hits if hit < ids.rules])
        self.hidden = ids.rules in hits
        self.reads_all = any(ids.rules < hit < ids.literals for hit in hits)
        self.signs = any(ids.literals <= hit < ids.paths for hit in hits)
        self.actions = tuple([hit for hit in hits if hit >= ids.paths])
        self.readers: list[PartReader | None] = [None] * (2 * len(Hides))


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Cleans texts by one policy. ``methods`` says how by entity, ``default`` for all others.

    What the rules in ``certain`` find is redacted wherever else it stands in the text.

    ``key_of`` gives the key for what a record holds; None where it cannot be told whose the record is. ``parts`` are
    what is known of the scalars of a batch, ``readers`` which rules read what.
    """

    detector: PatternDetector
    ids: GateIds
    reads_all: bool
    methods: dict[str, Method]
    default: Method
    min_score: float
    places: PathRules
    entities: frozenset[str]
    certain: frozenset[str]
    key_of: Callable[[bytes], TenantKey | None]
    limits: Limits
    readers: Readers = field(repr=False)
    parts: Parts = field(default_factory=Parts)
    keyed: bool = field(init=False)  # whether what it writes may depend on whose record it is
    _bound: bool = field(init=False, repr=False)  # whether there are rules about places
    _plans: dict[tuple[int, ...], Plan] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        keyed = self.default in KEYED or any(method in KEYED for method in self.methods.values())
        object.__setattr__(self, "keyed", keyed)
        object.__setattr__(self, "_bound", bool(self.places))

    def clean(self, data: bytes, form: str = "auto", *, base: Step | None = None) -> Cleaned:
        """``data`` redacted. ``form`` is json, text, logfmt or auto; ``base`` is the path it stands at.

        Raises BudgetExceeded.
        """
        return (
            self.clean_hit(data, form, self.narrowed(data, self.detector.gate.hits(data)))
            if base is None
            else self.clean_all(data, form, base)
        )

    def clean_hit(
        self, data: bytes, form: str, hits: Sequence[int], names: Names | None = None, *, escaped: bool = False
    ) -> Cleaned:
        r"""``data`` redacted, knowing what of the gate hits on it, and the ``names`` in it. Raises BudgetExceeded.

        ``escaped`` says that all that hides anything is ``\uXXXX``, and that ``hits`` are also of what that spells.
        """
        if self.reads_all:
            return self.clean_all(data, form, names=names)
        if names is not None and names.views is not None:  # it has been read
            return self.clean_all(data, form, names=names, hits=hits)
        plan = self._plan(hits)
        if plan.reads_all:
            return self.clean_all(data, form, names=names, hits=hits)
        rules, hidden = plan.rules, plan.hidden
        signs = plan.signs and (hidden or not may_be_json(data) or may_name(data))
        if not rules and (escaped or not hidden) and not signs and names is None:
            return Cleaned(data, (), dropped=False)
        lines = in_lines(data)
        if names is None and not lines and not self._bound and form in ("json", "auto"):
            hides = Hides.ESCAPED if escaped else Hides.SOMETHING if hidden else Hides.NOTHING
            cleaned = self._clean_parts(data, plan, hides, signs=signs)
            if cleaned is not None:
                return cleaned
        words = names.words() if names is not None else None
        return self._clean_some(data, form, rules, hidden=hidden or lines, signs=signs, names=names, words=words)

    def narrowed(self, data: bytes, hits: Sequence[int], spelled: bytes | None = None) -> Sequence[int]:
        r"""``hits`` without those that `clean_hit` is asked for, if it would find no place to read: most often so.

        ``spelled`` is ``data`` with each ``\uXXXX`` spelled out, if nothing else hides and ``hits`` are of both.
        """
        plan = self._plan(hits)
        if (plan.hidden and spelled is None) or plan.reads_all or not (plan.rules or plan.signs or plan.hidden):
            return hits
        if plan.signs and (plan.hidden or not may_be_json(data) or may_name(data)):
            return hits
        may_find = self.detector.may_find
        if plan.rules and (may_find(data, plan.rules) or (spelled is not None and may_find(spelled, plan.rules))):
            return hits
        return hits if in_lines(data) else plan.actions

    def clean_all(
        self,
        data: bytes,
        form: str,
        base: Step | None = None,
        names: Names | None = None,
        hits: Sequence[int] | None = None,
    ) -> Cleaned:
        """``data`` redacted, every scalar read, whatever the gate says. Raises BudgetExceeded.

        ``names`` are those that a model found in it. ``hits`` are of the gate; by them, what no pattern can find is
        not looked for.
        """
        everything = (names.views if names else None) or read_record(data, form, self.limits, base)
        views = [view for view in everything if view.readable]
        texts = [Text(view.readable, view.key) for view in views]
        found: list[list[Finding]] = [[] for _ in views]
        if hits is None or any(hit >= self.ids.rules and hit < self.ids.paths for hit in hits):
            keyed = zip(views, keys_of(views), strict=True)
            found = self.detector.scan([Text(view.readable, key) for view, key in keyed])
        elif any(hit < self.ids.rules for hit in hits):
            found = self.detector.scan(texts)
        if names:
            pairs = zip(found, texts, strict=True)
            found = [added(some, names[text]) if text in names else some for some, text in pairs]
            found = list(joined(texts, found, people(texts, found)))
        selected = self._selected(everything, views, found)
        cleaned = self._rewrite(everything, selected)
        memory = self._remembered(selected)
        if memory and not cleaned.dropped and (more := _lingering(views, selected, memory)):
            for view in everything:
                view.edits = []
            found = [some + others for some, others in zip(found, more, strict=True)]
            cleaned = self._rewrite(everything, self._selected(everything, views, found))
        return cleaned

    def _clean_some(
        self,
        data: bytes,
        form: str,
        rules: Sequence[int],
        *,
        hidden: bool,
        signs: bool,
        names: Names | None,
        words: frozenset[bytes] | None,
    ) -> Cleaned:
        """As `clean_all`, but only the scalars in which ``rules`` may find something, or that hold one of ``words``,
        those of ``names``, are read.

        With ``signs``, a value may be named by what stands beside or above it: all are known then, but only those that
        are so named are read by more than ``rules``.
        """
        detector, ids = self.detector, self.ids
        reader = CandidateReader(detector, rules, self.limits, hidden=hidden, knows_all=signs, words=words)
        candidates = reader.read(data, form)
        for hit in reader.spelled:  # in what escapes and layers spell
            if ids.escapes <= hit < ids.literals:
                return self.clean_all(data, form, names=names)
            if ids.literals <= hit < ids.paths and not signs:
                return self._clean_some(data, form, rules, hidden=hidden, signs=True, names=names, words=words)
        if signs:
            candidates = self._renamed(candidates)
        views, found = [], []
        for view, some, key, findings in candidates:
            if findings is None and some and view.readable:
                findings = detector.read_once(Text(view.readable, key), some)
            if findings or (names is not None and view.readable):
                views.append(view)
                found.append(findings or [])
        if names is not None and words is not None:
            texts = [Text(view.readable, view.key) for view in views]
            pairs = zip(found, texts, strict=True)
            found = [added(some, names[text]) if text in names else some for some, text in pairs]
            somebody = people(texts, found)
            if more := words_of(somebody) - words:  # people whom patterns found
                words |= more
                return self._clean_some(data, form, rules, hidden=hidden, signs=signs, names=names, words=words)
            known = [(view, some) for view, some in zip(views, joined(texts, found, somebody), strict=True) if some]
            views, found = [view for view, _ in known], [some for _, some in known]
        if any(view.kind == "key" for view in views):  # to keep keys apart, all of them must be known
            return self.clean_all(data, form, names=names)
        if not found:
            return Cleaned(data, (), dropped=False)
        selected = self._selected(views, views, found)
        memory = self._remembered(selected)
        everything = [view for view, _, _, _ in candidates]
        cleaned = self._rewrite(everything, selected)
        if memory and not cleaned.dropped:
            lingers = Lingers(sought(memory))
            if lingers(cleaned.text) or (hidden and _any_lingers(everything, lingers)):
                return self.clean_all(data, form, names=names)
        return cleaned

    def _plan(self, hits: Sequence[int]) -> Plan:
        """What ``hits`` ask for: the same come again and again."""
        known = tuple(hits)
        plan = self._plans.get(known)
        if plan is None:
            if len(self._plans) >= _KNOWN_PLANS:
                self._plans.clear()
            plan = self._plans[known] = Plan(hits, self.ids)
        return plan

    def _clean_parts(self, data: bytes, plan: Plan, hides: Hides, *, signs: bool) -> Cleaned | None:
        """As `_clean_some` for a JSON document, scalar by scalar; None where it takes more than that."""
        if not may_be_json(data):
            return None
        if self.keyed:
            spliced = PartReader(self, plan.rules, hides, self.key_of(data), signs=signs).read(data)
        else:
            at = 2 * hides + signs
            reader = plan.readers[at]
            if reader is None:
                reader = plan.readers[at] = PartReader(self, plan.rules, hides, None, signs=signs)
            spliced = reader.read(data)
        if spliced is None:
            return None
        text, redactions, forms, shown = spliced
        if not redactions:
            return _new(Cleaned, (data, (), False))
        if forms and (hides is Hides.ESCAPED or any(map(Lingers(forms), (text, *shown)))):
            return None
        return _new(Cleaned, (text, tuple(redactions), False))

    def _renamed(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates by the names that `engine.neighbours` gives them, and by the rules whose gate hits then."""
        keys = iter(keys_of([view for view, _, _, _ in candidates if view.readable]))
        out = []
        for candidate in candidates:
            view = candidate[0]
            if view.readable and (key := next(keys)) != candidate[2]:
                candidate = view, frozenset(next(self.detector.gated([Text(view.readable, key)]))), key, None
            out.append(candidate)
        return out

    def of(self, record: bytes) -> Cleaner:
        """The same for parts of ``record`` that are cleaned apart from it, such as its headers."""
        key = self.key_of(record)
        return replace(self, key_of=lambda _: key)

    def scrub(self, text: str) -> str:
        """Free text that a person wrote, redacted; a text that says it must go becomes a placeholder."""
        cleaned = self.clean(text.encode("utf-8", "replace"), "text")
        return "[DROPPED]" if cleaned.dropped else cleaned.text.decode("utf-8", "replace")

    def scan(self, data: bytes) -> list[Finding]:
        """What would be redacted in a plain text without structure."""
        return self._wanted(data, self.detector.scan([Text(data)])[0])

    def _selected(
        self, everything: Sequence[View], views: Sequence[View], found: Sequence[list[Finding]]
    ) -> list[tuple[View, list[Finding]]]:
        """The findings that the policy wants redacted, by view, in order of the views."""
        spans: dict[View, Sequence[tuple[int, int]]] = {}
        pairs = [(v, fs) for v, fs in zip(views, found, strict=True) if fs and not within(v, self.entities, spans)]
        if not self.places:
            return [(view, resolve(self._wanted(view.text, fs))) for view, fs in pairs]
        by_view = {id(view): fs for view, fs in pairs}
        out = []
        for view in everything:
            findings = self.places.apply(view, self._wanted(view.text, by_view.get(id(view), [])))
            if findings and not is_written(view.text, self.entities):
                out.append((view, resolve(findings)))
        return out

    def _remembered(self, selected: Iterable[tuple[View, list[Finding]]]) -> Memory:
        """What is to be redacted elsewhere too."""
        redacted = ((view.text, [f for f in fs if self.method(f) is not Method.KEEP]) for view, fs in selected)
        return remembered(redacted, self.certain)

    def wanted(self, text: bytes, findings: list[Finding]) -> list[Finding]:
        """Those that are redacted wherever ``text`` stands, in order, none overlapping; see `engine.partreader`."""
        return resolve(self._wanted(text, findings))

    def method(self, finding: Finding) -> Method:
        """How it is redacted."""
        return self.places.method(finding.rule_id) or self.methods.get(finding.entity, self.default)

    def _wanted(self, text: bytes, findings: Iterable[Finding]) -> list[Finding]:
        """Without the unsure ones, and without those of what a redaction wrote."""
        wanted = self._sure(text, findings)
        return unwritten(text, wanted, self.entities, self._again) if wanted else wanted

    def _sure(self, text: bytes, findings: Iterable[Finding]) -> list[Finding]:
        least, entities = self.min_score, self.entities
        return [f for f in findings if f.score >= least and not is_written(text[f.start : f.end], entities)]

    def _again(self, text: bytes) -> list[Finding]:
        return self._sure(text, self.detector.scan([Text(text)])[0])

    def _rewrite(self, views: Sequence[View], selected: Iterable[tuple[View, list[Finding]]]) -> Cleaned:
        return rewrite(views, selected, self.method, self.key_of)


def _lingering(
    views: Sequence[View], selected: Iterable[tuple[View, list[Finding]]], memory: Memory
) -> list[list[Finding]]:
    """What rewritten views still hold of what is remembered, by view; empty if nothing."""
    known = {id(view): findings for view, findings in selected}
    lingers = Lingers(sought(memory))
    left = [not is_read_above(view) and lingers(apply(view.text, view.edits)) for view in views]
    if not any(left):
        return []
    recall = Recall(memory)
    return [recall(view.readable, known.get(id(view), ())) if it else [] for view, it in zip(views, left, strict=True)]


def _any_lingers(views: Iterable[View], lingers: Lingers) -> bool:
    """Whether rewritten views below the record still hold something that its own text does not show."""
    return any(
        not _stands_in_record(view) and not is_read_above(view) and lingers(apply(view.text, view.edits))
        for view in views
    )


def _stands_in_record(view: View) -> bool:
    """Whether the text of ``view`` stands in the record as it is, or is the record."""
    parent = view.parent
    return parent is None or (parent.parent is None and view.source is None and view.encode is None and not view.parts)
