"""Compiled rules: from an action to a decision and why, pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from detectors.errors import ConfigError
from detectors.yamlfile import Loc, YamlFile, closest, dotted
from engine.actions.conditions import Condition, Like, Scalars, Test, holds, holds_unread, parse_condition, together
from engine.actions.extract import Found
from engine.actions.globs import Glob, fold
from engine.actions.model import Action
from engine.actions.paths import Path
from engine.actions.profile import Profile
from engine.actions.rules import Rule
from engine.actions.tree import Reader
from engine.ledger.model import ActionKind, Principal, PrincipalRole, Risk

_RISKS = list(Risk)  # lowest first


class Effect(StrEnum):
    """What is done about an action, from the mildest to the strictest."""

    ALLOW = "allow"
    REVIEW = "review"
    DENY = "deny"


Told = Action | Found
_EFFECTS = list(Effect)
_EVERYTHING = Path.of("**")
_KNOWN_NAMES = 4096
_KNOWN_SETS = 64


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done, by which rule (None when no rule matches), and why, in words of the policy alone."""

    effect: Effect
    rule: Rule | None
    why: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One rule tried on one action. ``why`` holds nothing of the record."""

    rule_id: str
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its globs and conditions parsed."""

    rule: Rule
    globs: tuple[tuple[str, tuple[Glob, ...]], ...]  # of action, resource, environment, profile
    actor: tuple[Glob, ...]
    params: tuple[tuple[Path, tuple[Condition, ...]], ...]
    _tests: tuple[tuple[Test, ...], ...] = field(init=False, compare=False, repr=False)  # of params, in their order

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tests", tuple(together(conditions) for _, conditions in self.params))

    @classmethod
    def of(cls, rule: Rule) -> CompiledRule:
        """``rule``, which is valid, compiled."""
        match = rule.match
        names = ("profile", "action", "resource", "environment")
        return cls(
            rule,
            tuple((name, _globs(texts)) for name in names if (texts := getattr(match, name))),
            _globs(match.actor or ()),
            tuple(
                (Path.of(path), tuple(parse_condition(text) for text in texts)) for path, texts in match.params.items()
            ),
        )

    @property
    def allows(self) -> bool:
        """Whether this is an allow rule, which must not match by guessing."""
        return self.rule.effect == "allow"

    @property
    def is_wordy(self) -> bool:
        """Whether all that it asks beside names is for certain words somewhere in the parameters."""
        likes = (isinstance(one, Like) and not one.negated for _, conditions in self.params for one in conditions)
        return not self.allows and not self.actor and [path for path, _ in self.params] == [_EVERYTHING] and all(likes)

    @property
    def kind(self) -> ActionKind | None:
        """The kind of action it is about: what has happened cannot be denied any more."""
        return ActionKind.PROPOSAL if self.rule.effect == "deny" else self.rule.match.kind

    def globs_of(self, name: str) -> tuple[Glob, ...]:
        """The globs of ``action``, ``resource``, ``environment`` or ``profile``; empty when not given."""
        return next((globs for key, globs in self.globs if key == name), ())

    def takes(self, globs: Sequence[Glob], text: str) -> bool:
        """Whether one of ``globs`` matches ``text``: look-alikes too, unless the rule lets something pass."""
        if self.allows:
            return any(glob.matches_as_written(text) for glob in globs)
        value = fold(text)
        return any(glob.matches_folded(value) for glob in globs)

    def miss(self, action: Action) -> str | None:
        """The first key that does not hold, with what it wanted; None if the rule matches."""
        for name, globs in self.globs:
            if not self.takes(globs, getattr(action, name)):
                return f"{name} is not {_either(globs)}"
        key = self.missed_beside_names(action, Asking(action))
        if key is None or key == "kind":
            return None if key is None else f"kind is not {self.kind}"
        if key == "actor":
            return f"actor is not {_either(self.actor)}"
        return f"params {key} is not {' or '.join(repr(text) for text in self.rule.match.params[key])}"

    def missed_beside_names(self, action: Told, asking: Asking) -> str | None:
        """The first of ``kind``, ``actor``, paths of parameters that does not hold, for an action with its names."""
        if self.kind is not None and self.kind is not action.kind:
            return "kind"
        if self.actor and not self._actor(action.principals):
            return "actor"
        for (path, conditions), tests in zip(self.params, self._tests, strict=True):
            if not asking.meets(path, conditions, tests, allow=self.allows):
                return path.text
        return None

    def _actor(self, principals: Sequence[Principal]) -> bool:
        if not principals:
            return not self.allows
        acting = [p for p in principals if p.role is not PrincipalRole.BENEFICIARY]
        asked = [p for p in acting if not self.allows or p.role is PrincipalRole.INITIATOR]
        ids = [text for p in asked for text in (p.subject, f"{p.issuer}:{p.subject}")]
        return any(self.takes(self.actor, one) for one in ids)


