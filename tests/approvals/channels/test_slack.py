"""Slack, end to end: what a channel sees, what people do to it, and what a server like Slack's answers."""

from __future__ import annotations

import json

import pytest
from approval_makers import ADA, GRACE, LINUS, PEOPLE, needs, person, principal, request
from channel_world import ON_CALL, buttons, newest, siem, texts

from approvals.channels.card import reviewed
from approvals.channels.settings import Channel, Route
from approvals.person import Roster
from engine.ledger.model import ActionKind, Risk

HOSTILE = "<!channel> <https://evil.example|Approved> `*_~ ```code``` & @here \u202e\x1b[2J"


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


def test_the_policy_names_the_channel(world, slack, hook):
    """Then people are told there and nowhere else; a webhook hears by its route all the same."""
    payments = Channel("payments", "slack", "C2", Route(frozenset({Risk.CRITICAL})))
    chat = world(ON_CALL, payments, siem(hook), slack=slack)
    chat.ask(requirement=needs(1, channels=("payments",)))
    chat.ask("req-0002", likeness="2")
    assert [(one["channel"], one["blocks"][-1]["elements"][-1]["url"][-8:]) for one in slack.messages.values()] == [
        ("C2", "req-0001"),
        ("C1", "req-0002"),
    ]
    assert len(hook.events) == 2
    assert chat.problem("payments") == ""


def test_a_channel_that_the_policy_alone_knows(world, slack):
    """People are told all the same, where the other channels are routed, and the health page says what is wrong."""
    chat = world(ON_CALL, slack=slack)
    chat.ask(requirement=needs(1, channels=("on-cal",)))
    assert len(slack.messages) == 1
    assert chat.problem("on-cal") == "the policy names this channel, and channels.yaml does not"


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
