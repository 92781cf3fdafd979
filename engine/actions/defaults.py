"""The rules that come with Sluicegate: `defaults.yaml`, an ``actions`` section to start from."""

from __future__ import annotations

from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from detectors.yamlfile import YamlFile
from engine.actions.decide import CompiledRules, compile_rules
from engine.actions.profile import shipped_profiles
from engine.actions.rules import Rule


class _Defaults(BaseModel):
    model_config = ConfigDict(extra="forbid")

    actions: tuple[Rule, ...]


def default_text() -> str:
    """The file as it is written, to be copied into a policy."""
    return (resources.files(__package__) / "defaults.yaml").read_text(encoding="utf-8")


@cache
def default_rules() -> tuple[Rule, ...]:
    """The shipped rules. Raises ConfigError if the file is broken, which the tests rule out."""
    return YamlFile(default_text(), "engine/actions/defaults.yaml").validate(_Defaults).actions


@cache
def compiled_defaults() -> CompiledRules:
    """The shipped rules, compiled against the shipped profiles."""
    return compile_rules(default_rules(), shipped_profiles(), YamlFile(default_text(), "engine/actions/defaults.yaml"))