class Asking:
    """One action being asked about by rule after rule: its parameters are read once for all, by both readings."""

    __slots__ = ("_action", "_first", "_last")

    def __init__(self, action: Told) -> None:
        self._action = action
        self._last = Scalars(Reader())
        self._first = Scalars(Reader(first=True))

    def meets(self, path: Path, conditions: Sequence[Condition], tests: Sequence[Test], *, allow: bool) -> bool:
        """Whether what stands at ``path`` meets one of ``conditions``, whose `together` is ``tests``."""
        params, last = self._action.params, self._last
        if isinstance(params, str) and path.steps != ("**",) and last.reader.inside(params) is None:
            # Text where an object was expected: nothing says which part of it is which.
            return not allow and holds_unread(conditions)(params)
        met = holds(tests, path.find_through(params, last.reader), last, allow=allow)
        if last.reader.ambiguous:  # duplicate keys in a string: what they mean depends on who reads them
            first = self._first
            again = holds(tests, path.find_through(params, first.reader), first, allow=allow)
            met = (met and again) if allow else (met or again)
        return met


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """The ``actions`` section, ready to decide."""

    rules: tuple[CompiledRule, ...]

    _named: dict[tuple[str, str], int] = field(default_factory=dict, init=False, compare=False, repr=False)
    _wordy: int = field(init=False, compare=False, repr=False)  # the rules of `CompiledRule.is_wordy`, as bits
    _any_of: dict[int, tuple[Test, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_wordy", sum(1 << n for n, rule in enumerate(self.rules) if rule.is_wordy))

    def decide(self, action: Told) -> Decision:
        """The first rule that matches. Raises BudgetExceeded for JSON in strings without end."""
        rule = self._first(action)
        if rule is None:
            return Decision(Effect.ALLOW, None, "no rule matches")
        return Decision(Effect(rule.rule.effect), rule.rule, _why(rule))

    def asks(self, action: Told) -> bool:
        """Whether it is to be reviewed or denied."""
        rule = self._first(action)
        return rule is not None and not rule.allows

    def _first(self, action: Told) -> CompiledRule | None:
        left = self._named_so(action.profile, action.action, action.resource, action.environment)
        asking = Asking(action)
        wordy = left & self._wordy
        while left:
            bit = left & -left
            rule = self.rules[bit.bit_length() - 1]
            if bit & wordy and rule.kind in (None, action.kind):
                asked, wordy = wordy & left, 0
                if asked != bit and not self._meets_one(asked, asking):
                    left ^= asked
                    continue
            if rule.missed_beside_names(action, asking) is None:
                return rule
            left ^= bit
        return None

    def _meets_one(self, numbers: int, asking: Asking) -> bool:
        """Whether the parameters are what one of these rules, the bits of a number, asks for: mostly they are not."""
        tests = self._any_of.get(numbers)
        if tests is None:
            rules = [rule for number, rule in enumerate(self.rules) if numbers >> number & 1]
            tests = together([one for rule in rules for _, conditions in rule.params for one in conditions])
            if len(self._any_of) >= _KNOWN_SETS:
                self._any_of.clear()
            self._any_of[numbers] = tests
        return asking.meets(_EVERYTHING, (), tests, allow=False)

    def may_ask(self, profile: str, action: str, resource: str, environment: str) -> bool:
        """Whether a rule that reviews or denies takes these names: without one, all such actions are allowed."""
        left = self._named_so(profile, action, resource, environment)
        return bool(left) and any(left >> number & 1 and not rule.allows for number, rule in enumerate(self.rules))

    def _named_so(self, profile: str, action: str, resource: str, environment: str) -> int:
        """Which rules take these names, as the bits of a number."""
        left = self._by_name("action", action) & self._by_name("profile", profile)
        if left:
            left &= self._by_name("resource", resource) & self._by_name("environment", environment)
        return left

    def _by_name(self, name: str, text: str) -> int:
        """Which rules take ``text`` for this name, as the bits of a number. Names come again and again."""
        known = self._named.get((name, text))
        if known is None:
            if len(self._named) >= _KNOWN_NAMES:
                self._named.clear()
            known = 0
            for number, rule in enumerate(self.rules):
                globs = rule.globs_of(name)
                if not globs or rule.takes(globs, text):
                    known |= 1 << number
            self._named[name, text] = known
        return known

    def explain(self, action: Action) -> list[Trial]:
        """Each rule up to the first that matches, with why it does or does not."""
        trials: list[Trial] = []
        for rule in self.rules:
            miss = rule.miss(action)
            trials.append(Trial(rule.rule.id, miss is None, miss or _why(rule)))
            if miss is None:
                break
        return trials

    def strictest(self, actions: Iterable[Action]) -> tuple[Action, Decision] | None:
        """The action of a record that decides for all: deny, then review by risk; None without actions."""
        decided = [(action, self.decide(action)) for action in actions]
        return max(decided, key=lambda pair: _severity(pair[1]), default=None)

    def lint(self) -> list[str]:
        """Warnings: rules that never decide, since an earlier one matches all that they match."""
        return [
            f"{later.rule.id}: never decides, since {earlier.rule.id} above it matches the same and more"
            for index, later in enumerate(self.rules)
            for earlier in self.rules[:index]
            if _shadows(earlier, later)
        ]


def compile_rules(
    rules: Sequence[Rule],
    profiles: Sequence[Profile] = (),
    file: YamlFile | None = None,
    prefix: Loc = ("actions",),
) -> CompiledRules:
    """``rules`` compiled. Raises ConfigError for an id used twice and, given ``profiles``, for unknown ones.

    ``file`` and ``prefix`` say where the rules stand, for the error's line and key.
    """
    seen: dict[str, int] = {}
    names = [profile.name for profile in profiles]
    for index, rule in enumerate(rules):
        if rule.id in seen:
            message = f"the id '{rule.id}' is that of rule {seen[rule.id] + 1} too"
            raise _error(message, (*prefix, index, "id"), file)
        seen[rule.id] = index
        for text in rule.match.profile or ():
            if names and not any(Glob.of(text).matches(name) for name in names):
                message = f"no profile is called '{text}'{closest(text, names)}"
                raise _error(message, (*prefix, index, "match", "profile"), file)
    return CompiledRules(tuple(CompiledRule.of(rule) for rule in rules))


def _error(message: str, loc: Loc, file: YamlFile | None) -> ConfigError:
    return ConfigError(message, key=dotted(loc)) if file is None else file.error(message, loc)


def _globs(texts: Iterable[str]) -> tuple[Glob, ...]:
    return tuple(Glob.of(text) for text in texts)


def _either(globs: Sequence[Glob]) -> str:
    texts = [f"'{glob.text}'" for glob in globs[:3]]
    return " or ".join(texts) + (f" or {len(globs) - 3} more" if len(globs) > 3 else "")


def _why(rule: CompiledRule) -> str:
    parts = [f"{name} is {_either(globs)}" for name, globs in rule.globs]
    parts += [f"actor is {_either(rule.actor)}"] if rule.actor else []
    parts += [
        f"params {path} is {' or '.join(repr(text) for text in texts)}"
        for path, texts in rule.rule.match.params.items()
    ]
    return "; ".join([f"kind is {rule.kind.value}", *parts] if rule.kind else parts)


def _severity(decision: Decision) -> tuple[int, int, bool]:
    risk = decision.rule.risk if decision.rule else Risk.LOW
    return _EFFECTS.index(Effect(decision.effect)), _RISKS.index(risk), decision.rule is not None


def _shadows(earlier: CompiledRule, later: CompiledRule) -> bool:
    one, two = earlier.rule.match, later.rule.match
    if earlier.kind not in (None, later.kind):
        return False
    if earlier.allows and not later.allows and (one.params or one.actor):
        return False  # an allow rule asks more of the same conditions
    if not (set(one.params) <= set(two.params) and all(one.params[p] == two.params[p] for p in one.params)):
        return False
    pairs = [(globs, later.globs_of(name)) for name, globs in earlier.globs]
    pairs += [(earlier.actor, later.actor)] if earlier.actor else []
    return all(
        bool(narrow) and all(any(wide.covers(glob) for wide in broad) for glob in narrow) for broad, narrow in pairs
    )
