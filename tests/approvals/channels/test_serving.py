"""The whole service with channels, its threads running: what is asked is posted, and what is decided is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from approval_makers import APPROVALS, DECISIONS, MINUTE, SANITIZED, request
from channel_world import LOCAL, ON_CALL, buttons, siem, slack_settings, until

from approvals.channels.settings import ChannelSettings
from approvals.person import Identity
from approvals.server import Server, Settings, build
from engine.brokers import open_broker
from engine.brokers.base import TopicSpec
from engine.ledger.codec import encode
from engine.ledger.model import Decision
from engine.records import OutputRecord

PEOPLE = "people:\n  - {id: ada, name: Ada, groups: ['local:security'], demo: true}\n"


@pytest.fixture
def broker(tmp_path: Path):
    opened = open_broker(f"embedded:{tmp_path / 'log.db'}")
    opened.create_topics([TopicSpec(topic, 1) for topic in (APPROVALS, DECISIONS, SANITIZED)])
    yield opened
    opened.close()


def served(folder: Path, broker, channels: ChannelSettings, clock) -> Server:
    (folder / "people.yaml").write_text(PEOPLE)
    settings = Settings(folder / "people.yaml", folder / "approvals.db", {APPROVALS: DECISIONS}, channels=channels)
    server = build(settings, broker, scrub=lambda text: text, clock=clock)
    server.service.start()
    server.channels.start()
    return server


def test_two_instances_tell_each_thing_once(tmp_path, broker, clock, slack, hook):
    """Both send, none sends what the other does; a decision at either is shown and told."""
    settings = ChannelSettings((ON_CALL, siem(hook, allowed=LOCAL)), slack_settings(slack))
    servers = [served(tmp_path, broker, settings, clock) for _ in range(2)]
    try:
        now = clock()
        asked = [request(f"r{n}", likeness=str(n), created=now, expires=now + 60 * MINUTE) for n in range(6)]
        broker.append([OutputRecord(APPROVALS, 0, None, encode(one)) for one in asked])
        until(lambda: len(slack.messages) == 6 and len(hook.events) == 6, seconds=30)
        for n, server in enumerate([*servers, *servers]):
            person = server.service.people[Identity("local", "ada")]
            server.service.vote(f"r{n}", person, Decision.APPROVE, version=1, reason="", channel="page")
        until(lambda: sum(buttons(m) == ["open"] for m in slack.messages.values()) == 4, seconds=30)
        until(lambda: [e["type"] for e in hook.events.values()].count("request.approved") == 4, seconds=30)
        assert len(slack.messages) == 6
        assert len({got.headers["webhook-id"] for got in hook.got}) == len(hook.got)
        assert [server.channels.problems() for server in servers] == [{}, {}]
    finally:
        for server in servers:
            server.close()


def test_a_service_that_stops_leaves_nothing_running(tmp_path, broker, clock, slack):
    """And what it did not get to is done by the next one."""
    settings = ChannelSettings((ON_CALL,), slack_settings(slack))
    first = served(tmp_path, broker, settings, clock)
    now = clock()
    broker.append([OutputRecord(APPROVALS, 0, None, encode(request(created=now, expires=now + 60 * MINUTE)))])
    until(lambda: slack.messages)
    person = first.service.people[Identity("local", "ada")]
    first.channels.stop()
    first.service.vote("req-0001", person, Decision.APPROVE, version=1, reason="", channel="page")
    first.close()
    assert buttons(next(iter(slack.messages.values()))) != ["open"]
    second = served(tmp_path, broker, settings, clock)
    until(lambda: buttons(next(iter(slack.messages.values()))) == ["open"], seconds=20)
    second.close()
    assert len(slack.messages) == 1
