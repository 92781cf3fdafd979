"""A policy with a given number of detection rules: what is missing to it is made up.

The made-up rules look like those of providers' tokens, which is what most rules of large catalogues are: a prefix of
its own (``qzvk_``, five to eight characters, with or without a separator), then a body of a fixed length in one of
the usual alphabets. None of them matches anything in generated activity.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from detectors.yamlfile import YamlFile
from engine.policy import load_policy
from engine.policy.compiled import Policy
from engine.policy.load import DEFAULT_POLICY

_BODIES = (
    ("[0-9a-f]", "0123456789abcdef", (32, 40, 48, 64)),
    ("[A-Za-z0-9]", "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", (20, 24, 32, 36, 40)),
    ("[A-Za-z0-9_-]", "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789_-", (22, 32, 43)),
    ("[A-Z2-7]", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", (16, 26, 32)),
)


@contextmanager
def padded_policy(path: Path | None, rules: int, *, exactly: bool = False) -> Iterator[tuple[Path | None, Policy]]:
    """A policy of at least ``rules`` detection rules, with its file: ``path`` (None for the shipped one), with
    generated rules where it has fewer. With ``exactly``, a larger one is thinned out evenly. Raises ConfigError as
    `load_policy` does.
    """
    policy = load_policy(path)
    ids = [one.rule.id for one in policy.detector.rules]
    if len(ids) == rules or (len(ids) > rules and not exactly):
        yield path, policy
        return
    few = min(rules, len(ids))
    kept = {ids[number * len(ids) // few] for number in range(few)}
    with TemporaryDirectory(prefix="sluicegate-bench-") as name:
        folder = Path(name)
        made = made_rules(max(0, rules - len(ids)))
        (folder / "made.json").write_bytes(orjson.dumps({"family": "made", "rules": made}))
        changed = _changed(path or DEFAULT_POLICY, folder / "made.json", [one for one in ids if one not in kept])
        (folder / "policy.json").write_bytes(orjson.dumps(changed))
        yield folder / "policy.json", load_policy(folder / "policy.json")


def made_rules(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Rules as they stand in a rule file, the first ``count`` of ``seed``."""
    rng = random.Random(seed)  # noqa: S311 (nothing here is to be kept from anybody)
    found: dict[str, dict[str, Any]] = {}
    while len(found) < count:
        prefix = "".join(rng.choices("bcdfghjklmnpqrstvwxz", k=rng.randint(4, 7))) + rng.choice(("_", "-", ""))
        alphabet, letters, sizes = rng.choice(_BODIES)
        size = rng.choice(sizes)
        body = "".join(rng.choices(letters, k=size - 1)) + letters[0]
        found.setdefault(
            prefix.rstrip("_-"),
            {
                "id": f"made-{len(found) + 1:05d}",
                "name": f"Made-up provider {len(found) + 1}: token",
                "entity": "API_KEY",
                "pattern": rf"\b({prefix}{alphabet}{{{size}}})\b",
                "score": 0.9,
                "references": ["https://example.com/made-up"],
                "examples": [f"«{prefix}{body}»"],
                "counter_examples": [f"{prefix}{body[:4]}"],
            },
        )
    return list(found.values())


def _changed(path: Path, more: Path, without: list[str]) -> dict[str, Any]:
    """The policy of ``path`` with one more rule file and some rules off, readable from another folder."""
    data = YamlFile.read(path).data
    found: dict[str, Any] = dict(data) if isinstance(data, dict) else {}
    rules = dict(found.get("rules") or {})
    rules["files"] = [str((path.parent / name).absolute()) for name in rules.get("files", [])] + [str(more)]
    rules["disable"] = [*rules.get("disable", []), *without]
    found["rules"] = rules
    found["keys"] = [
        key | {"file": str((path.parent / key["file"]).absolute())} if "file" in key else key
        for key in found.get("keys", [])
    ]
    return found
