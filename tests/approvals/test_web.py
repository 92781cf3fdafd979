"""The pages and the API: who sees what, who may do what, and that nothing in a record can do anything."""

from __future__ import annotations

import html
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
from approval_makers import MINUTE, NOW, PEOPLE, SANITIZED, needs, principal, request
from starlette.exceptions import StarletteDeprecationWarning

from approvals.people import hash_token, new_token
from approvals.person import Roster
from approvals.web.app import WebSettings, create_app
from approvals.web.security import BODY_LIMIT, COOKIE, SESSION_SECONDS, is_loopback, read_secret
from approvals.web.view import must_type
from detectors.errors import ConfigError
from engine.ledger.model import ActionKind, PrincipalRole, Redaction, Risk, Seat
from engine.records import OutputRecord

with warnings.catch_warnings():
    # It would rather have httpx2; with the httpx that the CLI uses anyway it works as well.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8787"
TOKENS = {name: new_token() for name in ("ada", "grace", "linus")}
FORM_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@pytest.fixture
def app(site):
    people = [replace(p, token_hash=hash_token(TOKENS[p.id])[7:]) for p in PEOPLE.values()]
    site.service.people = Roster(people)
    return create_app(site.service, WebSettings(secret=b"s" * 32))


class Browser:
    """A browser without JavaScript: it keeps cookies and sends forms with their hidden fields."""

    def __init__(self, app, who: str | None = None) -> None:
        self.client = TestClient(app, base_url=BASE, follow_redirects=False)
        if who:
            answer = self.post("/sign-in", {"person": who}, page="/sign-in")
            assert answer.status_code == 303, answer.text

    def get(self, path: str):
        return self.client.get(path)

    def form_token(self, page: str) -> str:
        found = FORM_TOKEN.search(self.get(page).text)
        assert found is not None
        return found[1]

    def post(self, path: str, data: dict[str, str], *, page: str = "/"):
        return self.client.post(path, data={"csrf": self.form_token(page), **data})

    def vote(self, request_id: str = "req-0001", decision: str = "approve", **more: str):
        data = {"decision": decision, "version": "1", "reason": "because", **more}
        return self.post(f"/requests/{request_id}/vote", data)


@pytest.fixture
def browser(app) -> Iterator:
    opened: list[Browser] = []

    def open_(who: str | None = None) -> Browser:
        opened.append(Browser(app, who))
        return opened[-1]

    yield open_
    for one in opened:
        one.client.close()


@pytest.fixture
def ada(browser):
    return browser("ada")


def put(site, *requests):
    site.put(*requests)
    site.step()


def text_of(page: str) -> str:
    """What a page says, without markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


# --- Signing in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/history", "/requests/req-0001", "/requests/req-0001/whole"])
def test_nobody_sees_anything_before_signing_in(site, browser, path):
    """Every page leads to the sign-in form, and back."""
    put(site, request())
    answer = browser().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?to={path}"
    assert "customers" not in answer.text


def test_the_demo_sign_in_says_that_it_is_one(browser):
    """It lists the demo people only, and says what such a sign-in is worth."""
    page = text_of(browser().get("/sign-in").text)
    assert "This is a demo sign-in." in page
    assert "Ada Lindqvist" in page
    assert "Grace Okafor" in page
    assert "Linus" not in page


def test_who_is_no_demo_person_needs_a_token(browser):
    """A name alone signs nobody else in; a token does."""
    visitor = browser()
    assert visitor.post("/sign-in", {"person": "linus"}, page="/sign-in").status_code == 403
    assert visitor.post("/sign-in", {"token": "sgr_wrong"}, page="/sign-in").status_code == 403
    answer = visitor.post("/sign-in", {"token": TOKENS["linus"], "to": "/history"}, page="/sign-in")
    assert (answer.status_code, answer.headers["location"]) == (303, "/history")
    assert "Linus Berg" in visitor.get("/").text


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "/\n/x", "x"])
def test_sign_in_leads_nowhere_else(browser, to):
    """The way back is a path on this site, whatever a link says."""
    answer = browser().post("/sign-in", {"person": "ada", "to": to}, page="/sign-in")
    assert answer.headers["location"] == "/"


def test_a_session_is_signed_and_bound(app, browser, monkeypatch):
    """The cookie is HttpOnly and SameSite, changes at sign-in, and cannot be forged."""
    visitor = browser()
    visitor.get("/sign-in")
    before = visitor.client.cookies[COOKIE]
    answer = visitor.post("/sign-in", {"person": "ada"}, page="/sign-in")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert f"max-age={SESSION_SECONDS}" in cookie
    assert visitor.client.cookies[COOKIE] != before
    forged = visitor.client.cookies[COOKIE][:-2] + "xx"
    visitor.client.cookies.clear()
    visitor.client.cookies.set(COOKIE, forged, domain="127.0.0.1")
    assert visitor.get("/").status_code == 303


def test_a_session_ends(ada, clock):
    """A session that is too old signs nobody in, whatever the cookie says."""
    assert ada.get("/").status_code == 200
    clock.now += SESSION_SECONDS * 1000 + 1
    assert ada.get("/").status_code == 303


def test_a_signed_out_cookie_is_worth_nothing(ada):
    """Sessions are kept on the server: a copy of the cookie does not outlive the sign-out."""
    copy = ada.client.cookies[COOKIE]
    ada.post("/sign-out", {})
    ada.client.cookies.clear()
    ada.client.cookies.set(COOKIE, copy, domain="127.0.0.1")
    assert ada.get("/").status_code == 303


def test_who_is_removed_is_out(site, ada):
    """People are looked up on each request: an old cookie does not outlive its owner's entry."""
    site.service.people = Roster([])
    assert ada.get("/").status_code == 303


