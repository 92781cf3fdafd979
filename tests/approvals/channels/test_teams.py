"""Teams, end to end: the bot, and one-way workflows, against servers that check as Microsoft's do."""

from __future__ import annotations

import copy
import hmac
import json
import time
from base64 import urlsafe_b64encode

import pytest
from approval_makers import ADA, GRACE, LINUS, needs, principal
from channel_world import LOCAL, OPS, newest, teams_settings, texts
from chat_servers import Reply, answer, problems
from joserfc.jwk import RSAKey

from approvals.channels.settings import Channel
from approvals.channels.teams.inbound import known_service
from engine.ledger.model import Risk

HOSTILE = "<at>everyone</at> [Approved](https://evil.example) **_`x`_** {{DATE(2026-01-01)}} \u202e"


@pytest.fixture
def bot(world, teams):
    made = world(OPS, teams=teams)
    made.link(ADA, "ada")
    made.link(GRACE, "grace")
    return made


def titles(card):
    return [action["title"] for action in card["actions"]]


def action(card, title):
    return next(one for one in card["actions"] if one["title"] == title)


def post(bot, teams, activity, authorization=None):
    headers = {"authorization": teams.token() if authorization is None else authorization}
    result = bot.browser.post("/chat/teams", content=json.dumps(activity), headers=headers)
    bot.step()
    return result


def press(bot, teams, user, title, **data):
    """Somebody presses a button of the card as it is for them; the card that they get."""
    base = newest(teams)
    mine = card_of(post(bot, teams, teams.press(action(base, "Decide here"), user)))
    return mine if title == "Decide here" else card_of(post(bot, teams, teams.press(action(mine, title), user, **data)))


def card_of(response):
    assert response.status_code == 200
    given = response.json()
    assert given["statusCode"] == 200
    assert given["type"] == "application/vnd.microsoft.card.adaptive"
    assert problems("adaptive_card", given["value"]) == []
    return given["value"]


def test_a_request_is_posted_and_each_person_sees_their_own_buttons(bot, teams):
    """Everybody sees what is asked; who may decide gets the buttons, who may not reads why."""
    bot.ask(principals=(principal("agent:etl-7"), principal("local:grace")))
    base = newest(teams)
    said = "\n".join(texts(base))
    assert "agent:etl-7 wants to run export_table on customers in production." in said
    assert "rows = 41000" in said
    assert titles(base) == ["Decide here", "Open"]
    assert titles(press(bot, teams, "ada", "Decide here")) == ["Approve", "Deny", "Ask", "Open"]
    hers = press(bot, teams, "grace", "Decide here")
    assert titles(hers) == ["Open"]
    assert "You cannot decide on it: you initiated this action" in "\n".join(texts(hers))


def test_a_card_refreshes_by_itself_for_who_may_decide(bot, teams):
    """Those linked people whom Teams has shown us before, and who are not a party."""
    bot.ask("r1", likeness="1")
    assert "refresh" not in newest(teams)
    press(bot, teams, "ada", "Decide here")
    press(bot, teams, "grace", "Decide here")
    bot.ask("r2", likeness="2", principals=(principal("local:grace"),))
    assert newest(teams)["refresh"]["userIds"] == ["29:ada"]


def test_approving_in_teams_counts_and_the_message_is_written_anew(bot, teams):
    """The vote is theirs, by this channel; the card of everybody says who decided."""
    bot.ask()
    told = press(bot, teams, "ada", "Approve")
    assert texts(told)[0].startswith("Approved.")
    assert titles(told) == ["Open"]
    vote = bot.store.get("req-0001").review.verdict.votes[0]
    assert (vote.subject, vote.channel) == ("ada", "teams")
    assert "Approved by Ada Lindqvist" in "\n".join(texts(newest(teams)))
    assert (len(teams.messages), teams.updates) == (1, 1)


