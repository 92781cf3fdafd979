"""Compiles what is hot while a wheel or an editable install is made, if that can be done here.

That is `engine/c` and, for wheels, the modules of `_HOT` by mypyc: the same Python sources, which an editable
install reads as they are, so that an edit takes effect. Without a C compiler or Python's headers it goes on
without: the same results, more slowly. With SLUICEGATE_NATIVE=require in the environment that is an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

_SOURCE = "engine/c/module.c"
_MODULE = "engine._native"
_HOT = (
    "detectors/compiled.py",
    "detectors/finding.py",
    "detectors/gate.py",
    "detectors/patterns.py",
    "detectors/regex.py",
    "detectors/validators/finance.py",
    "detectors/validators/network.py",
    "detectors/validators/phone.py",
    "detectors/validators/words.py",
    "detectors/words.py",
    "engine/actions/conditions.py",
    "engine/actions/decide.py",
    "engine/actions/extract.py",
    "engine/actions/globs.py",
    "engine/actions/paths.py",
    "engine/actions/tree.py",
    "engine/binding.py",
    "engine/candidates.py",
    "engine/cleaning.py",
    "engine/escapes.py",
    "engine/gating.py",
    "engine/hidden.py",
    "engine/jsontext.py",
    "engine/layers/base64text.py",
    "engine/layers/model.py",
    "engine/ledger/codec.py",
    "engine/memory.py",
    "engine/neighbours.py",
    "engine/occurrences.py",
    "engine/partreader.py",
    "engine/parts.py",
    "engine/policy/paths.py",
    "engine/reading.py",
    "engine/redaction.py",
    "engine/review.py",
    "engine/rewriting.py",
    "engine/routing.py",
    "engine/sanitizer.py",
    "engine/touched.py",
    "engine/views.py",
    "engine/written.py",
)
"""What each record with a hit goes through; see docs/performance.md for what compiling it brings."""


class CustomBuildHook(BuildHookInterface[BuilderConfig]):
    """What pyproject.toml names as the hook of wheels, of which an editable install is one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Puts the library into the wheel; for an editable install, beside its source."""
        self._scratch = Path(tempfile.mkdtemp(prefix="sluicegate-build-"))
        command = _command(Path(self.root, _SOURCE), self._scratch)
        name = command.get_ext_filename(_MODULE)
        beside_source = Path(self.root, name)
        if version == "editable":
            beside_source.unlink(missing_ok=True)  # one of an older source would be used in silence
        try:
            command.run()
        except (BaseError, CCompilerError, OSError) as error:
            self._go_on_without(error)
            return
        built = self._scratch / name
        if version == "editable":
            shutil.move(built, beside_source)
            return
        build_data["force_include"][str(built)] = name
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        try:
            for library in self._compile_modules():
                build_data["force_include"][str(library)] = str(library.relative_to(self._scratch / "hot"))
        except (BaseError, CCompilerError, OSError, SystemExit) as error:
            self._go_on_without(Exception(f"the modules by mypyc: {error}"))

    def _compile_modules(self) -> list[Path]:
        """The libraries of `_HOT`, below a folder of their own, each where its module stands."""
        from mypyc.build import mypycify

        into = self._scratch / "hot"
        with contextlib.chdir(self.root):
            extensions = mypycify(
                ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", *_HOT],
                opt_level=os.environ.get("MYPYC_OPT_LEVEL", "3"),  # as mypy's own build has it
                debug_level="0",
                group_name="sluicegate",
                target_dir=str(self._scratch / "c"),
            )
            command = build_ext(Distribution({"name": "sluicegate", "ext_modules": extensions}))
            command.build_lib = str(into)
            command.build_temp = str(self._scratch / "objects")
            command.ensure_finalized()
            command.run()
        return [path for path in into.rglob("*") if path.is_file()]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leaves nothing behind."""
        shutil.rmtree(self._scratch)

    def _go_on_without(self, error: Exception) -> None:
        reason = str(error)
        if not reason or len(reason) > 120:  # a command of many words
            reason = "the compiler failed, see above"
        message = (
            f"{_SOURCE} could not be compiled ({reason}). It needs a C compiler and Python's headers "
            "(Debian: apt-get install gcc libc6-dev python3-dev)."
        )
        if os.environ.get("SLUICEGATE_NATIVE") == "require":
            shutil.rmtree(self._scratch, ignore_errors=True)
            self.app.abort(f"{message} SLUICEGATE_NATIVE=require makes this an error.")
        self.app.display_warning(f"{message} Going on without it: the same results, more slowly.")


def _command(source: Path, scratch: Path) -> build_ext:
    """The command that compiles ``source`` into ``scratch``; the library knows which sources it was made from."""
    parts = sorted(source.parent.iterdir())
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    extension = Extension(_MODULE, [str(source)], define_macros=[("SOURCE_DIGEST", f"x{digest}")])
    command = build_ext(Distribution({"name": "sluicegate", "ext_modules": [extension]}))
    command.build_lib = str(scratch)
    command.build_temp = str(scratch / "objects")
    command.ensure_finalized()
    return command
