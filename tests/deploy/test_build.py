"""The wheel where nothing can be compiled: without the helper, which is said. With it: `test_dockerfile`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_COMPILER = {"CC": "/nonexistent/cc", "SLUICEGATE_NATIVE": ""}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel is made from, without what was compiled here."""
    tree = tmp_path_factory.mktemp("tree")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for file in ("pyproject.toml", "README.md", "hatch_build.py"):
        shutil.copy(ROOT / file, tree)
    return tree


def build(tree: Path, into: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Makes a wheel as pip does."""
    command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--wheel-dir", str(into), str(tree)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_without_a_compiler_the_wheel_is_pure_python_and_it_is_said(tree: Path, tmp_path: Path) -> None:
    """One for any platform, with what to install in the message."""
    done = build(tree, tmp_path, **NO_COMPILER)
    assert done.returncode == 0, done.stdout
    assert "engine/c/module.c could not be compiled" in done.stdout + done.stderr
    assert "apt-get install gcc" in done.stdout + done.stderr
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in held if "_native" in name]
    model = "detectors/ner/pipeline"
    assert {f"{model}/{name}" for name in ("config.cfg", "names/model", "names/lexicon.gz", "gate.gz")} <= set(held)


def test_without_a_compiler_there_is_no_wheel_where_the_helper_is_required(tree: Path, tmp_path: Path) -> None:
    """A slower one would be made in silence."""
    done = build(tree, tmp_path, **NO_COMPILER | {"SLUICEGATE_NATIVE": "require"})
    assert done.returncode != 0
    assert "SLUICEGATE_NATIVE=require makes this an error" in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.whl"))
