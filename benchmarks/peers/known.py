"""Which tools are measured beside ours, and how each is run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from benchmarks.measurement import MeasuringFailed

DOZEN, PUBLISHED, OWN = "12 rules", "published rules", "its own rules"
SOURCES = Path(str(files("benchmarks.peers") / "__init__.py")).parent
BUILD = "`sluicegate bench peers --build` makes it"


class NotInstalled(MeasuringFailed):
    """A peer that is not here; says how to have it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool with one set of rules. ``program`` is the crate, the Go module or the tool of `python/harness.py`
    that runs it; ``package`` what Python imports.
    """

    name: str
    what: str
    language: str  # rust, go or python
    program: str
    rules: str
    package: str = ""
    detects: bool = False  # and redacts nothing

    def command(self) -> list[str | Path]:
        """What runs it. Raises NotInstalled."""
        if self.language != "python":
            path = binary(self.language, self.program)
            if not path.is_file():
                raise NotInstalled(f"not built: {BUILD}")
            return [path]
        home = environment()
        if any(home.glob(f"lib/python*/site-packages/{self.package}")):
            python = home / "bin" / "python"
        elif importlib.util.find_spec(self.package) is not None:
            python = Path(sys.executable)
        else:
            raise NotInstalled(f"not installed: {BUILD}, and so does pip install 'sluicegate[peers]'")
        return [python, SOURCES / "python" / "harness.py", self.program]


PEERS = (
    Peer("dd-sds", "dd-sensitive-data-scanner (Rust)", "rust", "sds", DOZEN),
    Peer("vrl", "Vector's parse_json, redact, encode_json (Rust)", "rust", "vrl", DOZEN),
    Peer("otel", "OpenTelemetry redactionprocessor (Go)", "go", "otel", DOZEN),
    Peer("dd-sds-published", "dd-sensitive-data-scanner (Rust)", "rust", "sds", PUBLISHED),
    Peer("gitleaks", "gitleaks (Go), detection alone", "go", "gitleaks", OWN, detects=True),
    Peer("sentry-relay", "sentry-relay, @common (Rust behind Python)", "python", "sentry-relay", OWN, "sentry_relay"),
    Peer("pyvrl", "pyvrl (Rust behind Python)", "python", "pyvrl", DOZEN, "pyvrl"),
    Peer("datafog", "datafog, regex engine (Python)", "python", "datafog", OWN, "datafog"),
    Peer("scrubadub", "scrubadub (Python)", "python", "scrubadub", OWN, "scrubadub"),
    Peer("detect-secrets", "detect-secrets (Python)", "python", "detect-secrets", OWN, "detect_secrets"),
    Peer("presidio", "Presidio without NER (Python)", "python", "presidio", OWN, "presidio_analyzer"),
)


def cache_folder() -> Path:
    """Where what is built stands: ``sluicegate/peers`` in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sluicegate" / "peers"


def environment() -> Path:
    """The virtual environment of the Python peers."""
    return cache_folder() / "python"


def binary(language: str, program: str) -> Path:
    """A compiled peer. Its name tells the sources that it was built from, so that an older one is not taken for it."""
    return cache_folder() / "bin" / f"{program}-{_digest(language)}"


def published_file() -> Path:
    """The rules of gitleaks, as its module brings them."""
    return cache_folder() / f"gitleaks-{_digest('go')}.toml"


def tool(name: str, needed: str) -> str:
    """The path of a compiler. Raises NotInstalled."""
    path = shutil.which(name)
    if path is None:
        raise NotInstalled(f"{name} is not installed: install {needed}, then run `sluicegate bench peers --build`")
    return path


@cache
def _digest(language: str) -> str:
    digest = hashlib.sha256()
    for path in sorted((SOURCES / language).rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(SOURCES)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
