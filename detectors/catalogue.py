"""The catalogue: rule files, read and checked; those that are shipped stand in `detectors/catalog`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from detectors.gate import Gate
from detectors.patterns import CompiledRule
from detectors.rule import Rule, RuleFile
from detectors.yamlfile import YamlFile


def load_rules(*paths: Path) -> list[Rule]:
    """The rules of ``paths``, checked as `load_compiled` does. Raises ConfigError naming file, line and key."""
    return [compiled.rule for compiled in load_compiled(*paths)]


def load_compiled(*paths: Path) -> list[CompiledRule]:
    """The rules of ``paths``, checked one by one and compiled; ids must be unique over all of them.

    Raises ConfigError naming file, line and key.
    """
    rules: dict[str, CompiledRule] = {}
    for path in paths:
        file = YamlFile.read(path)
        parsed = file.validate(RuleFile)
        for number, rule in enumerate(parsed.rules):
            if rule.id in rules:
                message = f"rule id '{rule.id}' is already used"
                raise file.error(message, ("rules", number, "id"))
            try:
                rules[rule.id] = CompiledRule(rule.model_copy(update={"family": parsed.family}))
            except ValueError as error:
                raise file.error(str(error), ("rules", number)) from None
        _check_gates(file, [rules[rule.id] for rule in parsed.rules])
    return list(rules.values())


def _check_gates(file: YamlFile, rules: Sequence[CompiledRule]) -> None:
    """Derived gates are sound, those written by hand may not be: all of a file at once, since that is quick."""
    by_hand = {number: one.gate for number, one in enumerate(rules) if one.rule.gate}
    try:
        if by_hand:
            Gate(list(by_hand.values()))
    except ValueError:
        for number, gate in by_hand.items():
            try:
                Gate([gate])
            except ValueError as error:
                raise file.error(f"gate: {error}", ("rules", number, "gate")) from None
        raise


def shipped_files() -> list[Path]:
    """The files of the shipped catalogue."""
    return sorted(Path(str(files("detectors") / "catalog")).glob("*.yaml"))
