"""Cards of any request, in both forms: valid for Slack and Teams, harmless, and complete or saying that they are not."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

import orjson
import pytest
from approval_makers import NOW, PEOPLE, principal, request
from channel_world import SITE, buttons, texts
from chat_servers import problems
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.channels.card import Seen, card, reviewed, seen_in
from approvals.channels.slack.blocks import fit, form, form_context, message
from approvals.channels.teams.cards import activity, announcement, personal
from approvals.lifecycle import Review
from approvals.rows import Listed
from approvals.web.params import param_lines
from approvals.web.security import BODY_LIMIT
from approvals.web.text import plain
from engine.ledger.model import ActionKind, Risk

WORDS = st.text(st.sampled_from("ab &<>!@#`*_~|[](){}\n\t\u202e\x1b\U0001f600é"), max_size=400) | st.text(max_size=80)
JSON = st.recursive(WORDS | st.integers() | st.none() | st.booleans(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=30)  # fmt: skip
REQUESTS = st.builds(
    request,
    st.just("req-0001"),
    action=WORDS.filter(bool),
    resource=WORDS,
    environment=WORDS,
    reason=WORDS,
    rule_reason=WORDS,
    rule_id=WORDS,
    params=st.dictionaries(WORDS, JSON, max_size=6).map(json.dumps) | WORDS,
    risk=st.sampled_from(Risk),
    kind=st.sampled_from(ActionKind),
    principals=WORDS.map(lambda text: (principal(f"agent:{text}"),)),
)


def huge(char):
    """A request of nothing but ``char``, as long as can be."""
    return request(
        action=char * 9_000,
        resource=char * 9_000,
        environment=char * 9_000,
        reason=char * 9_000,
        rule_reason=char * 9_000,
        params=json.dumps({f"{char * 90}{n}": char * 280 for n in range(60)}),
        principals=tuple(principal(f"agent:{n}{char * 5_000}") for n in range(12)),
    )


def nearly(char):
    """A request of ``char``, with parameters that just fit."""
    return request(params=json.dumps({f"p{n}": char * 70 for n in range(40)}))


LONG = ["x", "&", "<", "é", "\u202e", "\u4e2d", "\U0001f600", '"', "\\"]


def shown(made):
    return card(Listed(Review(made), 0, NOW), PEOPLE, now=NOW, site=SITE)


@settings(max_examples=60)
@given(REQUESTS | st.sampled_from(LONG).flatmap(lambda char: st.sampled_from([huge(char), nearly(char)])))
def test_any_request_is_a_valid_message(made):
    """Within Slack's limits, with & < > escaped, and a card that Teams knows, within its size."""
    found = shown(made)
    assert problems("slack_message", {"channel": "C1", **message(found)}) == []
    for adaptive in (announcement(found, verbs=True, users=["29:a"]), personal(found, {"approve", "deny", "ask"}, "x")):
        assert problems("adaptive_card", adaptive) == []
    assert problems("slack_view", {"trigger_id": "1", "view": form("deny", found.seen, "C1", "1.2")}) == []


@settings(max_examples=60)
@given(REQUESTS | st.sampled_from(LONG).flatmap(lambda char: st.sampled_from([huge(char), nearly(char)])))
def test_what_can_be_approved_is_shown_whole(made):
    """Where there is an approve button, every parameter stands there uncut, and the risk is not high."""
    found = shown(made)
    said = "\n".join(texts(message(found)))
    if "approve" in buttons(message(found)):
        assert made.risk in (Risk.LOW, Risk.MEDIUM)
        assert found.hidden == ""
        for path, value in param_lines(made.params):
            assert any(plain(path or "value") in line and plain(value) in line for line in found.params)
            assert all(line in said for line in found.params)
    else:
        assert found.why_open
        assert found.why_open in said.replace("&amp;", "&")


@pytest.mark.parametrize("char", LONG)
@pytest.mark.parametrize("make", [huge, nearly])
def test_the_longest_request_is_within_what_chats_take(char, make):
    """A card within Teams' 28 kB, and a click that Slack sends with its whole message within what we take."""
    found = shown(make(char))
    whole = message(found)
    assert problems("slack_message", {"channel": "C1", **whole}) == []
    assert len(quote_plus(json.dumps(whole))) < BODY_LIMIT - 8_192
    for adaptive in (
        announcement(found, verbs=True, users=["29:a" * 20] * 60),
        personal(found, {"approve", "deny"}, "x"),
    ):
        assert len(orjson.dumps(activity(adaptive))) < 28_000


@given(WORDS, st.integers(2, 60))
def test_text_is_escaped_before_it_is_cut(text, limit):
    """The result is within the limit, has no markup, and its escapes are whole."""
    found = fit(text, limit)
    assert len(found.encode("utf-16-le", "surrogatepass")) // 2 <= limit
    back = found.removesuffix("…").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert text.startswith(back)
    assert fit(back, 10_000).replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("<") == 0


@given(st.from_regex(r"[A-Za-z0-9_.:-]{1,60}", fullmatch=True), st.integers(1, 10**8))
def test_what_was_seen_travels_in_a_button_and_in_a_form(request_id, version):
    """And comes back as it was."""
    seen = Seen(request_id, version, "a" * 64)
    assert seen_in(seen.text()) == seen
    assert form_context(form("ask", seen, "C1", "1.2")["private_metadata"]) == (seen, "C1", "1.2")


@given(st.text(max_size=100))
def test_junk_is_nothing_that_was_seen(text):
    """Whatever stands in a button that is not ours."""
    found = seen_in(text)
    assert found is None or found.text() == text


def test_the_digest_covers_what_is_asked_and_what_is_shown():
    """Request, version, binding and view: each changes it."""
    base = reviewed(request())
    changed = [{"binding": "b"}, {"view_digest": "v"}, {"version": 2}]
    digests = {
        base.digest,
        reviewed(request("r2", binding=request().binding, view_digest=request().view_digest)).digest,
    }
    digests |= {reviewed(request(**one)).digest for one in changed}
    assert len(digests) == 5


def test_a_fact_is_reviewed_and_not_approved():
    """It has happened: the words say so."""
    found = shown(request(kind=ActionKind.FACT))
    assert found.title.startswith("Review needed")
    assert "has run" in found.sentence
    assert any("closes as not reviewed" in value for _, value in found.facts)
