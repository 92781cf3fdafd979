"""Makes the peers: compiled ones by cargo and go, Python ones in an environment of their own; all in the cache."""

from __future__ import annotations

import re
import shutil
import subprocess
import venv
from collections.abc import Iterator, Sequence
from importlib.metadata import requires
from pathlib import Path

from benchmarks.measurement import MeasuringFailed
from benchmarks.peers.known import PEERS, SOURCES, binary, cache_folder, environment, published_file, tool

HOUR = 3600.0  # seconds that a build may take
RUST = "Rust 1.95 or newer, a C compiler and make"
GO = "Go 1.26 or newer"


class BuildFailed(MeasuringFailed):
    """A peer could not be built; says why, and where to read more."""


def build(*, jobs: int | None = None) -> Iterator[tuple[str, str | None]]:
    """Builds what is not there yet: each part's name, and why it failed, or None.

    A part that fails leaves the others be.
    """
    cache_folder().joinpath("bin").mkdir(parents=True, exist_ok=True)
    programs = {(peer.language, peer.program) for peer in PEERS if peer.language != "python"}
    for language, program in sorted(programs):
        if not binary(language, program).exists():
            make = _rust if language == "rust" else _go
            yield f"{program} ({language})", _attempt(make, program, jobs)
    if not published_file().exists():
        yield "gitleaks' rules", _attempt(_published)
    if not all(any(environment().glob(f"lib/python*/site-packages/{p.package}")) for p in PEERS if p.package):
        yield "Python packages", _attempt(_python)


def _attempt(make, *arguments: object) -> str | None:  # type: ignore[no-untyped-def]
    try:
        make(*arguments)
    except MeasuringFailed as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or 'cache'}: {(error.strerror or 'failed').lower()}"
    return None


def _rust(program: str, jobs: int | None) -> None:
    cargo = tool("cargo", RUST)
    folder = _copied("rust")
    limit = ["--jobs", str(jobs)] if jobs else []
    _run([cargo, "build", "--release", "--package", f"peer-{program}", *limit], folder, f"rust-{program}")
    shutil.copy2(folder / "target" / "release" / f"peer-{program}", binary("rust", program))


def _go(program: str, jobs: int | None) -> None:
    go = tool("go", GO)
    limit = ["-p", str(jobs)] if jobs else []
    _run([go, "build", *limit, "-o", str(binary("go", program)), "."], _copied("go") / program, f"go-{program}")


def _published() -> None:
    go = tool("go", GO)
    module = "github.com/zricethezav/gitleaks/v8"
    folder = _copied("go") / "gitleaks"
    _run([go, "mod", "download", module], folder, "go-rules")
    found = _run([go, "list", "-m", "-f", "{{.Dir}}", module], folder, "go-rules")
    published_file().write_bytes((Path(found.strip()) / "config" / "gitleaks.toml").read_bytes())


def _python() -> None:
    wanted = packages()
    if not wanted:
        raise BuildFailed("the installed sluicegate names no peers: install it again")
    venv.create(environment(), with_pip=True)
    pip = [str(environment() / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", *wanted]
    _run(pip, cache_folder(), "python")


def packages() -> list[str]:
    """What the extra ``peers`` of the installed Sluicegate asks for, with versions."""
    asked = [one.partition(";") for one in requires("sluicegate") or ()]
    return [wanted.strip() for wanted, _, marker in asked if re.search(r"""extra == ["']peers["']""", marker)]


def _copied(language: str) -> Path:
    """The sources in the cache, beside what earlier builds left there: nothing is written into the package."""
    folder = cache_folder() / language
    shutil.copytree(SOURCES / language, folder, dirs_exist_ok=True)
    return folder


def _run(command: Sequence[str], folder: Path, name: str) -> str:
    """What the command printed. Its errors go to a log file. Raises BuildFailed."""
    log = cache_folder() / f"{name}.log"
    with log.open("w", encoding="utf-8") as errors:
        try:
            done = subprocess.run(  # noqa: S603 (compilers, and our own sources)
                command,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                timeout=HOUR,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BuildFailed(f"{Path(command[0]).name} was not done in {HOUR / 60:.0f} minutes; see {log}") from None
    if done.returncode:
        said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        first = next((line for line in said if "error" in line.lower()), said[-1] if said else "no word")
        raise BuildFailed(f"{Path(command[0]).name} failed: {first.strip()[:200]}; see {log}")
    return done.stdout.decode("utf-8", "replace")
