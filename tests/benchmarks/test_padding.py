"""Policies of a given number of rules."""

from __future__ import annotations

import orjson
import pytest

from benchmarks.activity import generate
from benchmarks.padding import made_rules, padded_policy
from detectors.finding import Text
from detectors.patterns import PatternDetector
from detectors.rule import Rule
from engine.policy import load_policy


def test_made_rules_are_rules() -> None:
    """Each finds its example and not its counter-example; they are the same each time; none matches our activity."""
    made = made_rules(200)
    assert made == made_rules(500)[:200]
    rules = [Rule.model_validate(one) for one in made]
    assert len({rule.id for rule in rules}) == 200
    detector = PatternDetector(rules)
    for rule in rules:
        [found], none = detector.scan([Text(rule.examples[0].plain, b""), Text(rule.counter_examples[0].plain, b"")])
        assert (found.rule_id, [(found.start, found.end)], none) == (rule.id, rule.examples[0].spans, [])
    assert not any(detector.scan([Text(one.value, b"") for one in generate(1, 2000)]))


@pytest.mark.parametrize("count", [10, 700])
def test_exactly_so_many_rules(count: int) -> None:
    """Fewer than the catalogue has, or more."""
    with padded_policy(None, count, exactly=True) as (path, policy):
        assert len(policy.detector.rules) == count
        assert load_policy(path).digest == policy.digest


def test_a_large_catalogue_stays_as_it_is() -> None:
    """Padding only adds."""
    with padded_policy(None, 1) as (path, policy):
        assert path is None
        assert policy.digest == load_policy().digest


def test_own_policies_are_padded_with_what_they_name(tmp_path) -> None:
    """Rule files and keys beside the policy are found from the padded copy."""
    rule = made_rules(1)[0] | {"id": "own-rule", "entity": "OWN_KEY"}
    (tmp_path / "own.yaml").write_bytes(orjson.dumps({"family": "own", "rules": [rule]}))
    (tmp_path / "hash.key").write_text("0123456789abcdef0123456789abcdef")
    (tmp_path / "policy.yaml").write_text(
        "version: 1\nname: own\nrules: {files: [own.yaml]}\nkeys: [{file: hash.key}]\nredaction: {default: hash}\n"
    )
    wanted = len(load_policy().detector.rules) + 10
    with padded_policy(tmp_path / "policy.yaml", wanted) as (_, policy):
        assert len(policy.detector.rules) == wanted
        assert "OWN_KEY" in policy.entities
        assert policy.keys.ids == ("k1",)
