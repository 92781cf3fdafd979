"""The public surface of `sluicegate`: what may be relied on, exactly."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sluicegate

PUBLIC = {
    "Cleaned": ["redactions", "value"],
    "ConfigError": [],
    "Redaction": ["end", "entity", "method", "path", "rule_id", "score", "start"],
    "Sanitizer": ["clean", "clean_json", "digest", "inspect", "inspect_json"],
    "SluicegateError": [],
    "Unreadable": [],
    "__version__": None,
}


def test_the_surface_is_exactly_this() -> None:
    """Whoever adds a name, or a method to one of them, adds it here and means it."""
    assert sorted(sluicegate.__all__) == sorted(PUBLIC)
    for name, members in PUBLIC.items():
        thing = getattr(sluicegate, name)
        if members:
            inherited = {*dir(tuple), *dir(object)}
            assert sorted(m for m in dir(thing) if not m.startswith("_") and m not in inherited) == members, name
    assert set(PUBLIC) <= set(dir(sluicegate))


def test_what_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'Sanitiser'"):
        sluicegate.Sanitiser  # noqa: B018


def test_importing_costs_nothing() -> None:
    """The engine is loaded when one of the names is asked for, so that `--help` stays quick."""
    code = "import sluicegate, sys; assert 'engine' not in sys.modules; sluicegate.Sanitizer; assert 'engine' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
