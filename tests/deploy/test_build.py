"""The wheel: with the compiled helper where it can be compiled, and without it elsewhere, which is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from implementations import HELPER

ROOT = Path(__file__).parents[2]
TESTS_OF_COMPILED = (  # not those of each rule, whose patterns are not compiled by this
    *(
        "engine/test_cleaning",
        "engine/test_sanitizer",
        "engine/test_tokens",
        "engine/test_locate",
        "engine/test_memory",
        "engine/test_parts",
    ),
    *("detectors/test_finding", "detectors/test_patterns", "detectors/test_identifiers", "detectors/test_anchors"),
)
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
    assert "engine/_native.c could not be compiled" in done.stdout + done.stderr
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


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is made where there is a compiler."""
    if HELPER is None:
        pytest.skip("needs a C compiler and Python's headers")
    into = tmp_path_factory.mktemp("wheel")
    done = build(tree, into, SLUICEGATE_NATIVE="require")
    assert done.returncode == 0, done.stdout
    [wheel] = into.glob("*.whl")
    return wheel


def test_with_a_compiler_the_wheel_holds_the_helper_for_its_platform(tree: Path, wheel: Path) -> None:
    """And no source of it; the tree is left as it was."""
    assert not wheel.name.endswith("-any.whl")
    [name] = [name for name in zipfile.ZipFile(wheel).namelist() if "_native" in name]
    assert HELPER is not None
    assert name == f"engine/{Path(str(HELPER.__file__)).name}"
    assert not list(tree.rglob("*.so"))
    assert not (tree / "build").exists()


def test_compiled_modules_pass_the_tests_of_their_sources(wheel: Path, tmp_path: Path) -> None:
    """What ships is what is tested: the same tests, by the modules in the wheel."""
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(command, check=True, timeout=300)
    environment = os.environ | {"PYTHONPATH": str(site)}
    where = [sys.executable, "-P", "-c", "import engine.cleaning; print(engine.cleaning.__file__)"]
    told = subprocess.run(where, env=environment, check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout.strip().startswith(str(site))
    assert told.stdout.strip().endswith(".so")
    tests = [str(ROOT / "tests" / f"{name}.py") for name in TESTS_OF_COMPILED]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:]
