"""Slack, end to end: what a channel sees, what people do to it, and what a server like Slack's answers."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from approval_makers import ADA, GRACE, LINUS, PEOPLE, needs, person, principal, request
from channel_world import ON_CALL, buttons, texts, until
from chat_servers import Reply, answer

from approvals.channels.card import reviewed
from approvals.channels.settings import Channel, Route
from approvals.channels.slack.signature import genuine
from approvals.person import Roster
from engine.ledger.model import ActionKind, Risk

HOSTILE = "<!channel> <https://evil.example|Approved> `*_~ ```code``` & @here \u202e\x1b[2J"


@pytest.fixture
def chat(world, slack):
    made = world(ON_CALL, slack=slack)
    made.link(ADA, "U0ADA")
    made.link(GRACE, "U0GRACE")
    made.link(LINUS, "U0LINUS")
    return made


def newest(slack):
    return slack.messages[next(reversed(slack.messages))]


def test_a_request_is_posted_with_all_that_a_decision_needs(chat, slack):
    """One sentence, risk, deadline, parameters, fingerprint, and four buttons; Slack finds nothing wrong with it."""
    made = chat.ask(params={"table": "customers", "rows": 41000})
    message = newest(slack)
    said = "\n".join(texts(message))
    assert "agent:etl-7 wants to run export_table on customers in production." in said
    for part in ("MEDIUM", "bulk-export", "rows = 41000", "is denied", "0 of 1", "EMAIL", "weekly churn report"):
        assert part in said
    assert f"Fingerprint {made.binding[:4]} {made.binding[4:8]} {made.binding[8:12]}, version 1" in said
    assert buttons(message) == ["approve", "deny", "ask", "open"]
    assert chat.problem("on-call") == ""


def test_only_what_the_route_takes_is_posted(world, slack):
    """A channel is told of the risks, environments, rules and kinds that are its, and of nothing else."""
    route = Route(frozenset({Risk.LOW}), ("prod*",), ("bulk-*",), frozenset({ActionKind.PROPOSAL}))
    chat = world(Channel("on-call", "slack", "C1", route), slack=slack)
    chat.ask("r1", risk=Risk.LOW, likeness="1")
    chat.ask("r2", risk=Risk.MEDIUM, likeness="2")
    chat.ask("r3", risk=Risk.LOW, environment="staging", likeness="3")
    chat.ask("r4", risk=Risk.LOW, rule_id="grants", likeness="4")
    chat.ask("r5", risk=Risk.LOW, kind=ActionKind.FACT, likeness="5")
    assert [m["blocks"][-1]["elements"][-1]["url"].rsplit("/", 1)[1] for m in slack.messages.values()] == ["r1"]


def test_approving_in_slack_counts_as_the_person_who_linked_the_account(chat, slack):
    """The vote stands in the log with their identity and the channel, the message says so, the buttons are gone."""
    chat.ask()
    told = chat.did(slack.press("approve", "U0ADA"))
    assert told.startswith("Approved.")
    assert chat.state() == "released"
    vote = chat.store.get("req-0001").review.verdict.votes[0]
    assert (vote.issuer, vote.subject, vote.channel) == ("local", "ada", "slack")
    message = newest(slack)
    assert "Approved by Ada Lindqvist" in "\n".join(texts(message))
    assert buttons(message) == ["open"]
    assert len(slack.messages) == 1


def test_denying_opens_a_form_and_the_reason_is_scrubbed(chat, slack):
    """A denial needs words; they go through the scrubber, and what was taken out is nowhere in the channel."""
    chat.ask()
    assert chat.did(slack.press("deny", "U0GRACE")) == ""
    assert chat.state() == "pending"
    assert chat.did(slack.submit("U0GRACE", "the password is hunter2")).startswith("Denied.")
    said = "\n".join(texts(newest(slack)))
    assert "Denied by Grace Okafor" in said
    assert "the password is [PASSWORD]" in said
    assert "hunter2" not in said + json.dumps(slack.whispers[-1])


def test_a_question_and_its_answer_make_a_new_version_with_a_new_button(chat, slack):
    """The old button is refused and says what has changed; the new one counts."""
    made = chat.ask(principals=(principal("agent:etl-7"), principal("local:linus")))
    old = slack.press("approve", "U0ADA")
    chat.did(slack.press("ask", "U0ADA"))
    assert "Asked" in chat.did(slack.submit("U0ADA", "which customers?"))
    assert buttons(newest(slack)) == ["deny", "open"]
    assert "Asked: which customers?" in texts(newest(slack))
    chat.service.answer("req-0001", LINUS, "those of 2019", version=1, channel="page")
    chat.step()
    told = chat.did(old)
    assert "you saw version 1, it is version 2 now" in told
    assert "which customers? → those of 2019" in told
    assert chat.state() == "pending"
    assert chat.did(slack.press("approve", "U0ADA")).startswith("Approved.")
    assert made.view_digest != chat.store.get("req-0001").review.verdict.view_digest


def test_what_has_changed_is_told_to_who_saw_the_old_version(chat, slack):
    """A stale click changes nothing, and says field by field what is different."""
    made = chat.ask()
    old = slack.press("approve", "U0ADA")
    chat.ask(version=2, resource="payments", params={"rows": 9}, created=made.created, expires=made.expires)
    told = chat.did(old)
    assert "Nothing was recorded" in told
    assert "resource: customers → payments" in told
    assert "params.rows: 41000 → 9" in told
    assert chat.state() == "pending"
    assert "payments" in "\n".join(texts(newest(slack)))
    assert len(slack.messages) == 1


@pytest.mark.parametrize(
    ("user", "why"), [("U0ADA", "you initiated this action"), ("U0LINUS", "you are not in local:")]
)
def test_who_may_not_decide_may_not_in_slack_either(chat, slack, user, why):
    """Whoever takes part in the action, or is not asked, is refused with the reason; an auditor finds the attempt."""
    chat.ask(principals=(principal("email:Ada@example.com"),))
    assert why in chat.did(slack.press("approve", user))
    assert chat.state() == "pending"
    refused = [e for e in chat.store.events("req-0001") if e.event == "refused"]
    assert [(e.channel, e.actor) for e in refused] == [("slack", f"local:{user[2:].lower()}")]


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
def test_high_risk_is_approved_on_the_page_alone(chat, slack, risk):
    """There is only Open; a button that somebody made themselves is refused, and whose action it is hears that first."""
    made = chat.ask(risk=risk)
    assert buttons(newest(slack)) == ["open"]
    assert "freshly signed in" in "\n".join(texts(newest(slack)))
    forged = slack.click("approve", "U0ADA", reviewed(made).text())
    assert "approved on the page, freshly signed in" in chat.did(forged)
    assert chat.state() == "pending"
    mine = chat.ask("r2", risk=risk, principals=(principal("local:ada"),), likeness="2")
    assert "you initiated" in chat.did(slack.click("approve", "U0ADA", reviewed(mine).text()))


def test_what_does_not_fit_into_a_message_is_approved_on_the_page(chat, slack):
    """Nobody approves what they were not shown: the button is missing, and a made one is refused."""
    made = chat.ask(params={f"key{n}": "v" * 200 for n in range(40)})
    message = newest(slack)
    assert buttons(message) == ["deny", "ask", "open"]
    assert any("of 40 parameters" in text for text in texts(message))
    assert "does not fit" in chat.did(slack.click("approve", "U0ADA", reviewed(made).text()))
    assert chat.state() == "pending"


def test_a_button_of_another_request_does_nothing(chat, slack):
    """Version and digest are those of what was looked at: a decision never goes to another call."""
    one, two = chat.ask("r1", likeness="1"), chat.ask("r2", likeness="2")
    swapped = reviewed(one)._replace(request_id=two.request_id)
    assert "does not belong" in chat.did(slack.click("approve", "U0ADA", swapped.text()))
    assert "no such request" in chat.did(slack.click("approve", "U0ADA", swapped._replace(request_id="r9").text()))
    assert (chat.state("r1"), chat.state("r2")) == ("pending", "pending")


def test_one_click_that_comes_twice_counts_once(chat, slack):
    """Slack may send again what it has sent: the second time nothing happens, not even an answer."""
    chat.ask(requirement=needs(2))
    click = slack.press("approve", "U0ADA")
    assert "1 more needed" in chat.did(click)
    assert chat.did(click) == ""
    assert [e.event for e in chat.store.events("req-0001")].count("vote approve") == 1
    assert "1 of 2" in "\n".join(texts(newest(slack)))


def test_decided_elsewhere_and_told_after_a_restart(world, slack):
    """The message of a request that was decided while nothing ran is written anew by the next process."""
    chat = world(ON_CALL, slack=slack)
    chat.ask()
    chat.approve()
    chat.close()
    assert buttons(newest(slack)) == ["approve", "deny", "ask", "open"]
    again = world(ON_CALL, slack=slack)
    again.step()
    assert buttons(newest(slack)) == ["open"]
    assert "Approved by Ada Lindqvist" in "\n".join(texts(newest(slack)))
    assert (len(slack.messages), slack.updates) == (1, 1)


def test_expiry_and_withdrawal_are_told(chat, slack):
    """Silence is a denial, and the channel says so."""
    chat.ask("r1", likeness="1")
    chat.ask("r2", likeness="2", principals=(principal("local:ada"),))
    chat.service.withdraw("r2", ADA, "not needed", channel="page")
    chat.later(2 * 3_600_000)
    said = ["\n".join(texts(message)) for message in slack.messages.values()]
    assert "Expired" in said[0]
    assert "silence is a denial" in said[0]
    assert "Withdrawn" in said[1]


def test_repeats_make_no_noise(chat, slack):
    """A request that only repeats one that waits is not posted, nor when both end."""
    chat.ask("r1")
    chat.ask("r2", likeness=request("r1").likeness)
    assert chat.state("r2") == "repeat"
    chat.deny("r1")
    chat.step()
    assert len(slack.messages) == 1


def test_hostile_content_is_shown_and_does_nothing(chat, slack):
    """Mentions, links, backticks and control characters stand there as text: nothing in a message reads markup."""
    chat.ask(
        action=HOSTILE,
        resource=HOSTILE,
        reason=HOSTILE,
        rule_reason=HOSTILE,
        params={HOSTILE: HOSTILE * 3},
        principals=(principal(f"agent:{HOSTILE}"),),
    )
    message = newest(slack)
    kinds = {
        "plain_text",
        "text",
        "header",
        "section",
        "context",
        "rich_text",
        "rich_text_preformatted",
        "actions",
        "button",
    }

    def types(node):
        if isinstance(node, dict):
            return {node.get("type")} | {kind for value in node.values() for kind in types(value)}
        return {kind for one in node for kind in types(one)} if isinstance(node, list) else set()

    assert types(message) - {None} <= kinds
    assert "<" not in message["text"]
    assert "\x1b" not in json.dumps(message, ensure_ascii=False)
    assert "&lt;!channel&gt;" in message["text"]
    chat.did(slack.press("deny", "U0GRACE"))
    assert chat.did(slack.submit("U0GRACE", HOSTILE)).startswith("Denied.")
    assert "<" not in newest(slack)["text"]


# --- Who it is --------------------------------------------------------------------------------------------------


def test_an_account_is_linked_by_a_code_from_the_page(world, slack):
    """Who is not linked is told how; the code counts once, from the account that it was typed into."""
    chat = world(ON_CALL, slack=slack)
    chat.ask()
    assert "not linked" in chat.did(slack.press("approve", "U0ADA"))
    offer = slack.whispers[-1][2]["blocks"][-1]["elements"][0]
    assert offer["action_id"] == "link"
    code = chat.store.links.code(ADA.identity, at=chat.clock())
    chat.did(slack.click("link", "U0ADA", offer["value"]))
    assert "wrong" in chat.did(slack.submit("U0ADA", "AAAAA-AAAAA"))
    chat.did(slack.click("link", "U0ADA", offer["value"]))
    assert "counts as Ada Lindqvist (local:ada)" in chat.did(slack.submit("U0ADA", code.lower()))
    chat.did(slack.click("link", "U0EVIL", offer["value"]))
    assert "wrong, used" in chat.did(slack.submit("U0EVIL", code))
    assert chat.did(slack.press("approve", "U0ADA")).startswith("Approved.")


def test_who_has_left_no_longer_counts(chat, slack):
    """The link leads to the roster as it is now."""
    chat.ask()
    chat.service.people = Roster([GRACE])
    assert "not linked" in chat.did(slack.press("approve", "U0ADA"))
    assert chat.state() == "pending"


def test_the_user_is_who_slack_says_and_nobody_else(chat, slack):
    """A form is of who sends it, whoever opened it."""
    chat.ask()
    chat.did(slack.press("deny", "U0GRACE"))
    assert "not linked" in chat.did(slack.submit("U0EVIL", "no"))
    assert chat.state() == "pending"


def email(address, **more):
    return {"is_email_confirmed": True, "profile": {"email": address}, **more}


NO_LINK = [
    email("ada@example.com", is_email_confirmed=False),
    email("ada@example.com", is_restricted=True),
    email("ada@example.com", is_bot=True),
    email("both@example.com"),
    email("nobody@example.com"),
    {"profile": {"email": "ada@example.com"}},
]


def test_an_email_links_where_that_is_wanted(world, slack):
    """Only with match_email, confirmed, of a full member, and where it is one person's alone."""
    chat = world(ON_CALL, slack=slack, match_email=True)
    twins = [person(name, "email:both@example.com") for name in ("kim", "lee")]
    chat.service.people = Roster([*PEOPLE.values(), *twins])
    chat.ask()
    for profile in NO_LINK:
        slack.users["U0ADA"] = profile
        assert "not linked" in chat.did(slack.press("approve", "U0ADA"))
    slack.users["U0ADA"] = email("Ada@Example.com")
    assert chat.did(slack.press("approve", "U0ADA")).startswith("Approved.")


def test_an_email_does_not_link_unless_that_is_wanted(world, slack):
    """Without match_email Slack is not even asked."""
    chat = world(ON_CALL, slack=slack)
    slack.users["U0ADA"] = email("ada@example.com")
    chat.ask()
    assert "not linked" in chat.did(slack.press("approve", "U0ADA"))
    assert "users.info" not in slack.calls


# --- What comes in ----------------------------------------------------------------------------------------------


def post(chat, body, headers):
    return chat.browser.post("/chat/slack", content=body, headers=headers)


def test_a_signed_click_is_acknowledged_at_once_and_done_afterwards(chat, slack):
    """The answer does not wait for Slack's own API, however slow that is."""
    chat.ask()
    body, headers = slack.signed(slack.press("approve", "U0ADA"))
    slack.faults.append(Reply(200, b'{"ok":true}', wait=1.0))  # of the answer to the person
    began = time.monotonic()
    assert post(chat, body, headers).status_code == 200
    assert time.monotonic() - began < 0.9
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
