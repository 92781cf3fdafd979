"""The catalogue: rule files, read in order and checked; those that are shipped stand in `detectors/catalog`.

A file adds rules; a user's own may also switch off or change those of files before it, and exempt values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from detectors import derived
from detectors.compiled import CompiledRule
from detectors.errors import ConfigError
from detectors.gate import Gate
from detectors.proof import Loc, check_rule
from detectors.regex import byte_regex
from detectors.rule import Allow, Rule, RuleFile
from detectors.yamlfile import YamlFile, closest, dotted


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong, and where: ``line`` is 1-based; ``rule_id`` is empty where the file itself is unsound."""

    file: str
    line: int | None
    rule_id: str
    problem: str

    def __str__(self) -> str:
        return str(self.error())

    def error(self) -> ConfigError:
        """The failure, to be raised."""
        return ConfigError(self.problem, file=self.file, line=self.line, key=self.rule_id)


@dataclass(frozen=True, slots=True)
class Exemption:
    """An entry of an allow-list, and where it stands; ``value`` is compiled, None for any."""

    entry: Allow
    value: Any
    file: Path | str
    line: int | None

    def covers(self, rule_id: str, entity: str, found: bytes) -> bool:
        """Whether the entry is about this rule or entity, and its value is all that was found."""
        entry = self.entry
        if (entry.rules or entry.entities) and rule_id not in entry.rules and entity not in entry.entities:
            return False
        return self.value is None or self.value.fullmatch(found) is not None


