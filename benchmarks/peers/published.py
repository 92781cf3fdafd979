"""Rule sets as peers and as we read them: the dozen of `rules.yaml`, and the provider tokens that gitleaks publishes.

Only the patterns are taken, so that all do the same work; entropy, keywords and allow-lists are gitleaks' own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from benchmarks.peers.known import BUILD, SOURCES, NotInstalled, published_file
from detectors.compiled import CompiledRule
from detectors.rule import Rule

# An escape, a class, a group's begin, anything else.
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\(\?i\)|\((?:\?[a-zA-Z-]*:|\?P?<\w+>)?|.", re.DOTALL)
_ELSEWHERE = {r"\z": "$", r"\A": "^"}


@dataclass(frozen=True, slots=True)
class PeerRule:
    """A rule as all read it."""

    id: str
    pattern: str
    validator: str | None = None


def dozen() -> list[PeerRule]:
    """The rules that every peer is given."""
    return [PeerRule(**one) for one in yaml.safe_load((SOURCES / "rules.yaml").read_text())["rules"]]


def published() -> list[PeerRule]:
    """The rules of gitleaks that have a pattern. Raises NotInstalled."""
    try:
        text = published_file().read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotInstalled(f"the published rules are not here: {BUILD}") from None
    return [PeerRule(one["id"], portable(one["regex"])) for one in tomllib.loads(text)["rules"] if one.get("regex")]


def portable(pattern: str) -> str:
    """A pattern of Go in the spelling that all engines read: ``a(?i)b`` becomes ``a(?i:b)``.

    In Go flags hold from where they stand to the end of their group, over all branches that follow.
    """
    out: list[str] = []
    flags = [""]  # of each open group: those that were set in it and hold
    for part in _PART.findall(pattern):
        if part == "(?i)":
            if not flags[-1]:
                out.append("(?i:")
                flags[-1] = part
        elif part.startswith("("):
            out.append(part)
            flags.append("")
        elif part == ")":
            out.append("))" if flags.pop() else part)
        elif part == "|" and flags[-1]:
            out.append(")|(?i:")
        else:
            out.append(_ELSEWHERE.get(part, part.replace("[:alnum:]", "A-Za-z0-9") if part[0] == "[" else part))
    return "".join(out) + (")" if flags[-1] else "")


def write_peer_rules(path: Path, rules: Sequence[PeerRule]) -> None:
    """The file that a peer reads."""
    path.write_bytes(orjson.dumps([{"id": r.id, "pattern": r.pattern, "validator": r.validator} for r in rules]))


def write_policy(folder: Path, rules: Sequence[PeerRule]) -> tuple[Path, list[str]]:
    """A policy of ours with these rules and no others, and the ids of those that we cannot read."""
    ours, refused = [], []
    for rule in rules:
        made = {
            "id": re.sub(r"[^a-z0-9]+", "-", rule.id.lower()).strip("-"),
            "name": rule.id,
            "entity": "SECRET",
            "pattern": rule.pattern,
            "score": 0.9,
            "references": ["https://github.com/gitleaks/gitleaks"],
            "examples": ["«x»"],
            "counter_examples": ["x"],
        }
        try:
            CompiledRule(Rule.model_validate(made))
        except ValueError:
            refused.append(rule.id)
        else:
            ours.append(made)
    (folder / "rules.json").write_bytes(orjson.dumps({"family": "published", "rules": ours}))
    policy = folder / "policy.json"
    policy.write_bytes(orjson.dumps({"version": 1, "rules": {"shipped": False, "files": ["rules.json"]}}))
    return policy, refused