def test_sign_out(ada):
    """After signing out there is nobody."""
    assert ada.post("/sign-out", {}).status_code == 303
    assert ada.get("/").status_code == 303


# --- Deciding -----------------------------------------------------------------------------------------------


def test_approve_and_see_the_receipt(site, ada):
    """An approval leads to a receipt with the verdict, by whom and why, and then that the record is out."""
    put(site, request())
    page = ada.get("/requests/req-0001").text
    assert text_of(page).count("Approve") == 1
    answer = ada.vote(reason="expected, CHG-1042")
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests/req-0001#receipt")
    page = text_of(ada.get("/requests/req-0001").text)
    assert "Approved" in page
    assert "Ada Lindqvist approved: expected, CHG-1042" in page
    assert "on its way to the log" in page
    assert "entry #3 of the event log" in page
    site.step()
    assert "The record was released, and is in the log." in text_of(ada.get("/requests/req-0001").text)
    history = text_of(ada.get("/history").text)
    assert "Approved etl-7 wanted to run export_table on customers in production" in history
    assert "by Ada Lindqvist" in history


def test_the_page_says_first_what_matters(site, ada):
    """One sentence, the risk in words, why, the deadline and what silence does, who else can act."""
    chain = (
        principal("agent:etl-7"),
        principal("email:nils@example.com", PrincipalRole.ON_BEHALF_OF),
        principal("agent:loader", PrincipalRole.DELEGATE),
    )
    put(site, request(principals=chain, risk=Risk.CRITICAL, requirement=needs(2)))
    page = text_of(ada.get("/requests/req-0001").text)
    sentence = "etl-7, acting for nils@example.com, through loader, wants to run export_table on customers"
    assert sentence in page
    assert "Critical risk" in page
    assert "a wrong yes may not be undone" in page
    assert "Denied in 15 min if nobody decides" in page
    assert "22 Nov 2026" in page or "UTC" in page
    assert "More than 10,000 rows of customer data leave the warehouse." in page
    assert "0 of 2 approvals" in page
    assert "Grace Okafor is in local:security" in page
    assert "Linus Berg is not in local:security" in page
    assert "On behalf ofnils@example.com emailas the record says; nobody has checked it" in page
    assert "always needed here" in page
    assert page.index(sentence) < page.index("Critical risk") + 400


def test_nothing_is_focused_and_no_key_approves(site, ada):
    """No autofocus, and no text input through which Enter would press the first button."""
    put(site, request())
    page = ada.get("/requests/req-0001").text
    assert "autofocus" not in page
    form = page[page.index('class="decide"') : page.index("</form>", page.index('class="decide"'))]
    assert set(re.findall(r'<input type="(\w+)"', form)) == {"hidden"}


def test_enter_in_a_text_field_presses_nothing(site, ada):
    """Where something is to be typed, the form's first button, which Enter would press, does nothing."""
    put(site, request(risk=Risk.HIGH))
    page = ada.get("/requests/req-0001").text
    form = page[page.index('class="decide"') : page.index("</form>", page.index('class="decide"'))]
    assert re.findall(r"<button[^>]*>", form)[0] == '<button type="submit" disabled hidden>'


