"""Slack's end and ours: what is taken from it, and what happens when it fails."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from channel_world import ON_CALL, buttons, newest, until
from chat_servers import Reply, answer

from approvals.channels.settings import Channel
from approvals.channels.slack.signature import genuine

# --- What comes in ----------------------------------------------------------------------------------------------


def post(chat, body, headers):
    return chat.browser.post("/chat/slack", content=body, headers=headers)


def test_a_signed_click_is_acknowledged_at_once_and_done_afterwards(chat, slack):
    """The answer does not wait for Slack's own API, however slow that is."""
    chat.ask()
    body, headers = slack.signed(slack.press("approve", "U0ADA"))
    slack.faults.append(Reply(200, b'{"ok":true}', wait=6.0))  # of the answer to the person
    began = time.monotonic()
    assert post(chat, body, headers).status_code == 200
    assert time.monotonic() - began < 5
    until(lambda: chat.store.get("req-0001").review.verdict is not None)


def test_a_click_of_another_time_is_refused(chat, slack):
    """Five minutes, both ways, to the second; what is no time is no signature, and no error either."""
    chat.ask()
    payload = slack.press("approve", "U0ADA")
    for age in (-600, 600, -100_000):
        body, headers = slack.signed(payload, at=time.time() + age)
        assert post(chat, body, headers).status_code == 401
    now = int(time.time())
    for age, fine in ((-301, False), (-300, True), (300, True), (301, False)):
        body, headers = slack.signed(payload, at=now + age)
        stamp, signature = headers["x-slack-request-timestamp"], headers["x-slack-signature"]
        assert genuine(slack.SECRET, body, stamp, signature, now=now * 1000) is fine
    for stamp in ("", "soon", "1e9", "nan", "9" * 400, "9" * 5_000, "-1", "\u0663", "0x10"):
        headers["x-slack-request-timestamp"] = stamp.encode()
        assert post(chat, body, headers).status_code == 401


def test_what_is_not_signed_by_slack_is_refused(chat, slack):
    """Another secret, no signature, a changed byte, an empty one, one beyond ASCII, a body that is no text."""
    chat.ask()
    payload = slack.press("approve", "U0ADA")
    body, headers = slack.signed(payload)
    other = slack.signed(payload, secret="another")[1]
    bare = {name: value for name, value in headers.items() if name != "x-slack-signature"}
    odd = [{**headers, "x-slack-signature": value} for value in (b"", "v0=ä".encode(), b"v1=00")]
    assert [post(chat, body, given).status_code for given in (other, bare, *odd)] == [401] * 5
    assert post(chat, body.replace(b"U0ADA", b"U0EVE"), headers).status_code == 401
    raw = b"payload=\xff\xfe"
    assert post(chat, raw, slack.headers(raw)).status_code == 401
    assert chat.state() == "pending"


def test_what_is_signed_and_no_payload_is_refused(chat, slack):
    """It is a 400, and changes nothing."""
    deep = b"payload=" + quote("[" * 9000).encode()
    for body in (b"", b"payload=", b"payload={", b"payload=1&payload=2", b"other={}", deep):
        assert post(chat, body, slack.headers(body)).status_code == 400


STRANGE = [
    ({"api_app_id": "A0OTHER"}, "for another app"),
    ({"team": {"id": "T0OTHER"}}, "from another workspace"),
    ({"team": None}, "from another workspace"),
    ({"user": {"id": "U0ADA", "team_id": "T0OTHER"}}, "from another workspace"),
    ({"type": "message_action"}, "not what Slack sends"),
    ({"actions": []}, "not one button"),
    ({"actions": [{"action_id": "approve", "value": "junk", "action_ts": "1"}]}, "not a button of ours"),
    ({"user": "U0ADA"}, "not what Slack sends"),
]


def test_what_is_not_for_us_is_refused(chat, slack):
    """Another app, another workspace (shared channels have guests of those), other kinds of payloads."""
    chat.ask()
    for change, why in STRANGE:
        assert why in chat.did(slack.press("approve", "U0ADA") | change)
    assert chat.state() == "pending"


