"""What surrounds the Kafka broker and needs no cluster: its log, hints about copies, and what has to be allowed."""

from __future__ import annotations

import logging

import pytest

from engine.brokers.kafka_acls import Grant, commands, engine_grants, reviewer_grants
from engine.brokers.kafka_copies import Copies, hints, unwritable
from engine.brokers.kafka_log import EVERY, Sparing


def line(message: str) -> logging.LogRecord:
    return logging.LogRecord("engine.kafka", logging.INFO, __file__, 1, message, None, None)


def test_the_client_does_not_repeat_itself() -> None:
    """A line comes once in a while, though times in it differ; what the error callback hears of never does."""
    now = [0.0]
    sparing = Sparing(lambda: now[0])
    assert sparing.filter(line("a:1: refused (after 1ms in state CONNECT)"))
    assert not sparing.filter(line("a:1: refused (after 20ms in state CONNECT)"))
    assert sparing.filter(line("b:1: refused (after 1ms in state CONNECT)"))
    assert not sparing.filter(line("FAIL [rdkafka#producer-1] a:1: refused"))
    now[0] = EVERY
    assert sparing.filter(line("a:1: refused (after 3ms in state CONNECT)"))


def test_lines_that_are_remembered_are_bounded() -> None:
    """However many different lines there are, memory is bounded, and each still comes."""
    sparing = Sparing(lambda: 0.0)
    assert all(sparing.filter(line(f"line {n}")) for n in range(5000))
    assert len(sparing._told) <= 1000


@pytest.mark.parametrize(
    ("copies", "brokers", "says"),
    [
        (Copies("t", 3, 3, 2), 3, []),
        (Copies("t", 1, 1, 1), 1, []),
        (Copies("t", 1, 1, 1), 3, ["one copy only"]),
        (Copies("t", 3, 3, 1), 3, ["min.insync.replicas is 1"]),
        (Copies("t", 3, 3, 3), 3, ["as high as the copies"]),
    ],
)
def test_hints_about_copies(copies: Copies, brokers: int, says: list[str]) -> None:
    """What would not survive the loss of a broker is hinted at, where the cluster could do better."""
    found = hints([copies], brokers)
    assert len(found) == len(says)
    assert all(part in hint and hint.endswith(("t", "here", "usual")) for part, hint in zip(says, found, strict=True))


def test_a_topic_that_takes_nothing() -> None:
    """More copies asked for than there are: no record would be taken, so that is a problem with its remedy."""
    [(name, text)] = unwritable([Copies("t", 2, 2, 3), Copies("fine", 2, 2, 2)], servers="h:1")
    assert name == "t"
    assert text.endswith(
        "--bootstrap-server h:1 --alter --entity-type topics --entity-name t --add-config min.insync.replicas=1"
    )


def test_what_the_engine_needs() -> None:
    """Read what comes in, write what goes out, its group, its transactional ids; creating only if it is to create."""
    grants = engine_grants("gate", ["a", "b"], ["a.sanitized", "clean", "clean"], creates=False)
    assert Grant("topic", ("a.sanitized", "clean"), ("Write", "DescribeConfigs")) in grants
    assert not any("Create" in grant.operations for grant in grants)
    creating = engine_grants("gate", ["a"], ["b"], creates=True)
    assert Grant("topic", ("a", "b"), ("Create",)) in creating


def test_commands_can_be_pasted() -> None:
    """Each grant is one line for a shell, whatever the user is called."""
    reviewer = reviewer_grants("outbox", "readers", ["a.approvals"], ["a.decisions"])
    lines = commands("CN=re viewer", reviewer, servers="h:1,i:1")
    assert lines[0] == (
        "kafka-acls.sh --bootstrap-server h:1,i:1 --add --allow-principal 'User:CN=re viewer' --operation Read "
        "--operation DescribeConfigs --topic a.approvals"
    )
    [prefixed] = [
        one
        for one in commands("u", engine_grants("g", ["a"], ["b"], creates=False), servers="h:1")
        if "prefixed" in one
    ]
    assert "--transactional-id g. --transactional-id sluicegate-append- --resource-pattern-type prefixed" in prefixed