def test_high_risk_wants_the_target_typed(site, ada):
    """An approval without the target's name, or with another, is refused; a denial needs none."""
    put(site, request(risk=Risk.HIGH))
    assert "To approve, type customers" in text_of(ada.get("/requests/req-0001").text)
    for typed in ("", "orders", "Customers"):
        answer = ada.vote(typed=typed)
        assert answer.status_code == 422
        assert "Type what it is done to, 'customers', to approve it." in text_of(answer.text)
    assert site.store.counts().decided == 0
    assert ada.vote(typed=" customers ").status_code == 303
    put(site, request("req-0002", risk=Risk.HIGH, offset=8))
    assert ada.vote("req-0002", "deny").status_code == 303


@pytest.mark.parametrize("target", ["x" * 61, "s3://\u202etxt", "[EMAIL_ADDRESS]", " padded", ""])
def test_a_target_that_cannot_be_typed(target):
    """What is long, masked or not plain is stood for by the fingerprint; without a target it is the action."""
    asked = request(risk=Risk.CRITICAL, resource=target)
    expected = asked.binding[:12] if target else "export_table"
    assert must_type(asked) == expected
    assert must_type(replace(asked, risk=Risk.MEDIUM)) == ""


def test_parameters_are_compared_with_the_last_approval_of_their_kind(site, ada):
    """What changed, came and went since, with what it was; a repetition says that it is one."""
    put(site, request("old1", params={"rows": 10, "to": "s3://a", "gone": True}, likeness="1"))
    ada.vote("old1")
    put(site, request("new1", params={"rows": 41000, "to": "s3://a", "more": 1}, resource="orders", likeness="2"))
    page = ada.get("/requests/new1").text
    said = text_of(page)
    assert "Not as last time. Compared with the last one that was approved" in said
    assert "by Ada Lindqvist, on customers." in said
    assert re.findall(r'<tr class="is-(\w+)"><th scope="row">(\w+)', page) == [
        ("changed", "rows"),
        ("new", "more"),
        ("gone", "gone"),
    ]
    assert "was 10" in said
    put(site, request("same", params={"rows": 10, "to": "s3://a", "gone": True}, likeness="3"))
    assert "The same as last time." in text_of(ada.get("/requests/same").text)


def test_what_was_taken_out_is_counted(site, ada):
    """Redactions are chips with their kind and how many there were; nothing offers to reveal them."""
    mail = Redaction("$.to", 0, 5, "email", "email_address", "mask", 0.9)
    put(site, request(redactions=(mail,) * 12 + (mail._replace(entity="us_ssn"),)))
    page = ada.get("/requests/req-0001").text
    assert "EMAIL ADDRESS×12" in text_of(page)
    assert '<span class="chip">US SSN</span>' in page


@pytest.mark.parametrize(
    ("action", "params", "sizes", "undo"),
    [
        ("dropTable", {"maxRows": 41000, "name": "9"}, ["41,000 maxRows"], "It deletes"),
        ("send_mail", {"to": ["a", "b", "c"], "n": 7}, ["3 in to"], "cannot be called back"),
        ("iam.role.grant", {"count": "7", "rows": 1.5, "limit": 10**20}, [], "undone by hand"),
        ("frobnicate", "no json", [], "its name does not say"),
    ],
)
def test_how_far_it_reaches_is_said_in_words(site, ada, action, params, sizes, undo):
    """Where, how much, and whether it can be taken back, as far as action and parameters tell."""
    put(site, request(action=action, params=params))
    page = ada.get("/requests/req-0001").text
    line = text_of(page[page.index('class="reach"') : page.index('class="because"')])
    assert "In production" in line
    assert undo in line
    assert (
        re.findall(r"<b>(?!In )([^<]*)</b>", page[page.index('class="reach"') : page.index('class="because"')]) == sizes
    )


@pytest.mark.parametrize("role", list(PrincipalRole))
def test_a_party_sees_no_buttons_and_a_forged_form_is_refused(site, ada, role):
    """Who takes part reads why they cannot decide; a vote they send anyway gets 403 and changes nothing."""
    put(site, request(principals=(principal("agent:x"), principal("email:ADA@example.com", role))))
    page = ada.get("/requests/req-0001").text
    assert 'name="decision"' not in page
    assert "You cannot decide on this" in page
    assert "so you cannot decide on it" in text_of(page)
    for decision in ("approve", "deny"):
        answer = ada.vote(decision=decision)
        assert answer.status_code == 403
        assert "Nothing was recorded." in answer.text
    assert site.store.counts().decided == 0


