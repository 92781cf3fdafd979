"""The page on which somebody gets the code that links their account in a chat."""

from __future__ import annotations

import re

import pytest
from approval_makers import ADA
from channel_world import ON_CALL

TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@pytest.fixture
def page(world, slack):
    return world(ON_CALL, slack=slack)


def sign_in(world, person="ada"):
    form = TOKEN.search(world.browser.get("/sign-in").text)
    answer = world.browser.post("/sign-in", data={"csrf": form[1], "person": person}, follow_redirects=False)
    assert answer.status_code == 303


def send(world, path, **data):
    form = TOKEN.search(world.browser.get("/chat").text)
    return world.browser.post(path, data={"csrf": form[1], **data})


def test_a_code_is_given_to_who_is_signed_in(page):
    """It links the account that it is typed into, which the page then lists; unlinking ends that."""
    sign_in(page)
    assert 'href="/chat"' in page.browser.get("/").text
    found = re.search(r"<code>([2-9A-Z]{5}-[2-9A-Z]{5})</code>", send(page, "/chat/code").text)
    assert found is not None
    assert page.store.links.redeem("slack:T0TEAM", "U0ADA", found[1], at=page.clock()) == ADA.identity
    assert "U0ADA" in page.browser.get("/chat").text
    send(page, "/chat/unlink", place="slack:T0TEAM", chat_user="U0ADA")
    assert "U0ADA" not in page.browser.get("/chat").text
    assert page.store.links.who("slack:T0TEAM", "U0ADA") is None


def test_nobody_gets_a_code_without_signing_in_or_by_a_form_of_another_site(page):
    """The code stands for the person: whoever has it decides as they."""
    assert page.browser.get("/chat", follow_redirects=False).status_code == 303
    assert page.browser.post("/chat/code", follow_redirects=False).status_code in (303, 403)
    sign_in(page)
    assert page.browser.post("/chat/code", data={"csrf": "0" * 64}).status_code == 403


def test_where_there_are_no_chats_there_is_no_page(world):
    """Nothing is there that nobody set up."""
    bare = world()
    sign_in(bare)
    assert 'href="/chat"' not in bare.browser.get("/").text
    assert bare.browser.get("/chat").status_code == 404
    assert bare.browser.post("/chat/slack", content=b"").status_code == 404
    assert bare.browser.post("/chat/teams", content=b"").status_code == 404