def test_without_a_signing_secret_nothing_is_taken_by_http(world, slack):
    """Socket Mode alone leaves no door open."""
    chat = world(ON_CALL, slack=slack, signing_secret=None, app_token=slack.APP_TOKEN)
    chat.ask()
    body, headers = slack.signed(slack.press("approve", "U0ADA"))
    assert post(chat, body, headers).status_code == 404


# --- When Slack fails -------------------------------------------------------------------------------------------

OFTEN = [
    Reply(500, b"oops"),
    Reply(502),
    answer({"ok": False, "error": "internal_error"}),
    Reply(200, b"<html>no json</html>"),
    Reply(200, b"[]"),
    Reply(200, b"null"),
    Reply(200, b'{"ok":true}'),
    Reply(200, b'{"ok":', length=4_000),
    Reply(200, b"{}", wait=1.6),
]


@pytest.mark.parametrize("fault", OFTEN)
def test_a_failure_of_slack_is_tried_again(world, slack, fault):
    """After a while, not at once; then the message is there, once."""
    chat = world(ON_CALL, slack=slack, seconds=1)
    slack.faults.append(fault)
    chat.ask()
    assert slack.messages == {}
    assert chat.problem("on-call") != ""
    chat.step()
    assert len(slack.got) == 1
    chat.later(5_000)
    assert len(slack.messages) == 1
    assert chat.problem("on-call") == ""


def test_slack_says_how_long_to_wait(world, slack):
    """429 with Retry-After keeps the whole channel quiet for as long, and counts as no attempt."""
    chat = world(ON_CALL, slack=slack)
    slack.faults.append(answer({"ok": False, "error": "ratelimited"}, 429, Retry_After="30"))
    chat.ask("r1", likeness="1")
    chat.ask("r2", likeness="2")
    chat.later(20_000)
    assert len(slack.got) == 1
    chat.later(11_000)
    assert len(slack.messages) == 2


@pytest.mark.parametrize("error", ["invalid_auth", "token_revoked", "account_inactive"])
def test_a_revoked_token_is_said_clearly_and_not_tried_again_and_again(world, slack, error):
    """One attempt in ten minutes, however much waits; nothing is lost, and it goes on when the token is mended."""
    chat = world(ON_CALL, slack=slack)
    slack.error = error
    for n in range(5):
        chat.ask(f"r{n}", likeness=str(n))
    chat.later(60_000)
    assert len(slack.got) == 1
    assert f"Slack refuses the token ({error})" in chat.problem("on-call")
    health = chat.browser.get("/healthz").json()
    assert health["channels"] == {"on-call": chat.problem("on-call")}
    slack.error = ""
    chat.later(600_000)
    assert len(slack.messages) == 5
    assert chat.browser.get("/healthz").json()["channels"] == {}


def test_a_channel_that_slack_does_not_know(world, slack):
    """It is said which one, the delivery waits among the dead letters, and other channels go on."""
    chat = world(Channel("lost", "slack", "C9"), ON_CALL, slack=slack)
    chat.ask()
    assert "channel_not_found" in chat.problem("lost")
    assert [(d.channel, d.request_id) for d in chat.store.deliveries.dead()] == [("lost", "req-0001")]
    assert len(slack.messages) == 1
    chat.later(86_400_000)
    assert [call for call in slack.calls if call == "chat.postMessage"] == ["chat.postMessage"] * 2


def test_a_message_that_was_posted_twice_is_brought_up_to_date_by_a_click(chat, slack):
    """Where the answer to a posting got lost there are two; what is decided on either is shown on both."""
    slack.faults.append(Reply(200, b"", wait=0.0, length=10))
    chat.ask()
    ghost = ("C1", "1795000009.000001")
    chat.later(5_000)
    slack.messages[ghost] = newest(slack)  # the first one did arrive
    chat.did(slack.press("approve", "U0ADA", at=ghost))
    assert [buttons(message) for message in slack.messages.values()] == [["open"], ["open"]]