def test_a_bystander_sees_no_buttons(site, browser):
    """Who is not asked reads that, and cannot vote."""
    visitor = browser()
    visitor.post("/sign-in", {"token": TOKENS["linus"]}, page="/sign-in")
    put(site, request())
    assert "You are not in local:security." in text_of(visitor.get("/requests/req-0001").text)
    assert visitor.vote().status_code == 403


def test_a_denial_needs_a_reason(site, ada):
    """Without one the page comes back and says so; a ready-made one will do."""
    put(site, request())
    answer = ada.vote(decision="deny", reason=" ")
    assert answer.status_code == 422
    assert "A denial needs a reason." in text_of(answer.text)
    answer = ada.vote(decision="deny", reason="see ticket", canned="Wrong target")
    assert answer.status_code == 303
    assert "Ada Lindqvist denied: Wrong target: see ticket" in text_of(ada.get("/requests/req-0001").text)


def test_a_ready_made_reason_is_one_of_ours(site, ada):
    """What a forged form puts in the list of reasons is not taken."""
    put(site, request())
    assert ada.vote(decision="deny", reason="", canned="made up").status_code == 422


def test_a_stale_form_is_a_conflict(site, ada):
    """A vote on an earlier version is refused with both versions, and what was typed is still there."""
    put(site, request())
    put(site, request(version=2, resource="all customers"))
    answer = ada.vote(reason="typed <b>this</b>")
    assert answer.status_code == 409
    page = text_of(answer.text)
    assert "You looked at version 1, it is now version 2" in page
    assert "typed <b>this</b>" in page
    assert "What has changed since you looked, at version 1" in page
    assert "target changedall customerswas customers" in page


def test_a_second_decision_is_a_conflict(site, ada, browser):
    """Who comes late reads that it was decided, and by whom."""
    grace = browser("grace")
    put(site, request())
    assert grace.vote().status_code == 303
    answer = ada.vote(decision="deny")
    assert answer.status_code == 409
    assert "Grace Okafor approved" in text_of(answer.text)


def test_a_quorum_is_counted_in_front_of_everybody(site, ada, browser):
    """The first of two approvals shows as one of two, and the second one decides."""
    put(site, request(requirement=needs(2)))
    ada.vote()
    page = text_of(browser("grace").get("/requests/req-0001").text)
    assert "1 of 2 approvals" in page
    assert "Ada Lindqvist approved" in page
    assert "You approved already" in text_of(ada.get("/requests/req-0001").text)


def test_too_few_people_are_said_to_be_too_few(site, ada):
    """A request that nobody can bring to its quorum says that it will expire."""
    put(site, request(requirement=needs(3)))
    assert "Only 2 of the 3 people it needs can decide on it." in text_of(ada.get("/requests/req-0001").text)


def test_repeats_are_shown_as_one(site, ada):
    """Four like requests are one entry with ×4; the page says that only one is released."""
    first = request("aaaa")
    put(site, first, *(request(f"rep{n}", likeness=first.likeness, created=NOW + n) for n in range(3)))
    queue = ada.get("/").text
    assert queue.count('class="card-link"') == 1
    assert "×4" in queue
    page = text_of(ada.get("/requests/aaaa").text)
    assert "Asked ×4" in page
    assert "An approval releases the record once, not ×4: the repeats end unreleased." in page
    repeat = ada.get("/requests/rep1").text
    assert "/requests/aaaa" in repeat
    assert 'name="decision"' not in repeat
    ada.vote("aaaa")
    assert "3 repeats ended with it, unreleased." in text_of(ada.get("/requests/aaaa").text)


def test_a_fact_is_acknowledged_or_flagged(site, ada):
    """An after-review has its own words, and says that nothing is held."""
    put(site, request(kind=ActionKind.FACT))
    page = text_of(ada.get("/requests/req-0001").text)
    assert "has run export_table" in page
    assert "Acknowledge" in page
    assert "Flag" in page
    assert "Nothing is held or released." in page
    ada.vote(decision="deny")
    page = text_of(ada.get("/requests/req-0001").text)
    assert "Flagged" in page
    assert "Nothing was held, so nothing was released." in page


def test_silence_shows_as_an_expiry(site, ada, clock):
    """What nobody decided says so, and that it is a denial."""
    put(site, request())
    clock.now += 15 * MINUTE
    site.step()
    page = text_of(ada.get("/requests/req-0001").text)
    assert "Expired" in page
    assert "Nobody decided before the deadline: silence is a denial." in page
    assert "by nobody: silence is a denial" in text_of(ada.get("/history").text)


