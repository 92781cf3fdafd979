"""The image: what the Dockerfile says, and what comes of it where its own commands are run by hand.

No Docker engine runs here, so the build stage's ``RUN`` lines are run in a folder with the files that its ``COPY``
lines name and ``.dockerignore`` lets through; what they install is then used with the final stage's environment.
Not checked: the base image, and the lines that make the user.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from dockerfile import Stage, read_dockerfile
from implementations import HELPER, without_helper

ROOT = Path(__file__).parents[2]
BUILD, FINAL = read_dockerfile(ROOT / "Dockerfile")
TESTS_OF_COMPILED = (  # not those of each rule, whose patterns are not compiled by this
    *(
        "engine/test_cleaning",
        "engine/test_sanitizer",
        "engine/test_tokens",
        "engine/test_locate",
        "engine/test_memory",
        "engine/test_parts",
        "engine/test_hidden",
        "engine/test_routing",
        "engine/test_neighbours",
        "engine/actions/test_extract",
        "engine/actions/test_rules",
    ),
    *("detectors/test_finding", "detectors/test_patterns", "detectors/test_identifiers", "detectors/test_anchors"),
)


def copies(stage: Stage) -> list[tuple[list[str], str]]:
    """Sources and target of each ``COPY`` from the tree."""
    out = []
    for arguments in stage.all("COPY"):
        *sources, target = arguments.split()
        if not sources[0].startswith("--"):
            out.append((sources, target))
    return out


def test_the_image_is_slim() -> None:
    """The final stage takes a folder of the build stage, installs nothing, and is that stage's base made slim."""
    assert BUILD.name == "build"
    assert FINAL.base == f"{BUILD.base}-slim" == "python:3.11-slim"
    assert FINAL.all("COPY") == ["--from=build /opt/sluicegate /opt/sluicegate"]
    assert not re.search(r"\b(apt|apt-get|pip|gcc|curl|wget)\b", " ".join(FINAL.all("RUN")))


def test_the_image_is_not_roots() -> None:
    """Its user is a number above 0, which Kubernetes can check, and nothing after it goes back."""
    [user] = FINAL.all("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    names = [name for name, _ in FINAL.instructions]
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])


def test_nothing_is_fetched_unchecked() -> None:
    """No ADD, no address: all comes from the tree, the base image or pip with the locked versions."""
    text = (ROOT / "Dockerfile").read_text()
    assert "://" not in text
    assert not BUILD.all("ADD") + FINAL.all("ADD")
    assert "--constraint requirements.lock" in BUILD.all("RUN")[0]


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    """Each source exists, and .dockerignore shuts out all but those."""
    sources = {source.rstrip("/") for names, _ in copies(BUILD) for source in names}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert all((ROOT / source).exists() for source in sources)