def test_a_denial_needs_words_and_a_question_too(bot, teams):
    """They are typed into the card, and scrubbed."""
    bot.ask(requirement=needs(2))
    assert "a denial needs a reason" in " ".join(texts(press(bot, teams, "ada", "Deny", words=" "))).lower()
    assert "Asked" in " ".join(texts(press(bot, teams, "ada", "Ask", words="who has hunter2?")))
    assert "who has [PASSWORD]?" in " ".join(texts(newest(teams)))
    assert texts(press(bot, teams, "grace", "Deny", words="no"))[0].startswith("Denied.")


def test_a_stale_card_is_refused_with_the_difference(bot, teams):
    """Version and digest are those of the card that was pressed."""
    made = bot.ask()
    old = action(press(bot, teams, "ada", "Decide here"), "Approve")
    bot.ask(version=2, resource="payments", created=made.created, expires=made.expires)
    told = " ".join(texts(card_of(post(bot, teams, teams.press(old, "ada")))))
    assert "you saw version 1, it is version 2 now" in told
    assert "customers → payments" in told
    assert bot.state() == "pending"


def test_high_risk_has_open_alone(bot, teams):
    """A made-up button is refused."""
    bot.ask("r0", likeness="0")
    forged = action(newest(teams), "Decide here")
    made = bot.ask(risk=Risk.HIGH)
    assert titles(newest(teams)) == ["Open"]
    from approvals.channels.card import reviewed

    forged = {**forged, "verb": "approve", "data": {"seen": reviewed(made).text()}}
    told = " ".join(texts(card_of(post(bot, teams, teams.press(forged, "ada")))))
    assert "approved on the page" in told
    assert bot.state() == "pending"


def test_who_is_not_linked_is_asked_for_a_code(world, teams):
    """It links the account from which Teams says that it came."""
    bot = world(OPS, teams=teams)
    bot.ask()
    asked = press(bot, teams, "linus", "Decide here")
    assert titles(asked) == ["Link", "Open"]
    wrong = card_of(post(bot, teams, teams.press(action(asked, "Link"), "linus", code="AAAAA-AAAAA")))
    assert "wrong" in texts(wrong)[0]
    code = bot.store.links.code(LINUS.identity, at=bot.clock())
    linked = card_of(post(bot, teams, teams.press(action(asked, "Link"), "linus", code=code)))
    assert "counts as Linus Berg (local:linus)" in texts(linked)[0]
    assert bot.store.links.of(LINUS.identity)[0].address == "29:linus"


def test_hostile_content_is_shown_and_does_nothing(bot, teams):
    """All text stands in runs, which read no Markdown; the schema knows no other element with text."""
    bot.ask(action=HOSTILE, resource=HOSTILE, reason=HOSTILE, rule_reason=HOSTILE, params={HOSTILE: HOSTILE})
    assert problems("adaptive_card", newest(teams)) == []
    assert all("\u202e" not in text for text in texts(newest(teams)))


# --- Whether it was Teams ---------------------------------------------------------------------------------------


def changed(activity, *path, to):
    found = activity
    for part in path[:-1]:
        found = found[part]
    found[path[-1]] = to
    return activity


@pytest.fixture
def approval(bot, teams):
    """What Ada presses to approve."""
    bot.ask()
    return teams.press(action(press(bot, teams, "ada", "Decide here"), "Approve"), "ada")


NOW = time.time()
OTHER = RSAKey.generate_key(2048, auto_kid=True)
CLAIMS = [
    {"iss": "https://evil.example"},
    {"aud": "another-app"},
    {"aud": ["0a1b2c3d-app"]},
    {"exp": NOW - 400},
    {"exp": None},
    {"exp": "soon"},
    {"nbf": NOW + 3600},
    {"serviceurl": "https://smba.trafficmanager.net/emea/"},
    {"serviceurl": None},
]


def test_a_token_for_something_else_is_refused(bot, teams, approval):
    """Issuer, audience, time and service URL have all to be right."""
    for claims in CLAIMS:
        assert post(bot, teams, approval, teams.token(**claims)).status_code == 401
    assert bot.state() == "pending"


