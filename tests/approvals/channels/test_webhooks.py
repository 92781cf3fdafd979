"""Webhooks, end to end: what a receiver that checks signatures gets, and what happens when it fails."""

from __future__ import annotations

import json

import pytest
from approval_makers import ADA, GRACE, PEOPLE, needs, principal, request
from channel_world import LOCAL, SITE, siem
from chat_servers import Reply, WebhookServer, serving
from standardwebhooks import Webhook

from approvals.channels.retry import ATTEMPTS
from approvals.channels.settings import Channel
from approvals.votes import Ballot
from engine.ledger.model import Decision


@pytest.fixture
def told(world, hook):
    return world(siem(hook))


def types(hook):
    return [event["type"] for event in hook.events.values()]


def test_each_event_is_told_once_and_signed(told, hook):
    """From created to approved, in order, with an id, a time and a signature that the receiver's library accepts."""
    told.ask(requirement=needs(2))
    told.service.vote("req-0001", ADA, Decision.APPROVE, version=1, reason="", channel="page")
    told.service.ask("req-0001", GRACE, "why?", version=1, channel="page")
    told.step()
    assert types(hook) == ["request.created", "request.voted", "request.clarification_asked"]
    assert hook.refused == 0
    event = hook.events[hook.got[0].headers["webhook-id"]]
    assert set(event) == {"type", "timestamp", "data"}
    assert event["data"]["url"] == f"{SITE}/requests/req-0001"
    assert event["data"]["verdict"] is None
    assert event["data"]["principals"] == [{"role": "initiator", "id": "agent:etl-7"}]


@pytest.mark.parametrize(("end", "kind"), [("deny", "denied"), ("approve", "approved"), ("expire", "expired")])
def test_how_it_ended(told, hook, end, kind):
    """The verdict, who decided by which channel, and nothing raw."""
    told.ask()
    if end == "expire":
        told.later(3 * 3_600_000)  # beyond what a receiver takes for fresh, so it is read from what was sent
    else:
        getattr(told, end)()
        told.step()
    event = json.loads(hook.got[-1].body)
    assert event["type"] == f"request.{kind}"
    assert event["data"]["verdict"]["verdict"] == kind
    assert [vote["channel"] for vote in event["data"]["verdict"]["votes"]] == ([] if end == "expire" else ["page"])


def test_only_the_events_that_it_wants(world, hook):
    """A receiver that wants verdicts is told no votes."""
    told = world(siem(hook, events=frozenset({"request.denied"})))
    told.ask(requirement=needs(2))
    told.deny()
    told.step()
    assert types(hook) == ["request.denied"]


FAULTS = [Reply(500), Reply(404), Reply(302, headers=(("location", "http://127.0.0.1:1/"),)), Reply(200, wait=1.5)]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_failed_is_sent_again_with_the_same_id(world, hook, fault):
    """Only 2xx is a yes; the signature is of the new time."""
    told = world(siem(hook), seconds=1)
    hook.faults.append(fault)
    told.ask()
    assert hook.events == {}
    assert told.problem("siem") != ""
    told.later(5_000)
    assert types(hook) == ["request.created"]
    assert hook.got[0].headers["webhook-id"] == hook.got[1].headers["webhook-id"]
    assert told.problem("siem") == ""


def test_an_end_that_is_not_there_is_tried_until_it_is_a_dead_letter(world):
    """After ten attempts it waits for a person; the signed body is kept as it was."""
    with serving(WebhookServer) as gone:
        channel = siem(gone)
    told = world(channel)
    told.ask()
    for _ in range(ATTEMPTS + 2):
        told.later(6 * 3_600_000)
    dead = told.store.deliveries.dead()
    assert [(d.event, d.attempts) for d in dead if d.event == "request.created"] == [("request.created", ATTEMPTS)]
    assert "cannot be reached" in told.problem("siem")


