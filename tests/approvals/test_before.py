"""What an agent did just before: found by time in a long topic, by session, with few and small reads."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from approval_makers import NOW, SANITIZED, request

from approvals.before import just_before, session_of
from engine.records import OutputRecord


def held(**value):
    return replace(request().held, value=json.dumps(value).encode(), key=None)


def fill(site, count, *, sessions=7, step=10):
    """``count`` records in partition 0, one each ``step`` ms, the last one at NOW; and as many elsewhere."""
    records = [
        OutputRecord(
            SANITIZED,
            partition,
            None,
            json.dumps({"session": f"s{n % sessions}", "n": n}).encode(),
            timestamp=NOW - (count - 1 - n) * step,
        )
        for n in range(count)
        for partition in (0, 1)
    ]
    site.broker.append(records)


@pytest.mark.parametrize("back", [0, 40, 2_000, 9_990])
def test_the_last_records_of_the_session_before_that_moment(site, back):
    """However far back it is, and nothing from later, from another session or from another partition."""
    fill(site, 10_000)
    asked = replace(held(session="s3", ask=True), timestamp=NOW - back * 10)
    found = just_before(site.broker, asked)
    last = 9_999 - back
    expected = [n for n in range(max(0, last - 80), last + 1) if n % 7 == 3][-5:]
    assert [json.loads(r.value)["n"] for r in found] == expected
    assert {r.position.partition for r in found} <= {0}


def test_a_look_is_bounded(site, monkeypatch):
    """It reads a few hundred records of ten thousand."""
    fill(site, 10_000)
    read = 0
    real = site.broker.reader

    def counting(*args, **more):
        reader = real(*args, **more)
        poll = reader.poll

        def counted(count, timeout):
            nonlocal read
            batch = poll(count, timeout)
            read += len(batch)
            return batch

        reader.poll = counted
        return reader

    monkeypatch.setattr(site.broker, "reader", counting)
    assert just_before(site.broker, replace(held(session="s1"), timestamp=NOW - 50_000))
    assert read < 1_000


@pytest.mark.parametrize(
    ("value", "key", "known"),
    [
        ({"session": "a"}, b"k", ("session", "a")),
        ({"session": {"id": 7}}, None, ("session", "7")),
        ({"trace_id": "t", "run_id": "r"}, None, ("run_id", "r")),
        ({"session": "[UUID]"}, b"k", ("", "")),
        ([1], b"k", ("", "")),
        ({"session": ""}, None, None),
    ],
)
def test_how_a_session_is_known(value, key, known):
    """By a field that names it, by the message key without one; what was masked names nothing."""
    found = session_of(replace(held(), value=json.dumps(value).encode(), key=key))
    assert (found and tuple(found[:2])) == known


def test_without_a_session_nothing_is_read():
    """A record that names none, and has no key, is not looked for."""
    assert just_before(None, held(other=1)) == []
