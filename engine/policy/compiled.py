"""A policy compiled once, so that a record costs nothing to prepare for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from detectors.catalogue import Exemption
from detectors.finding import Finding
from detectors.ner.detector import NameDetector
from detectors.patterns import PatternDetector
from engine.actions.decide import CompiledRules
from engine.actions.principals import Principals
from engine.actions.profile import Profile
from engine.actions.reviews import Named, Reviews
from engine.actions.rules import Rule
from engine.actions.times import duration
from engine.ledger.model import Requirement
from engine.policy.model import Always, Never, Only, Paths, PolicyFile, Topic
from engine.policy.paths import PathPattern, joined
from engine.redaction import Method
from engine.tenants import TenantField, TenantTopic
from engine.tokens import KeyRing, TenantKey
from engine.views import View


class PathRules:
    """The policy's rules about places: ``never`` beats ``always``, which beats ``only``; and the allow-lists.

    Raises ValueError for a path of an allow-list that has an empty name.
    """

    __slots__ = ("_allow", "_always", "_bound", "_methods", "_never", "_never_all", "_only")

    def __init__(self, paths: Paths, allow: Iterable[Exemption] = ()) -> None:
        self._allow = [(PathPattern(one.entry.path) if one.entry.path else None, one) for one in allow]
        self._always = [(PathPattern(one.path), one) for one in paths.always]
        self._never = [(PathPattern(one.path), one) for one in paths.never]
        self._only = [(PathPattern(one.path), one) for one in paths.only]
        self._methods = {_rule_id(one): one.method for one in paths.always}
        self._never_all = any(not one.entities for one in paths.never)
        self._bound = {entity for one in paths.never for entity in one.entities}
        self._bound |= {entity for one in paths.only for entity in one.entities}

    def __bool__(self) -> bool:
        return bool(self._always or self._never or self._only or self._allow)

    def method(self, rule_id: str) -> Method | None:
        """The method that a rule about a place asks for."""
        return self._methods.get(rule_id)

    def apply(self, view: View, findings: list[Finding]) -> list[Finding]:
        """The findings of ``view`` that stay, and those that its place adds."""
        if self._allow and findings:
            findings = [f for f in findings if self.exemption(view, f) is None]
        if not self._always and not self._never_all and all(f.entity not in self._bound for f in findings):
            return findings
        names = joined(view.step.names()) if view.step is not None else b""
        always = [one for pattern, one in self._always if pattern.matches(names)]
        if always and view.kind in ("string", "number", "text", "quoted") and view.text:
            findings = [Finding(_rule_id(one), one.entity, 0, len(view.text), 1.0) for one in always] + findings
        findings = [f for f in findings if f.rule_id.startswith("path:") or self._allowed(f.entity, names)]
        never = [one for pattern, one in self._never if pattern.matches(names)]
        return [f for f in findings if not any(not n.entities or f.entity in n.entities for n in never)]

    def exemption(self, view: View, finding: Finding) -> Exemption | None:
        """The entry of an allow-list that exempts just this finding; None if it stays."""
        found = view.text[finding.start : finding.end]
        for pattern, one in self._allow:
            if one.covers(finding.rule_id, finding.entity, found) and (
                pattern is None or (view.step is not None and pattern.matches(joined(view.step.names())))
            ):
                return one
        return None

    def _allowed(self, entity: str, names: bytes) -> bool:
        bound = [pattern for pattern, one in self._only if entity in one.entities]
        return not bound or any(pattern.matches(names) for pattern in bound)

    def literals(self) -> list[str | None]:
        """For each place where something is always redacted, a name that must be in the record."""
        return [pattern.literal for pattern, _ in self._always]


def _rule_id(rule: Always | Never | Only) -> str:
    return f"path:{rule.path}"


@dataclass(frozen=True, slots=True)
class GateIds:
    """What the gate's pattern ids mean: below ``rules`` a detection rule, then the ranges in order."""

    rules: int
    escapes: int  # exclusive end of the marker for \\uXXXX and %XX escapes
    literals: int  # exclusive end of the literals of path rules
    paths: int  # exclusive end of the signs of values that are named elsewhere, see `engine.neighbours`
    actions: int  # exclusive end of the literals of privileged actions


@dataclass(frozen=True)
class Policy:
    """A policy, compiled. ``digest`` names exactly what it does; ``text`` is what the digest is of."""

    file: PolicyFile
    text: str
    digest: str
    detector: PatternDetector
    gate: GateIds
    announced: tuple[frozenset[str], ...]  # the profiles that each literal of actions is about
    places: PathRules
    entities: frozenset[str]
    methods: dict[str, Method]
    keys: KeyRing
    tenant: TenantField | TenantTopic | None  # what tells whose a record is; None if the policy tells none apart
    profiles: tuple[Profile, ...]
    principals: Principals
    actions: CompiledRules
    reviews: Reviews
    names: NameDetector | None  # what finds names in free text, if it is on
    reads_all: tuple[str, ...]  # why each record must be parsed, if it must

    def review(self, rule: Rule, about: Named, *, at: int) -> tuple[Requirement, int]:
        """Who decides on what ``rule``, a review rule, asks about, and how long that waits, in ms.

        ``at`` is when the request is opened, in ms since the epoch.
        """
        waits = rule.expires_ms or duration(self.file.expires)
        picked = self.reviews.pick(rule.id, rule.risk, about, at=at)
        if picked is not None:
            return picked[0], picked[1] or waits
        return rule.approvers.requirement if rule.approvers else Requirement((), (), 1), waits

    @property
    def channels(self) -> frozenset[str]:
        """All channels of the reviewer service that it names."""
        asked = [one.rule.approvers.requirement for one in self.actions.rules if one.rule.approvers]
        asked += [entry.requirement for entry in self.reviews.entries]
        return frozenset(name for requirement in asked for name in requirement.channels)

    def key_of(self, topic: str | None) -> Callable[[bytes], TenantKey | None]:
        """From a record of this topic (None: of no topic) to the key that writes its tokens; None if there is none."""
        rule, writing = self.tenant, self.keys.writing
        if isinstance(rule, TenantField):
            return lambda record: writing(rule(record))
        tenant = "" if rule is None else rule.tenant(topic) if topic is not None else None
        key = writing(tenant)
        return lambda _: key

    def topic(self, name: str) -> Topic:
        """How the records of this topic are read."""
        return next((t for t in self.file.topics if fnmatchcase(name, t.match)), Topic())

    def profiles_of(self, topic: Topic) -> Sequence[Profile]:
        """The profiles tried on records of this topic."""
        if topic.profiles is None:
            return self.profiles
        return [profile for profile in self.profiles if profile.name in topic.profiles]