def shared_secret_token(key, kid, url, audience):
    """A token whose signature takes a public key for a shared secret."""

    def part(content):
        return urlsafe_b64encode(content).rstrip(b"=")

    claims = {"iss": "https://api.botframework.com", "aud": audience, "exp": NOW + 3600, "serviceurl": url}
    head = part(json.dumps({"alg": "HS256", "kid": kid}).encode()) + b"." + part(json.dumps(claims).encode())
    return "Bearer " + (head + b"." + part(hmac.digest(key, head, "sha256"))).decode()


def test_a_token_that_is_no_token_is_refused(bot, teams, approval):
    """None, junk, another key, another key under a known name, no algorithm, a shared secret made of the public key."""
    confused = shared_secret_token(teams.KEY.as_pem(private=False), teams.KEY.kid, teams.url, teams.APP)
    bad = [
        "",
        "Bearer ",
        "Bearer junk",
        "Bearer a.b.c",
        "Basic YTpi",
        teams.token(key=OTHER),
        teams.token(key=OTHER, header={"kid": teams.KEY.kid}),
        teams.token()[:-4] + "AAAA",
        "Bearer " + "x" * 20_000,
        confused,
    ]
    assert [post(bot, teams, approval, token).status_code for token in bad] == [401] * len(bad)
    assert bot.state() == "pending"


def test_a_key_that_is_not_for_teams_is_refused(bot, teams, approval):
    """The Bot Connector says for which channels each of its keys is."""
    bot.channels.teams._tokens._until = 0.0  # what it knows of keys is old
    teams.endorsements = ["webchat"]
    assert post(bot, teams, approval).status_code == 401


def test_keys_are_asked_for_seldom(bot, teams, approval):
    """Unknown keys do not have us ask again and again."""
    for _ in range(5):
        post(bot, teams, approval, teams.token(key=OTHER))
    assert [got.path for got in teams.got].count("/keys") == 1
    bot.clock.ahead += 61_000
    post(bot, teams, approval, teams.token(key=OTHER))
    assert [got.path for got in teams.got].count("/keys") == 2


def test_keys_that_are_away_let_nobody_in(world, teams):
    """Fail closed."""
    bot = world(OPS, teams=teams)
    bot.ask()
    teams.faults.append(Reply(500))
    assert post(bot, teams, teams.press(action(newest(teams), "Decide here"), "ada")).status_code == 401


STRANGE = [
    (("conversation", "tenantId"), "another-tenant", 403),
    (("channelId",), "webchat", 403),
    (("from", "aadObjectId"), "", 403),
    (("value", "action", "verb"), "approve_all", 403),
    (("value", "action", "data"), {}, 403),
    (("name",), "task/fetch", 403),
    (("serviceUrl",), "https://evil.example/", 401),
    (("type",), "message", 200),
]


def test_what_is_not_for_us_is_refused(bot, teams, approval):
    """Another tenant, another channel, other kinds of activities; what needs no answer gets an empty one."""
    for path, to, status in STRANGE:
        assert post(bot, teams, changed(copy.deepcopy(approval), *path, to=to)).status_code == status
    assert bot.state() == "pending"


def test_junk_with_a_good_token_changes_nothing(bot, teams):
    """It is refused, and no error."""
    headers = {"authorization": teams.token()}
    for body in ("", "[]", "{", "null", '"x"', "[" * 5_000):
        assert bot.browser.post("/chat/teams", content=body, headers=headers).status_code in (401, 403)


def test_a_service_at_another_host_is_refused():
    """Our token goes to the hosts that are named, over TLS."""
    hosts = ("smba.trafficmanager.net", "127.0.0.1")
    assert known_service("https://smba.trafficmanager.net/teams/", hosts)
    assert known_service("http://127.0.0.1:3978/", hosts)
    for url in (
        "http://smba.trafficmanager.net/",
        "https://smba.trafficmanager.net.evil.example/",
        "https://smba.trafficmanager.net@evil.example/",
        "https://evil.example/smba.trafficmanager.net",
        "",
    ):
        assert not known_service(url, hosts)