def test_an_empty_queue_is_designed(site, ada):
    """Nothing to do is said as such."""
    site.step()
    page = text_of(ada.get("/").text)
    assert "Nothing waits for a decision" in page
    assert "Nothing has been decided yet" in text_of(ada.get("/history").text)


def test_trouble_and_unreadable_records_show(site, ada):
    """The page says when verdicts may not reach the log, and how much could not be read."""
    site.put_raw(b"garbage")
    site.step()
    site.service.health.problem = "the broker is away"
    page = text_of(ada.get("/").text)
    assert "1 unreadable in the approvals topics" in page
    assert "the broker is away" in page


# --- Hostile content ----------------------------------------------------------------------------------------

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\u202egnp.exe\u2066\u200b\x1b[31m\x00{{7*7}}'


@pytest.fixture
def hostile(site):
    put(
        site,
        request(
            "bad0bad0",
            action=HOSTILE,
            resource=HOSTILE * 20,
            environment=HOSTILE,
            reason=HOSTILE,
            params=json.dumps({HOSTILE: HOSTILE, "big": "A" * 100_000, "list": [HOSTILE] * 50, "n": {"m": [[]]}}),
            principals=(principal(f"agent:{HOSTILE}"), principal(f"{HOSTILE}:x", PrincipalRole.OWNER)),
            rule_id=HOSTILE,
            rule_reason=HOSTILE,
            policy=HOSTILE,
            binding=HOSTILE,
            view_digest=HOSTILE,
        ),
    )


@pytest.mark.parametrize("path", ["/", "/queue/live", "/requests/bad0bad0", "/history"])
def test_hostile_content_is_harmless_text(site, ada, hostile, path):
    """Markup, bidi overrides, escape sequences and zero-width characters are shown as what they are."""
    if path == "/history":
        ada.vote("bad0bad0", reason=HOSTILE)
    answer = ada.get(path)
    assert answer.status_code == 200
    page = answer.text
    assert len(answer.content) < 50_000
    assert page.count("<script") == len(re.findall(r'<script src="/static/\w+\.js" defer>', page))
    assert "<img" not in page
    assert not set("\u202e\u2066\u200b\x1b\x00") & set(page)
    assert "49" not in re.findall(r"\b49\b", page)
    assert '<i class="c">U+202E</i>' in page
    assert '<i class="c">ESC</i>' in page


def test_what_does_not_fit_is_said_and_can_be_read(ada, hostile):
    """A value of 100 kB is cut in front of everybody; the whole text is one link away, as plain text."""
    page = text_of(ada.get("/requests/bad0bad0").text)
    assert "Not everything fits here." in page
    assert re.search(r"9\d,\d{3} characters not shown", page)
    answer = ada.get("/requests/bad0bad0/whole")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "A" * 100_000 in answer.text
    assert not set("\u202e\u2066\u200b\x1b\x00") & set(answer.text)
    assert "⟨U+202E⟩" in answer.text


def test_a_page_of_many_requests_stays_small(site, ada):
    """Fifty long requests do not make a page of more than 50 KB; what is not shown is counted."""
    put(site, *(request(f"r{n:04}", resource="x" * 5000, action="é" * 5000) for n in range(50)))
    answer = ada.get("/")
    assert len(answer.content) < 50_000
    assert "1 to 25 of 50" in text_of(answer.text)


# --- Safety -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/sign-in", "/v1/requests", "/static/style.css", "/nowhere"])
def test_every_answer_has_the_safety_headers(ada, path):
    """A strict content policy without inline script or style, no framing, no sniffing, no caching."""
    headers = ada.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_pages_need_nothing_from_elsewhere_and_nothing_inline(site, ada):
    """No address of another host, no inline script, style or handler."""
    put(site, request())
    for path in ("/", "/requests/req-0001", "/history", "/sign-in", "/nowhere"):
        page = ada.get(path).text
        assert not re.search(r"(?:src|href|action)=\"(?!/|#)", page), path
        assert not re.search(r"<style|\sstyle=|\son\w+=", page), path


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:8787", "[::2]:8787"])
def test_other_host_names_are_refused(app, host):
    """A name that was rebound to this machine gets nothing, not even the sign-in page."""
    with TestClient(app, base_url=BASE) as client:
        answer = client.get("/sign-in", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8787", "localhost:1", "[::1]:8787", "LOCALHOST"])
def test_loopback_names_are_served(app, host):
    """The names of this machine work with any port, as behind a tunnel."""
    with TestClient(app, base_url=BASE) as client:
        assert client.get("/sign-in", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
@pytest.mark.parametrize("path", ["/requests/req-0001/vote", "/sign-out", "/sign-in"])
def test_a_form_without_its_token_is_refused(site, ada, path, token):
    """A form from another page, or another session, does nothing."""
    put(site, request())
    data = {"csrf": token, "decision": "approve", "version": "1", "reason": "r", "person": "grace"}
    assert ada.client.post(path, data=data).status_code == 403
    assert site.store.counts().decided == 0
    assert "Ada Lindqvist" in ada.get("/").text


def test_a_form_token_of_somebody_else_is_refused(site, ada, browser):
    """Tokens are bound to a session."""
    put(site, request())
    other = browser("grace").form_token("/")
    data = {"csrf": other, "decision": "approve", "version": "1", "reason": "r"}
    assert ada.client.post("/requests/req-0001/vote", data=data).status_code == 403


def test_a_large_body_is_refused(ada):
    """What is too large is refused before it is read, as is a body of unknown length."""
    assert ada.client.post("/sign-in", content=b"x" * (BODY_LIMIT + 1)).status_code == 413
    assert ada.client.post("/sign-in", content=iter([b"x"])).status_code == 411


@pytest.mark.parametrize("path", ["/requests/nope", "/nowhere", "/history?before=x", "/requests/%00"])
def test_errors_are_pages(ada, path):
    """What is not there is said on a page that leads back."""
    answer = ada.get(path)
    assert answer.status_code in (404, 422)
    assert "Back to the queue" in answer.text


def test_a_broken_form_is_a_page_without_its_content(site, ada):
    """A form that cannot be read names nothing of what it held."""
    put(site, request())
    answer = ada.vote(decision="hunter2")
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


def test_the_secret_is_made_once_and_kept_private(tmp_path):
    """It is random, stays the same, and only its owner can read it; a short one is refused."""
    path = tmp_path / "a" / "secret"
    secret = read_secret(path)
    assert len(secret) >= 32
    assert read_secret(path) == secret
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("short")
    with pytest.raises(ConfigError, match="shorter"):
        read_secret(path)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_what_only_this_machine_can_reach(host, loopback):
    """Everything else is refused while there is no real sign-in."""
    assert is_loopback(host) is loopback


# --- The API ------------------------------------------------------------------------------------------------


@pytest.fixture
def api(app):
    with TestClient(app, base_url=BASE) as client:
        yield lambda method, path, who="ada", **more: client.request(
            method, f"/v1{path}", headers={"authorization": f"Bearer {TOKENS[who]}"}, **more
        )


def test_the_api_wants_a_token(app, ada):
    """No token, a wrong one, or a session cookie is no way in."""
    with TestClient(app, base_url=BASE) as client:
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": f"Basic {TOKENS['ada']}"}):
            answer = client.get("/v1/requests", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["code"] == "unauthenticated"
    assert ada.get("/v1/requests").status_code == 401


def test_the_api_lists_shows_and_decides(site, api):
    """A program can do what a person can on the page, by the beginning of an id."""
    put(site, request())
    (listed,) = api("GET", "/requests").json()["requests"]
    assert (listed["request_id"], listed["state"], listed["can_decide"]) == ("req-0001", "pending", True)
    shown = api("GET", "/requests/req-").json()
    assert json.loads(shown.pop("params"))["rows"] == 41000
    assert shown.pop("clarifications") == []
    assert shown == listed
    answer = api("POST", "/requests/req-/votes", json={"decision": "approve", "version": 1})
    assert answer.status_code == 200
    assert answer.json()["verdict"]["votes"][0] | {"at": 0} == {
        "issuer": "local",
        "subject": "ada",
        "decision": "approve",
        "reason": "",
        "at": 0,
        "channel": "api",
        "break_glass": False,
    }
    assert api("GET", "/requests").json()["requests"] == []
    assert len(api("GET", "/requests?state=decided").json()["requests"]) == 1
    assert api("GET", "/status").json()["decided"] == 1


def test_the_version_is_required_and_a_stale_one_is_a_conflict(site, api):
    """A vote names what it is for; if that has changed, 409 says both versions."""
    put(site, request(version=2))
    assert api("POST", "/requests/req-0001/votes", json={"decision": "approve"}).status_code == 422
    answer = api("POST", "/requests/req-0001/votes", json={"decision": "approve", "version": 1})
    assert answer.status_code == 409
    error = answer.json()
    assert (error["code"], error["version"], error["current"]) == ("stale", 1, 2)


def test_the_api_refuses_who_takes_part(site, api):
    """Separation of duties holds on every way in."""
    put(site, request(principals=(principal("local:ada"),)))
    answer = api("POST", "/requests/req-0001/votes", json={"decision": "deny", "version": 1, "reason": "r"})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:sluicegate:problem:conflict",
        "title": "Forbidden",
        "status": 403,
        "detail": "you initiated this action, so you cannot decide on it",
        "code": "conflict",
    }


def test_the_api_says_who_can(site, api):
    """The question has an answer for everybody."""
    put(site, request())
    answer = api("GET", "/requests/req-0001/who-can").json()
    assert [(p["id"], p["can"]) for p in answer["people"]] == [
        ("ada", True),
        ("grace", True),
        ("linus", False),
    ]


def test_an_invalid_body_is_not_repeated(site, api):
    """An error names the fields, never what stood in them."""
    put(site, request())
    body = {"decision": "hunter2", "version": "hunter2", "hunter": "hunter2"}
    answer = api("POST", "/requests/req-0001/votes", json=body)
    assert answer.status_code == 422
    assert "decision" in answer.json()["detail"]
    assert "hunter2" not in answer.text


def test_an_ambiguous_or_unknown_id_is_said(site, api):
    """Several requests, or none, are errors of their own."""
    put(site, request("abcd1"), request("abcd2"))
    assert api("GET", "/requests/abcd").json()["code"] == "ambiguous"
    assert api("GET", "/requests/nothing").status_code == 404
    assert api("GET", "/nothing").json()["code"] == "http"


def test_health_needs_no_token(app, site):
    """Whoever watches the service can ask whether it runs, and learns nothing else."""
    with TestClient(app, base_url=BASE) as client:
        answer = client.get("/healthz")
    assert answer.status_code == 503
    assert set(answer.json()) == {"ok", "problem"}


# --- Asking, answering, taking back, breaking the glass --------------------------------------------------------


def test_ask_and_answer_on_the_page(site, ada, browser):
    """A question waits for a party's answer, which makes a new version; what was voted before is void."""
    put(site, request(principals=(principal("agent:etl-7"), principal("local:grace", PrincipalRole.OWNER))))
    form = {"version": "1", "reason": "Which <b>table</b>?"}
    assert ada.post("/requests/req-0001/ask", form | {"reason": " "}).status_code == 422
    assert ada.post("/requests/req-0001/ask", form).status_code == 303
    page = text_of(ada.get("/requests/req-0001").text)
    assert "Which <b>table</b>?" in page
    assert "A question waits for its answer: until then, only a denial counts." in page
    assert ada.vote().status_code == 409
    assert ada.post("/requests/req-0001/answer", {"version": "1", "words": "mine"}).status_code == 403
    grace = browser("grace")
    assert "Your answer" in text_of(grace.get("/requests/req-0001").text)
    assert grace.post("/requests/req-0001/answer", {"version": "1", "words": "the small one"}).status_code == 303
    page = text_of(ada.get("/requests/req-0001").text)
    assert "the small one" in page
    assert "local:grace answered" in page
    assert ada.vote().status_code == 409
    assert ada.vote(version="2").status_code == 303


def test_a_party_takes_it_back(site, ada):
    """Who takes part can withdraw it, and the page then says that they did."""
    put(site, request(principals=(principal("local:ada"),)))
    assert "Withdraw" in ada.get("/requests/req-0001").text
    assert ada.post("/requests/req-0001/withdraw", {"version": "1", "words": "no longer needed"}).status_code == 303
    page = text_of(ada.get("/requests/req-0001").text)
    assert "Withdrawn" in page
    assert "No longer needed." in page
    assert "Withdrawn" in text_of(ada.get("/history").text)


def test_seats_denials_and_broken_glass_are_shown(site, ada, browser):
    """Seats by name with who fills them; how many denials it takes; who may break the glass can, and it shows."""
    requirement = replace(
        needs(2),
        groups=(),
        seats=(Seat("security", ("local:security",)), Seat("data owner", ("local:data",))),
        denials=2,
        break_glass=Seat("break-glass", ("local:security",)),
    )
    put(site, request(requirement=requirement))
    ada.vote()
    page = text_of(browser("grace").get("/requests/req-0001").text)
    assert "1 of 2 approvals" in page
    assert "security: Ada Lindqvist" in page
    assert "data owner: not yet filled" in page
    assert "2 different people must deny to deny it" in page
    assert "Break the glass: approve it alone, in an emergency" in page
    grace = browser("grace")
    assert grace.vote(reason="", break_glass="true").status_code == 422
    assert grace.vote(reason="outage", break_glass="true").status_code == 303
    assert "The glass was broken" in text_of(ada.get("/requests/req-0001").text)
    site.step()
    site.step()
    (review,) = site.store.waiting()
    page = text_of(ada.get(f"/requests/{review.review.request.request_id}").text)
    assert "After-review of req-0001, whose glass was broken" in page


# --- Looking back -----------------------------------------------------------------------------------------------


def test_history_can_be_searched_and_narrowed(site, ada):
    """By words, outcome, rule and agent; what does not fit is said, and pages keep what was asked."""
    put(site, *(request(f"req-{n:04}", resource=f"table_{n}", likeness=str(n), offset=n) for n in range(30)))
    for n in range(30):
        ada.vote(f"req-{n:04}", "deny" if n == 7 else "approve")
    assert "table_7 " in text_of(ada.get("/history?q=TABLE_7+production").text)
    assert "Nothing that was decided fits this." in text_of(ada.get("/history?q=table_7+nowhere").text)
    denied = ada.get("/history?outcome=denied").text
    assert denied.count('class="card-link"') == 1
    assert "table_7<" in denied
    page = ada.get("/history?rule=bulk-export&agent=agent%3Aetl-7&outcome=approved").text
    assert page.count('class="card-link"') == 25
    older = html.unescape(re.search(r'href="(/history\?[^"]*before=[^"]*)"', page)[1])
    page = ada.get(older).text
    assert page.count('class="card-link"') == 4
    assert 'value="bulk-export"' in page


def test_the_story_goes_from_the_record_to_the_release(site, ada):
    """Position, findings, request, every event with who and when, the verdict, and where the record went."""
    put(site, request())
    ada.vote(reason="expected")
    site.step()
    page = text_of(ada.get("/requests/req-0001/story").text)
    parts = (
        "activity/0@7",
        "EMAIL ADDRESSemailmask$.params.to1",
        "req-0001",
        "The reviewer service read the request",
        "Voted to approve",
        "by Ada Lindqvist (local:ada) on page",
        "expected",
        "Approved",
        "The held record was released",
        "activity.sanitized/0",
    )
    at = 0
    for part in parts:
        at = page.index(part, at)


def test_the_dashboard_counts(site, ada, clock):
    """What waits by risk, how long decisions took, what expired, attempts on one's own action, by rule and agent."""
    put(site, *(request(f"req-{n}", likeness=str(n), expires=NOW + 30 * MINUTE) for n in range(4)))
    put(site, request("mine", principals=(principal("local:ada"),), risk=Risk.HIGH, expires=NOW + 30 * MINUTE))
    for n in range(3):
        clock.now += 2 * MINUTE
        ada.vote(f"req-{n}", "deny" if n == 2 else "approve")
    ada.vote("mine")
    page = text_of(ada.get("/dashboard").text)
    assert "2waiting" in page
    assert "1 high" in page
    assert "4 minuntil half are decided" in page
    assert "6 minuntil 95 % are decided" in page
    assert "1attempts to decide on one's own action, blocked" in page
    assert "bulk-export32104 min6 min" in page.replace(" ", " ")
    clock.now += 30 * MINUTE
    site.step()
    assert "2expired: nobody decided" in text_of(ada.get("/dashboard?days=1").text)


def test_what_it_did_just_before(site, ada):
    """The earlier records of the session, sanitized as they are in the log, as harmless text; by itself and in the page."""
    asked = request()
    attack = "<script>alert(1)</script>"
    earlier = [json.dumps({"tool": f"step {n}", "to": "[EMAIL_ADDRESS]", "x": attack}).encode() for n in range(7)]
    site.broker.append(
        [OutputRecord(SANITIZED, 0, b"etl-7", value, timestamp=NOW - 2 * MINUTE + n) for n, value in enumerate(earlier)]
    )
    put(site, asked)
    assert 'data-part="/requests/req-0001/before?part=true"' in ada.get("/requests/req-0001").text
    for path in ("/requests/req-0001/before", "/requests/req-0001/before?part=true"):
        page = ada.get(path).text
        assert re.findall(r"<b>(step \d)</b>", page) == [f"step {n}" for n in range(2, 7)]
        assert attack not in page
        assert attack in html.unescape(page)
    assert ("<title>" in page) is False
    put(site, replace(request("req-0002", likeness="2"), held=replace(asked.held, key=b"other", value=b"{}")))
    assert "Nothing of this session is in the log shortly before" in ada.get("/requests/req-0002/before").text
