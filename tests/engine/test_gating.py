"""What the gate says of a batch: the same as of each record, less what leads nowhere."""

from __future__ import annotations

import pytest

from engine.gating import BatchGate
from engine.policy import load_policy
from engine.sanitizer import cleaner_of

PLAIN = b'{"note": "all is well"}'
MAIL = b'{"note": "write to jane@corp.example"}'
NO_MAIL = b'{"note": "dinner @ 8, jane@ work"}'
SPELLED = rb'{"note": "write to jane\u0040corp.example \u2014 soon"}'
EMOJI = rb'{"note": "well done \ud83d\ude0a"}'
ENCODED = b'{"note": "amFuZS5kb2VAY29ycC5leGFtcGxlIHNheXMgaGVsbG8="}'
WORD = b'{"note": "my passport is in the drawer"}'
ACTION = '{"profile": "generic", "action": "ѕhell.run", "params": {"command": "rm -rf /"}}'.encode()  # Cyrillic
VALUES = [PLAIN, MAIL, NO_MAIL, SPELLED, EMOJI, ENCODED, WORD, ACTION]


@pytest.fixture(scope="module")
def gate() -> BatchGate:
    """That of the default policy."""
    policy = load_policy()
    return BatchGate(policy.detector.gate, policy.gate, cleaner_of(policy), privileged=True)


def test_a_batch_is_asked_as_each_of_its_records_is(gate: BatchGate) -> None:
    """Whatever stands beside a record."""
    found, escaped = gate(VALUES)
    for at, value in enumerate(VALUES):
        (alone,), is_escaped = gate([value])
        assert set(found[at]) == set(alone)
        assert (at in escaped) == bool(is_escaped)


def test_what_leads_nowhere_is_dropped_and_all_else_kept(gate: BatchGate) -> None:
    """A word without a number near, an emoji that hides nothing; not an address, spelled or encoded."""
    found, _ = gate([PLAIN, NO_MAIL, EMOJI, WORD])
    assert [list(hits) for hits in found] == [[], [], [], []]
    assert all(gate([MAIL, SPELLED, ENCODED])[0])


def test_what_a_spelled_record_hides_is_known(gate: BatchGate) -> None:
    r"""Where nothing but ``\uXXXX`` hides, and where something else does."""
    _, escaped = gate([SPELLED, SPELLED[:-2] + ENCODED[10:], MAIL])
    assert list(escaped) == [0]


def test_an_action_named_by_look_alikes_is_announced(gate: BatchGate) -> None:
    """As it is by its own name."""
    plain = ACTION.replace("ѕ".encode(), b"s")
    (alike, named), _ = gate([ACTION, plain])
    assert set(named) & set(alike)