@dataclass(slots=True)
class Catalogue:
    """Rules by id, in the order in which they were read, and what is exempted from them.

    ``written`` are those that files held, those that failed or were switched off later too.
    """

    rules: dict[str, CompiledRule] = field(default_factory=dict)
    exemptions: list[Exemption] = field(default_factory=list)
    written: list[Rule] = field(default_factory=list)
    disabled: int = 0
    overridden: int = 0
    _origin: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def read(cls, shipped: Sequence[Path], own: Sequence[Path] = ()) -> Catalogue:
        """The rules of ``shipped`` files, which have been proven, and of a user's ``own``, which are proven here.

        Raises ConfigError naming file, line and rule.
        """
        catalogue = cls()
        catalogue._add_known(shipped)
        for path in own:
            for failure in catalogue.add(path, prove=True):
                raise failure.error()
        catalogue.written.clear()
        return catalogue

    def _add_known(self, paths: Sequence[Path]) -> None:
        """Reads files that have been proven; what is derived from them is kept for the next time."""
        if not paths:
            return
        try:
            name = derived.name_of(path.read_bytes() for path in paths)
        except OSError as error:
            raise ConfigError(error.strerror or "cannot be read", file=error.filename) from None
        known = derived.load(name)
        if known is not None:
            for compiled, number in known:
                self.rules[compiled.rule.id] = compiled
                self._origin[compiled.rule.id] = paths[number]
            return
        for path in paths:
            for failure in self.add(path, prove=False):
                raise failure.error()
        if not (self.exemptions or self.disabled or self.overridden):
            derived.save(name, [(one, paths.index(self._origin[rule_id])) for rule_id, one in self.rules.items()])

    def add(self, path: Path, *, prove: bool) -> Iterator[Failure]:
        """Reads a file, and tells what is wrong in it; ``prove`` tries each rule on its own examples."""
        file = None
        try:
            file = YamlFile.read(path)
            parsed = file.validate(RuleFile)
        except ConfigError as error:
            problem = f"{error.key}: {error.message}" if error.key else error.message
            yield Failure(str(path), error.line, _rule_id(file, error.key), problem)
            return

        def failure(problem: str, rule_id: str, loc: Loc) -> Failure:
            return Failure(str(path), file.line(loc), rule_id, problem)

        for number, name in enumerate(parsed.disable):
            if self.rules.pop(name, None) is None:
                yield failure(f"disable: no rule is called so{closest(name, [*self.rules])}", name, ("disable", number))
            else:
                self.disabled += 1
        sound: list[tuple[Loc, CompiledRule]] = []
        for number, change in enumerate(parsed.override):
            loc = ("override", number)
            name = str(change.get("id", ""))
            if name not in self.rules:
                problem = (
                    f"override: no rule is called so{closest(name, [*self.rules])}" if name else "override: needs an id"
                )
                yield failure(problem, name, (*loc, "id"))
                continue
            try:
                before = self.rules[name].rule.model_dump()
                rule = file.validate(Rule, before | change, loc)
            except ConfigError as error:
                yield Failure(str(path), error.line, name, f"{error.key}: {error.message}")
                continue
            self.overridden += 1
            yield from self._take(rule, loc, failure, sound, prove=prove)
        for number, rule in enumerate(parsed.rules):
            loc = ("rules", number)
            self.written.append(rule)
            if rule.id in self._origin:
                where = self._origin[rule.id]
                yield failure(f"the id '{rule.id}' is already used in {where}", rule.id, (*loc, "id"))
                continue
            self._origin[rule.id] = path
            rule = rule.model_copy(update={"family": parsed.family})
            yield from self._take(rule, loc, failure, sound, prove=prove)
        yield from _gates(sound, failure)
        for number, entry in enumerate(parsed.allow):
            loc = ("allow", number)
            try:
                self.exemptions.append(Exemption(entry, self._value(entry), path, file.line(loc)))
            except ValueError as error:
                yield failure(f"{dotted(loc)}: {error}", "", loc)

    def _take(
        self, rule: Rule, loc: Loc, failure: Any, sound: list[tuple[Loc, CompiledRule]], *, prove: bool
    ) -> Iterator[Failure]:
        try:
            compiled = CompiledRule(rule)
        except ValueError as error:
            parts = [part for part in str(error).split(": ")[:3] if part in Rule.model_fields]
            yield failure(str(error), rule.id, (*loc, *parts[-1:]))
            return
        problems = check_rule(rule) if prove else []
        for where, problem in problems:
            yield failure(problem, rule.id, (*loc, *where))
        if not problems:
            self.rules[rule.id] = compiled
            sound.append((loc, compiled))

    def _value(self, entry: Allow) -> Any:
        for name in entry.rules:
            if name not in self.rules:
                raise ValueError(f"no rule is called '{name}'{closest(name, [*self.rules])}")
        known = sorted({one.rule.entity for one in self.rules.values()})
        for name in entry.entities:
            if name not in known:
                raise ValueError(f"no rule finds '{name}'{closest(name, known)}")
        if not entry.value:
            return None
        value = byte_regex(entry.value)
        narrow = entry.path and (entry.rules or entry.entities)
        if not narrow and all(value.fullmatch(text) for text in (b"a1", b"Zk-3:aab 19!", b"@")):
            raise ValueError(
                "value: matches everything; say what is to be left alone, or name a path and rules or entities"
            )
        return value


def load_rules(*paths: Path) -> list[Rule]:
    """The rules of ``paths``. Raises ConfigError naming file, line and rule."""
    return [compiled.rule for compiled in Catalogue.read(paths).rules.values()]


def _rule_id(file: YamlFile | None, key: str) -> str:
    """The id of the rule that a key such as ``rules[3].score`` is about; empty if it has none."""
    match = re.match(r"rules\[(\d+)\]", key)
    if file is None or match is None:
        return ""
    rule = file.data["rules"][int(match[1])]
    name = rule.get("id", "") if isinstance(rule, dict) else ""
    return name if isinstance(name, str) else ""


def _gates(rules: Sequence[tuple[Loc, CompiledRule]], failure: Any) -> Iterator[Failure]:
    """Derived gates are sound, those written by hand may not be: all of a file at once, since that is quick."""
    by_hand = [(loc, one) for loc, one in rules if one.rule.gate]
    try:
        if by_hand:
            Gate([one.gate for _, one in by_hand])
    except ValueError:
        for loc, one in by_hand:
            try:
                Gate([one.gate])
            except ValueError as error:
                yield failure(f"gate: {error}", one.rule.id, (*loc, "gate"))


def shipped_files() -> list[Path]:
    """The files of the shipped catalogue."""
    return sorted(Path(str(files("detectors") / "catalog")).glob("*.yaml"))
