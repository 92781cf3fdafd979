"""Reads a Dockerfile, as far as ours goes: comments, continued lines, stages, and commands in JSON."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One ``FROM`` and what follows it, in order."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The arguments of each ``instruction``."""
        return [arguments for name, arguments in self.instructions if name == instruction]

    def command(self, instruction: str) -> list[str]:
        """The last ``ENTRYPOINT``, ``CMD`` or the like, which is written in JSON."""
        found = json.loads(self.all(instruction)[-1])
        assert isinstance(found, list)
        return found

    def environment(self) -> dict[str, str]:
        """What ``ENV`` sets."""
        pairs = (pair.partition("=") for arguments in self.all("ENV") for pair in shlex.split(arguments))
        return {name: value for name, _, value in pairs}


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages of the Dockerfile at ``path``."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        instruction, _, arguments = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = arguments.partition(" AS ")
            stages.append(Stage(base, name))
        elif instruction:
            stages[-1].instructions.append((instruction, arguments.strip()))
    return stages
