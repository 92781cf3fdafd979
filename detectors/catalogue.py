"""The catalogue: rule files, read and checked; those that are shipped stand in `detectors/catalog`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from detectors.patterns import CompiledRule
from detectors.rule import Rule, RuleFile
from detectors.yamlfile import YamlFile


def load_rules(*paths: Path) -> list[Rule]:
    """The rules of ``paths``, checked one by one and compiled; ids must be unique over all of them.

    Raises ConfigError naming file, line and key.
    """
    rules: dict[str, Rule] = {}
    for path in paths:
        file = YamlFile.read(path)
        parsed = file.validate(RuleFile)
        for number, rule in enumerate(parsed.rules):
            if rule.id in rules:
                message = f"rule id '{rule.id}' is already used"
                raise file.error(message, ("rules", number, "id"))
            rules[rule.id] = rule.model_copy(update={"family": parsed.family})
            try:
                CompiledRule(rule)
            except ValueError as error:
                raise file.error(str(error), ("rules", number)) from None
    return list(rules.values())


def shipped_files() -> list[Path]:
    """The files of the shipped catalogue."""
    return sorted(Path(str(files("detectors") / "catalog")).glob("*.yaml"))