# --- When Teams fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Reply(500), Reply(502), Reply(412), Reply(201, b"{}"), Reply(201, b"junk"), Reply(201, b"{}", wait=1.4)]
)
def test_a_failure_of_teams_is_tried_again(world, teams, fault):
    """The sign-in is fine, the connector fails; later the message is there, once."""
    bot = world(OPS, teams=teams, seconds=1)
    teams.faults.extend([answer({"access_token": "made-0", "expires_in": 3600}), fault])
    bot.ask()
    assert teams.messages == {}
    assert bot.problem("ops") != ""
    bot.later(5_000)
    assert (len(teams.messages), bot.problem("ops")) == (1, "")


def test_teams_says_how_long_to_wait(bot, teams):
    """429 with Retry-After keeps the channel quiet for as long."""
    bot.ask("r0", likeness="0")
    teams.faults.append(Reply(429, headers=(("retry-after", "20"),)))
    bot.ask("r1", likeness="1")
    before = len(teams.got)
    bot.later(15_000)
    assert len(teams.got) == before
    bot.later(6_000)
    assert len(teams.messages) == 2


def test_a_refused_secret_is_said_clearly_and_not_tried_again_and_again(world, teams):
    """One attempt in ten minutes; it goes on when it is mended."""
    bot = world(OPS, teams=teams)
    teams.refuses = True
    for n in range(4):
        bot.ask(f"r{n}", likeness=str(n))
    bot.later(60_000)
    assert len(teams.got) == 1
    assert "app_id or secret is refused" in bot.problem("ops")
    teams.refuses = False
    bot.later(600_000)
    assert len(teams.messages) == 4


def test_a_token_of_ours_is_made_anew_when_it_is_over_or_refused(bot, teams):
    """An hour later, and when the connector no longer takes it."""
    bot.ask("r0", likeness="0")
    bot.later(3_600_000)
    bot.ask("r1", likeness="1")
    assert (teams.tokens_made, len(teams.messages)) == (2, 2)
    teams.tokens_made += 5  # the one that it has is no longer taken
    bot.ask("r2", likeness="2")
    assert "refuses the bot (401)" in bot.problem("ops")
    bot.later(600_000)
    assert len(teams.messages) == 3


def test_a_conversation_that_teams_does_not_know(world, teams):
    """It is said, and waits among the dead letters."""
    bot = world(Channel("lost", "teams", "19:nope@thread.tacv2"), teams=teams)
    bot.ask()
    assert "refuses the conversation (404)" in bot.problem("lost")
    assert len(bot.store.deliveries.dead()) == 1


# --- Workflows --------------------------------------------------------------------------------------------------


def flow(teams):
    return Channel("flow", "workflow", f"{teams.url}flow", allowed=LOCAL)


def test_a_workflow_is_told_what_comes_changes_and_ends(world, teams):
    """What it posted cannot be written anew, so it posts again, and not for each vote; there is Open alone."""
    bot = world(flow(teams))
    made = bot.ask(requirement=needs(2))
    assert titles(teams.flow[0]) == ["Open"]
    bot.approve()
    bot.step()
    assert len(teams.flow) == 1
    bot.ask(version=2, resource="payments", created=made.created, expires=made.expires)
    bot.deny()
    bot.step()
    assert ["payments" in " ".join(texts(card)) for card in teams.flow] == [False, True, True]
    assert "Denied by Grace Okafor" in " ".join(texts(teams.flow[-1]))


@pytest.mark.parametrize(
    ("fault", "dead"), [(Reply(500), False), (Reply(429), False), (Reply(401), True), (Reply(404), True)]
)
def test_a_workflow_that_fails(world, teams, fault, dead):
    """It is tried again, unless its URL is no good any more: whoever made it may have left."""
    bot = world(flow(teams))
    teams.faults.append(fault)
    bot.ask()
    assert bool(bot.store.deliveries.dead()) is dead
    bot.later(60_000)
    assert len(teams.flow) == (0 if dead else 1)
    assert ("URL" in bot.problem("flow")) is dead


def test_the_settings_print_no_secret(teams):
    """Of the bot, of the workflow's URL, which is one."""
    assert teams.SECRET not in repr(teams_settings(teams))
    assert teams.url not in repr(flow(teams))