def test_a_dead_letter_is_sent_again_when_a_person_says_so(told, hook):
    """410 ends it at once; replayed, it has its old id and body."""
    hook.faults.append(Reply(410))
    told.ask()
    (dead,) = told.store.deliveries.dead()
    told.later(86_000_000)
    assert dead.id not in hook.events
    told.clock.ahead = 0  # the receiver takes fresh signatures only
    assert told.store.deliveries.replay([dead.id, "msg_none"], at=told.clock()) == [dead.id]
    told.step()
    assert hook.events[dead.id]["type"] == "request.created"
    assert hook.got[-1].body == dead.body
    assert told.store.deliveries.dead() == []


def test_429_with_a_date_or_seconds(told, hook):
    """The whole channel waits for as long as it is asked to."""
    hook.faults.append(Reply(429, headers=(("retry-after", "60"),)))
    told.ask("r1", likeness="1")
    told.ask("r2", likeness="2")
    told.later(50_000)
    assert len(hook.got) == 1
    told.later(11_000)
    assert len(hook.got) == 3


def test_429_for_ever_ends(told, hook):
    """For a day that is no failure, and then an attempt like others."""
    hook.faults += [Reply(429, headers=(("retry-after", "3600"),))] * (ATTEMPTS + 40)
    told.ask()
    for _ in range(22):
        told.later(3_600_001)
    assert told.store.deliveries.dead() == []
    for _ in range(ATTEMPTS + 3):
        told.later(3_600_001)
    assert [one.attempts for one in told.store.deliveries.dead()] == [ATTEMPTS]


def test_an_address_inside_is_never_posted_to(world, hook):
    """Without allow_addresses this machine is not reached; it is said what to do."""
    told = world(siem(hook, allowed=()))
    told.ask()
    assert hook.got == []
    assert "allow_addresses" in told.problem("siem")
    assert len(told.store.deliveries.dead()) == 1


def test_a_signature_of_another_secret_is_refused_by_the_receiver(world, hook):
    """So is what anybody else makes up: 401 is a failure like others."""
    told = world(Channel("siem", "webhook", hook.url, key=b"x" * 24, allowed=LOCAL))
    told.ask()
    assert hook.refused == 1
    assert "401" in told.problem("siem")


def test_one_that_hangs_does_not_keep_another_waiting(world, hook):
    """Each channel goes at its own pace."""
    with serving(WebhookServer) as slow:
        other = Channel("slow", "webhook", slow.url, key=siem(slow).key, allowed=LOCAL)
        told = world(other, siem(hook))
        slow.faults.append(Reply(204, wait=1.5))
        told.site.put(request(created=told.clock(), expires=told.clock() + 600_000))
        told.site.step()
        told.channels.worker.step()
        from channel_world import until

        until(lambda: hook.events)
        assert slow.events == {}
        told.channels.worker.step(wait=True)


def test_a_new_channel_is_told_what_waits_and_not_what_was(world, hook):
    """Whoever adds a channel gets no flood of old news."""
    first = world(siem(hook))
    first.ask("r1", likeness="1")
    first.deny("r1")
    first.ask("r2", likeness="2", principals=(principal("agent:x"),))
    first.step()
    first.close()
    with serving(WebhookServer) as fresh:
        again = world(siem(hook), Channel("more", "webhook", fresh.url, key=siem(fresh).key, allowed=LOCAL))
        again.step()
        assert [e["data"]["request_id"] for e in fresh.events.values()] == ["r2"]
        again.deny("r2")
        again.step()
        assert types(fresh) == ["request.created", "request.voted", "request.denied"]


def test_the_body_is_what_standard_webhooks_asks_for(told, hook):
    """The signature covers id, time and the exact bytes: one changed byte, and it does not verify."""
    told.ask()
    got = hook.got[0]
    assert got.headers["webhook-id"].startswith("msg_")
    assert "." not in got.headers["webhook-id"]
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(hook.SECRET).verify(got.body.replace(b"etl-7", b"etl-8"), dict(got.headers))
    ballot = Ballot(Decision.APPROVE, 1)
    told.store.vote("req-0001", ADA, ballot, PEOPLE, at=told.clock(), channel="page")
    told.step()
    assert types(hook)[-1] == "request.approved"
