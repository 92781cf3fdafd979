"""From a record to its actions: pure, and total except for budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from engine.actions.conditions import holds_scalar
from engine.actions.model import Action, Json
from engine.actions.paths import Path, scalar_text
from engine.actions.principals import Principals, unique
from engine.actions.profile import Call, Profile, Template, Where
from engine.actions.tree import Reader, Trees
from engine.ledger.model import Principal, PrincipalRole

_HEADER = "header:"

Wanted = Callable[[str, str, str, str], bool]
"""Whether actions of this profile, with this name, resource and environment matter at all."""


def extract(
    trees: Trees,
    profiles: Sequence[Profile],
    principals: Principals,
    headers: Mapping[str, str] | None = None,
) -> list[Action]:
    """The actions that a record proposes or tells of, under every reading of duplicate keys, each once.

    ``headers`` are the record's own (names are compared in lower case). An action whose initiator is not
    found, with no default in the policy, has no principals at all.

    Raises BudgetExceeded for JSON in strings that is nested too deep.
    """
    return _each_once(one.whole for one in _find(trees, profiles, principals, headers, None))


def asks(
    trees: Trees,
    profiles: Sequence[Profile],
    principals: Principals,
    headers: Mapping[str, str] | None,
    wanted: Wanted,
    asked: Callable[[Found], bool],
) -> bool:
    """Whether ``asked`` holds of an action of `extract` that is ``wanted``; what it does not ask for stays unread."""
    return any(map(asked, _find(trees, profiles, principals, headers, wanted)))


def _find(
    trees: Trees,
    profiles: Sequence[Profile],
    principals: Principals,
    headers: Mapping[str, str] | None,
    wanted: Wanted | None,
) -> Iterator[Found]:
    """All actions, some twice. What is read of one before the next is taken tells whether there is another reading."""
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    readers = [Reader()]
    for reader in readers:
        for root in trees.readings():
            for profile in profiles:
                yield from _actions(_Source(root, profile, principals, lower, reader), wanted)
        if reader.ambiguous and not reader.first:
            readers.append(Reader(first=True))


def _each_once(actions: Iterable[Action]) -> list[Action]:
    once: list[Action] = []
    for action in actions:
        # Number("1") equals "1" as text, and the two must not be taken for the same parameters
        if not any(action == other and _same(action.params, other.params) for other in once):
            once.append(action)
    return once


def _same(one: Json, other: Json) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


@dataclass(slots=True)
class _Source:
    """What one reading of a record is read with."""

    root: Json
    profile: Profile
    principals: Principals
    headers: Mapping[str, str]
    reader: Reader


class _Record:
    """One record of a profile, and who takes part in it, once that is asked."""

    def __init__(self, source: _Source, node: Json) -> None:
        self.source = source
        self.node = node

    @cached_property
    def principals(self) -> tuple[Principal, ...]:
        """See `Action`."""
        return _who(self.source, self.node)


class Found:
    """An action by its names. Who takes part, and with which parameters, is dear to read, and read when asked."""

    def __init__(self, record: _Record, call: Call, node: Json, names: tuple[str, str, str]) -> None:
        self._record = record
        self._call = call
        self._node = node
        self.profile = record.source.profile.name
        self.kind = record.source.profile.kind
        self.action, self.resource, self.environment = names

    @cached_property
    def params(self) -> Json:
        """See `Action`."""
        return _params(self._call, self._node, self._record.source.reader)

    @property
    def principals(self) -> tuple[Principal, ...]:
        """See `Action`."""
        return self._record.principals

    @property
    def whole(self) -> Action:
        """All of it."""
        source = self._record.source
        reason = render(source.profile.reason, self._node, self._record.node, source.reader)
        names = self.action, self.resource, self.environment
        return Action(self.kind, self.profile, *names, reason, self.params, self.principals)

    def __repr__(self) -> str:  # never a raw value
        return f"Found({self.kind.value}, {self.profile})"


def _actions(source: _Source, wanted: Wanted | None) -> Iterator[Found]:
    profile, reader = source.profile, source.reader
    for node in (node for path in profile.at for node in path.find(source.root, reader)):
        if not _fits(profile.when, node, reader):
            continue
        if any(_fits(where, node, reader, written=True) for where in profile.unless):
            continue
        calls = [
            (call, one)
            for call in profile.calls
            for path in call.each
            for one in path.find(node, reader)
            if _fits(call.when, one, reader)
        ]
        if not calls:
            continue
        answered = _answered(profile, node, [one for _, one in calls], reader)
        record = _Record(source, node)
        for (call, one), done in zip(calls, answered, strict=True):
            name = "" if done else render(call.action, one, node, reader)
            if not name:
                continue
            resource = render(call.resource, one, node, reader)
            environment = render(profile.environment, one, node, reader)
            if wanted is None or wanted(profile.name, name, resource, environment):
                yield Found(record, call, one, (name, resource, environment))


def _params(call: Call, node: Json, reader: Reader) -> Json:
    values = (value for path in call.params for value in path.find(node, reader))
    return next((value for value in values if value is not None), None)


def render(templates: Sequence[Template], node: Json, record: Json, reader: Reader) -> str:
    """The first template whose fields are all there, filled in; the empty string if there is none."""
    for template in templates:
        out = ""
        for optional, parts in template.segments:
            texts = [
                part if isinstance(part, str) else _texts(part.path, record if part.record else node, reader)
                for part in parts
            ]
            if all(text is not None for text in texts):
                out += "".join(text for text in texts if text is not None)
            elif not optional:
                break
        else:
            return out
    return ""


def _texts(path: Path, node: Json, reader: Reader) -> str | None:
    texts = [text for value in path.find(node, reader) if (text := scalar_text(value))]
    return ",".join(texts) if texts else None


def _fits(where: Where, node: Json, reader: Reader, *, written: bool = False) -> bool:
    for path, conditions in where.tests:  # noqa: SIM110 (asked of each record, and a generator costs as much again)
        if not holds_scalar(conditions, path.find(node, reader), written=written):
            return False
    return True


def _answered(profile: Profile, record: Json, calls: Sequence[Json], reader: Reader) -> list[bool]:
    """Of each call, whether the record holds its result.

    An id that two calls share proves nothing about either, so both are taken for open.
    """
    if profile.answered is None:
        return [False] * len(calls)
    ids = [_first_text(profile.answered.id, node, reader) for node in calls]
    results = {
        scalar_text(value)
        for each, when, id_path in profile.answered.results
        for result in each.find(record, reader)
        if _fits(when, result, reader)
        for value in id_path.find(result, reader)
    }
    return [one is not None and one in results and ids.count(one) == 1 for one in ids]


def _first_text(paths: Sequence[Path], node: Json, reader: Reader) -> str | None:
    texts = (scalar_text(value) for path in paths for value in path.find(node, reader))
    return next((text for text in texts if text), None)


def _who(source: _Source, record: Json) -> tuple[Principal, ...]:
    initiators: list[Principal] = []
    others: list[Principal] = []
    for role, issuer, path in _principal_paths(source.profile, source.principals):
        if role is not PrincipalRole.INITIATOR:
            others += _at(path, record, source, role, issuer)
        elif not initiators:
            initiators += _at(path, record, source, role, issuer)
    if not initiators and source.principals.default is not None:
        initiators.append(source.principals.default)
    return unique(initiators + others) if initiators else ()


def _principal_paths(profile: Profile, principals: Principals) -> Iterator[tuple[PrincipalRole, str | None, str]]:
    for role in PrincipalRole:  # the initiator first
        yield from ((role, None, path) for path in principals.extra.get(role, ()))
        for one in profile.principals:
            if one.role is role:
                yield from ((role, one.issuer, path) for path in one.paths)


def _at(path: str, record: Json, source: _Source, role: PrincipalRole, issuer: str | None) -> list[Principal]:
    if path.startswith(_HEADER):
        header = source.headers.get(path.removeprefix(_HEADER).lower())
        return source.principals.read(header, role, issuer) if header else []
    # In the record, and in what wraps it: {"user": ..., "response": {...}}
    scopes = (record,) if record is source.root else (record, source.root)
    return [
        one
        for scope in scopes
        for value in _path(path).find(scope, source.reader)
        for one in source.principals.read(value, role, issuer)
    ]


@lru_cache(maxsize=512)
def _path(text: str) -> Path:
    return Path.of(text)