def test_the_default_command_is_the_engine_of_the_compose_file() -> None:
    """With the same check of its health."""
    engine = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["engine"]
    assert FINAL.command("ENTRYPOINT") == ["sluicegate"]
    assert FINAL.command("CMD") == engine["command"]
    [check] = FINAL.all("HEALTHCHECK")
    assert ["CMD", *json.loads(check.partition("CMD ")[2])] == [
        part.replace("$$", "$") for part in engine["healthcheck"]["test"]
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the build stage's own commands leave, by the name of its folder there."""
    root = tmp_path_factory.mktemp("image")
    places = {"/src": root / "src", "/wheels": root / "wheels", "/opt/sluicegate": root / "opt"}
    source = places["/src"]
    source.mkdir()
    ignored = [line[3:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("**/")]
    for names, target in copies(BUILD):
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name,
                    source / target,
                    ignore=lambda _, entries: [e for e in entries if any(fnmatch.fnmatch(e, p) for p in ignored)],
                )
            else:
                shutil.copy(ROOT / name, source / target)
    # Our own Python in place of the image's; its pip may keep what it downloads, and leaves bytecode to who runs it.
    environment = {
        **os.environ,
        "PIP_NO_COMPILE": "1",
        "MYPYC_OPT_LEVEL": "0",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    pattern = re.compile("|".join(map(re.escape, places)))
    for command in BUILD.all("RUN"):
        here = pattern.sub(lambda found: str(places[found[0]]), command)
        done = subprocess.run(
            here, shell=True, cwd=source, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return places


@pytest.fixture(scope="module")
def image(built: dict[str, Path]) -> Path:
    """What the final stage takes."""
    return built["/opt/sluicegate"]


@pytest.fixture(scope="module")
def wheel(built: dict[str, Path]) -> Path:
    """The wheel that is made where there is a compiler."""
    if HELPER is None:
        without_helper()
    [wheel] = built["/wheels"].glob("sluicegate-*.whl")
    return wheel


def sluicegate(image: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the image's command, with the image's environment and no other."""
    environment = {name: value for name, value in FINAL.environment().items() if name != "XDG_CACHE_HOME"}
    environment |= {"PATH": f"{image}/bin:/usr/bin:/bin", "XDG_CACHE_HOME": str(image / "cache")}
    return subprocess.run(
        ["sluicegate", *arguments],
        executable=image / "bin" / "sluicegate",
        cwd=image,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_image_runs(image: Path) -> None:
    """The installed command tells its version and cleans a line, with the rules and the policy that are in the wheel."""
    version = sluicegate(image, "--version")
    assert re.fullmatch(r"sluicegate \d+\.\d+\.\d+\n", version.stdout), version.stderr
    cleaned = sluicegate(image, "sanitize", stdin='{"user": "jane@example.com"}\n')
    assert cleaned.stdout == '{"user": "[EMAIL_ADDRESS]"}\n', cleaned.stderr
    for command in ("run", "topics", "approvals", "sample", "demo"):
        assert sluicegate(image, command, "--help").returncode == 0
    assert "SLUICEGATE_URL" in sluicegate(image, "gate", "exec", "--action", "a", "--resource", "r", "true").stderr


def test_the_wheel_holds_what_is_no_code(image: Path) -> None:
    """Rules, policies, Avro schemas, the page's templates and styles: everything in the packages that is no bytecode."""
    [installed] = image.glob("lib/python*/site-packages")
    packages = ("detectors", "engine", "approvals", "benchmarks", "sluicegate")
    data = [
        path.relative_to(ROOT)
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".c", ".h", ".so")
    ]
    assert {path.suffix for path in data} >= {".yaml", ".avsc", ".html", ".css", ".js", ".svg"}
    assert [path for path in data if not (installed / path).is_file()] == []


def test_the_image_has_the_compiled_helper(image: Path) -> None:
    """Or no image: a slower one would be made in silence. Here it has it where it could be compiled."""
    assert BUILD.environment()["SLUICEGATE_NATIVE"] == "require"
    done = subprocess.run(
        [image / "bin" / "python", "-m", "engine.native"], cwd=image, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("compiled helper: in use" if HELPER else "compiled helper: not in use")


def test_the_image_holds_no_tools(image: Path) -> None:
    """Neither pip nor what only tests and builds need."""
    [installed] = image.glob("lib/python*/site-packages")
    names = {path.name.partition("-")[0].lower() for path in installed.glob("*.dist-info")}
    assert not names & {"pip", "wheel", "hatchling", "pytest", "mypy", "ruff", "playwright"}


def test_the_image_has_the_locked_versions(image: Path) -> None:
    """Each package is of the version that requirements.lock names."""
    [installed] = image.glob("lib/python*/site-packages")
    locked = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().lower().splitlines())
    locked = {re.sub(r"[-_.]+", "-", name): version for name, version in locked.items()}
    for path in installed.glob("*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").lower().rpartition("-")
        # Ours, and what spaCy asks for and `pip freeze` leaves out.
        if name not in ("sluicegate", "sluicegate_client", "setuptools"):
            assert locked[re.sub(r"[-_.]+", "-", name)] == version


def test_with_a_compiler_the_wheel_holds_the_helper_for_its_platform(built: dict[str, Path], wheel: Path) -> None:
    """And no source of it; the tree is left as it was."""
    assert not wheel.name.endswith("-any.whl")
    [name] = [name for name in zipfile.ZipFile(wheel).namelist() if "_native" in name]
    assert HELPER is not None
    assert name == f"engine/{Path(str(HELPER.__file__)).name}"
    assert not list(built["/src"].rglob("*.so"))
    assert not (built["/src"] / "build").exists()


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
