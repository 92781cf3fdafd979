"""The page in a real browser: what a reviewer sees and does, with and without JavaScript."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from approval_makers import ADA, APPROVALS, GRACE, MINUTE, NOW, PEOPLE, needs, principal, request
from approval_site import CHROMIUM_ARGS, Site
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from approvals.lifecycle import Review
from approvals.lookups import Wanted
from approvals.restore import Arrival
from approvals.server import now_ms
from approvals.votes import Ballot
from approvals.web.app import WebSettings, create_app
from approvals.web.live import Server
from benchmarks.reviews import fill
from engine.ledger.model import Decision, PrincipalRole, Risk
from engine.records import Position

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def chrome(chromium) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


class LiveSite(Site):
    """A site with a running thread and a real port."""

    url = ""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSite]:
    site = LiveSite(tmp_path, now_ms)
    app = create_app(site.service, WebSettings(secret=b"s" * 32))
    server = Server(app, uvicorn.Config(app, log_level="warning", access_log=False))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    site.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    site.service.start()
    thread.start()
    try:
        yield site
    finally:
        server.should_exit = True
        thread.join(10)
        site.service.stop()
        site.close()
        listener.close()


def now(asked, **more):
    """``asked`` as of the real time, since a browser has a clock of its own."""
    shift = now_ms() - NOW
    return replace(asked, **{"created": asked.created + shift, "expires": asked.expires + shift} | more)


def put(site: LiveSite, *requests) -> None:
    waiting = site.store.counts().waiting
    site.put(*requests)
    end = time.monotonic() + 60
    while site.store.counts().waiting == waiting:
        assert time.monotonic() < end, "the service did not read it"
        time.sleep(0.02)


def sign_in(chrome: Browser, site: LiveSite, name: str, **more) -> Page:
    page = chrome.new_context(**more).new_page()
    page.set_default_timeout(30_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" and "status of 4" not in m.text else None)
    page.problems = problems  # type: ignore[attr-defined]
    page.goto(site.url)
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("link", name="Queue")).to_be_visible()
    page.wait_for_load_state()  # scripts included
    return page


def shot(page: Page, name: str) -> None:
    """Keeps a picture, as an artifact: in .artifacts/pages, which git ignores, or SLUICEGATE_SCREENSHOTS."""
    folder = Path(os.environ.get("SLUICEGATE_SCREENSHOTS", Path(__file__).parents[2] / ".artifacts" / "pages"))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def accessible(page: Page, *rules: str) -> list[str]:
    """What axe-core has against a page, by all its rules (WCAG 2.2 AA, good practice) or by ``rules``."""
    result = Axe().run(page, options={"runOnly": {"type": "rule", "values": list(rules)}} if rules else None)
    return [f"{v['id']}: {node['html'][:200]}" for v in result.response["violations"] for node in v["nodes"]]


@pytest.mark.parametrize("javascript", [True, False], ids=["with-js", "without-js"])
def test_sign_in_approve_and_see_the_receipt(chrome, live, javascript):
    """From the sign-in to the receipt, the same with and without JavaScript."""
    put(live, now(request("aaaa1111", risk=Risk.HIGH)))
    page = sign_in(chrome, live, "Ada Lindqvist", java_script_enabled=javascript)
    page.get_by_role("link", name="wants to run export_table").click()
    expect(page.get_by_role("heading", name="Your decision")).to_be_visible()
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    page.get_by_label("Reason in your own words").fill("checked, CHG-1042")
    page.get_by_label("To approve, type customers").fill("customers")
    page.get_by_label("To approve, type customers").press("Enter")
    expect(page.get_by_role("heading", name="Your decision")).to_be_visible()
    assert live.store.counts().decided == 0
    page.get_by_role("button", name="Approve").click()
    receipt = page.locator("#receipt")
    expect(receipt).to_contain_text("Approved")
    expect(receipt).to_contain_text("checked, CHG-1042")
    end = time.monotonic() + 60
    while not live.verdicts():
        assert time.monotonic() < end
        time.sleep(0.05)
    page.reload()
    expect(receipt).to_contain_text("The record was released, and is in the log.")
    shot(page, f"receipt-{javascript}")
    assert page.problems == []
    page.context.close()


def test_the_initiator_sees_no_buttons_and_a_forged_form_gets_403(chrome, live):
    """Whoever takes part reads why; what they post by hand is refused and changes nothing."""
    put(live, now(request("aaaa1111", principals=(principal("email:ada@example.com"),))))
    page = sign_in(chrome, live, "Ada Lindqvist")
    page.get_by_role("link", name="wants to run export_table").click()
    expect(page.get_by_text("You initiated this action, so you cannot decide on it.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(page.get_by_role("button", name="Deny")).to_have_count(0)
    shot(page, "initiator")
    token = page.locator('input[name="csrf"]').first.get_attribute("value")
    answer = page.request.post(
        f"{live.url}/requests/aaaa1111/vote",
        form={"csrf": token or "", "version": "1", "decision": "approve", "reason": "mine"},
    )
    assert answer.status == 403
    assert live.store.counts().decided == 0
    page.context.close()


ATTACK = (
    "<script>window.ran = 1</script>\"><img src=//evil.example/x onerror='window.ran = 1'>"
    '<a href="javascript:window.ran = 1">look</a>javascript:window.ran=1 \u202egnp.exe\x1b[31m'
)


def test_hostile_content_runs_nothing(chrome, live):
    """Markup, links, overrides and escapes in every field, and fields of 1 MB, stay text on every page: no script ran,
    nothing was asked for elsewhere, and no page is large.
    """
    asked = request(
        "bad0bad0",
        action=ATTACK,
        resource=ATTACK + "x" * 1_000_000,
        environment=ATTACK,
        reason=ATTACK,
        params={ATTACK: ATTACK, "big": ATTACK * 8_000, "list": [ATTACK] * 200},
        principals=(principal(f"agent:{ATTACK}"), principal(f"{ATTACK}:x", PrincipalRole.OWNER)),
        rule_id=ATTACK,
        rule_reason=ATTACK,
    )
    assert len(asked.params) > 1_000_000
    live.store.ingest([Arrival(Position(APPROVALS, 0, 10**6), now(asked))], at=now_ms())
    page = sign_in(chrome, live, "Ada Lindqvist")
    requested: list[str] = []
    page.on("request", lambda r: requested.append(r.url))
    page.on("dialog", lambda dialog: requested.append(f"a dialog: {dialog.message}"))
    said = live.store.vote("bad0bad0", ADA, Ballot(Decision.APPROVE, 1, ATTACK), PEOPLE, at=now_ms(), channel="page")
    assert isinstance(said, Review)
    live.store.ingest([Arrival(Position(APPROVALS, 0, 10**6 + 1), replace(now(asked), request_id="bad1"))], at=now_ms())
    paths = ["/", "/requests/bad1", "/requests/bad0bad0", "/requests/bad0bad0/story", "/history", "/dashboard"]
    for path in paths:
        answer = page.goto(live.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert len(answer.body()) < 50_000, path
        expect(page.get_by_text("<script>window.ran = 1</script>").first).to_be_visible()
        assert page.evaluate("window.ran") is None, path
        made = page.evaluate(
            "[...document.querySelectorAll('img, iframe, object, [onerror], script:not([src]), a[href^=\"javascript:\" i]')]"
            ".map(e => e.outerHTML)"
        )
        assert made == [], path
        assert not set("\u202e\x1b") & set(page.content()), path
        shot(page, f"hostile-{paths.index(path)}")
    whole = page.goto(f"{live.url}/requests/bad1/whole")
    assert whole is not None
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert page.evaluate("window.ran") is None
    assert [url for url in requested if not url.startswith(live.url)] == []
    assert page.problems == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_error_says_what_to_do(chrome, live, scheme):
    """What is not there, and a form from elsewhere, are pages with a way on; both as usable as all others."""
    page = sign_in(chrome, live, "Ada Lindqvist", color_scheme=scheme)
    answer = page.goto(f"{live.url}/requests/nowhere")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page.get_by_role("link", name="Back to the queue")).to_be_visible()
    assert accessible(page, *(("color-contrast",) if scheme == "dark" else ())) == []
    shot(page, f"error-{scheme}")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_in_one_column(chrome, live, scheme):
    """At phone width nothing is cut or scrolls sideways, and what is pressed is at least 44 px high."""
    long = "s3://" + "very-long-name-without-a-break" * 6
    chain = (principal("agent:etl-7"), principal(f"email:{'n' * 60}@example.com", PrincipalRole.ON_BEHALF_OF))
    put(live, now(request("aaaa1111", resource=long, params={"k" * 90: long}, principals=chain)))
    page = sign_in(chrome, live, "Ada Lindqvist", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in ("/", "/requests/aaaa1111", "/requests/aaaa1111/story", "/history", "/dashboard"):
        page.goto(live.url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, path
        low = page.evaluate(
            "[...document.querySelectorAll('button, select, textarea, nav a')]"
            ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert low == [], path
        shot(page, f"phone-{scheme}-{path.count('/')}-{len(path)}")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(chrome, live, scheme):
    """axe-core finds nothing on any page; what may differ by dark, the contrast, is looked at again."""
    rules = ("color-contrast",) if scheme == "dark" else ()
    before = now(request("old00000", params={"rows": 10, "gone": 1}, likeness="0", risk=Risk.CRITICAL))
    put(live, before)
    live.store.vote("old00000", ADA, Ballot(Decision.APPROVE, 1, "because"), PEOPLE, at=now_ms(), channel="page")
    put(live, now(request("aaaa1111", risk=Risk.CRITICAL, likeness="1")))
    put(
        live,
        *(
            now(request(f"bbbb{n}", risk=risk, reason="mail [EMAIL_ADDRESS]\u202e", likeness=f"b{n}"))
            for n, risk in enumerate([*Risk, *Risk])
        ),
    )
    put(live, now(request("cccc3333", principals=(principal("email:ada@example.com"),), likeness="c")))
    page = sign_in(chrome, live, "Ada Lindqvist", color_scheme=scheme)
    pages = {
        "queue": "/",
        "request": "/requests/aaaa1111",
        "receipt": "/requests/old00000",
        "story": "/requests/old00000/story",
        "history": "/history",
        "dashboard": "/dashboard",
    }
    for name, path in list(pages.items())[: 2 if scheme == "dark" else None]:
        page.goto(live.url + path)
        shot(page, f"{name}-{scheme}")
        assert accessible(page, *rules) == [], path
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(17, 22, 26)") is (scheme == "dark")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    shot(page, f"keys-{scheme}")
    page.context.close()


def test_by_keyboard_alone(chrome, live):
    """j and k move, o opens, a then y approves; a alone, y alone and Enter do nothing, nor does a key while typing."""
    put(live, now(request("aaaa1111", likeness="a"), expires=now_ms() + MINUTE))
    put(live, now(request("bbbb2222", likeness="b", risk=Risk.HIGH), expires=now_ms() + 2 * MINUTE))
    page = sign_in(chrome, live, "Ada Lindqvist")
    keys = page.keyboard
    for key in ("j", "j", "j", "k"):
        keys.press(key)
    assert page.evaluate("document.activeElement.getAttribute('href')") == "/requests/aaaa1111"
    keys.press("j")
    keys.press("o")
    expect(page.get_by_role("heading", name="Your decision")).to_be_visible()
    page.wait_for_load_state()
    keys.press("Enter")
    keys.press("y")
    keys.press("a")
    expect(page.get_by_text("Approve? y approves, Esc lets go.")).to_be_visible()
    keys.press("Escape")
    keys.press("y")
    assert live.store.counts().decided == 0
    keys.press("a")
    keys.press("y")  # leads to the reason, since high risk needs one
    expect(page.get_by_label("Reason in your own words")).to_be_focused()
    keys.type("any day, dodge")
    keys.press("Escape")
    keys.press("a")
    keys.press("y")  # leads to the name, since high risk needs it typed
    expect(page.get_by_label("To approve, type customers")).to_be_focused()
    keys.type("customers")
    keys.press("Enter")
    keys.press("Escape")
    assert live.store.counts().decided == 0
    keys.press("a")
    keys.press("y")
    expect(page.locator("#receipt")).to_contain_text("Ada Lindqvist approved: any day, dodge")
    page.goto(f"{live.url}/requests/aaaa1111")
    keys.press("d")
    keys.type("no")
    keys.press("Escape")
    keys.press("d")
    expect(page.locator("#receipt")).to_contain_text("Ada Lindqvist denied: no")
    assert page.problems == []
    page.context.close()


@pytest.mark.parametrize("javascript", [True, False], ids=["with-js", "without-js"])
def test_several_at_once(chrome, live, javascript):
    """Any may be denied together, with a reason; only low risk of one rule and kind is approved together."""
    lows = [now(request(f"low{n}", risk=Risk.LOW, likeness=f"l{n}", params={"rows": n})) for n in range(3)]
    put(live, *lows, now(request("high", risk=Risk.HIGH, likeness="h")))
    page = sign_in(chrome, live, "Ada Lindqvist", java_script_enabled=javascript)
    page.get_by_role("link", name="tick all on this page").click()
    page.get_by_role("button", name="Approve the chosen").click()
    expect(page.get_by_text("Only low risk can be approved together")).to_be_visible()
    assert live.store.counts().decided == 0
    page.goto(live.url)
    for name in ("low0", "low1"):
        page.get_by_label(f"Choose {name}").check()
    page.get_by_role("button", name="Approve the chosen").click()
    expect(page.get_by_role("heading", name="2 of 2 approved")).to_be_visible()
    shot(page, f"batch-{javascript}")
    page.goto(f"{live.url}/?chosen=true")
    page.get_by_role("textbox", name="Reason in your own words").fill("runaway agent")
    page.get_by_role("button", name="Deny the chosen").click()
    expect(page.get_by_role("heading", name="2 of 2 denied")).to_be_visible()
    assert [e.detail for e in live.store.events("high") if e.event == "vote deny"] == [
        "runaway agent (one of 2 decided together)"
    ]
    assert page.problems == []
    page.context.close()


def test_a_thousand_that_wait(chrome, live):
    """They come in pages of bounded size, can be narrowed by risk, rule and words, and say how many there are."""
    fill(
        live.folder / "approvals.db",
        requests=1_000,
        waiting=1_000,
        now=now_ms(),
        topic="activity",
        advance=lambda: None,
        group="local:security",
    )
    counts = live.store.lookups.counts_waiting()
    high = sum(count for risk, _, count in counts if risk == "high")
    assert 60 < high < 180
    page = sign_in(chrome, live, "Ada Lindqvist")
    expect(page.get_by_role("heading", name="200 or more for you to decide")).to_be_visible()
    expect(page.get_by_text("1,000 waiting")).to_be_visible()
    shot(page, "thousand")
    assert len(page.content().encode()) < 50_000
    assert accessible(page) == []
    page.get_by_role("link", name=f"{high} high").click()
    expect(page.get_by_role("heading", name=f"{high} for you to decide")).to_be_visible()
    page.get_by_role("link", name="Later ones").click()
    expect(page.get_by_text(re.compile(f"26 to 50 of {high}"))).to_be_visible()
    page.wait_for_load_state()
    wanted = live.store.lookups.waiting(Wanted(), limit=1)[0].review.request.request_id
    page.goto(live.url)
    page.keyboard.press("/")
    page.keyboard.type(wanted)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 for you to decide")).to_be_visible()
    assert page.problems == []
    page.context.close()


def test_a_lost_connection_is_said(chrome, live):
    """When the service cannot be reached, the page says that what it shows may be old, and finds back."""
    page = sign_in(chrome, live, "Ada Lindqvist")
    page.context.set_offline(True)
    page.evaluate("fresh()")
    expect(page.get_by_text("No connection: what you see may be old.")).to_be_visible()
    page.context.set_offline(False)
    page.evaluate("fresh()")
    expect(page.get_by_text("No connection")).to_be_hidden()
    page.context.close()


def test_what_is_new_waits_for_who_is_busy(chrome, live):
    """While a link has the focus or something is ticked, nothing moves; r shows what is new."""
    put(live, now(request("aaaa1111", likeness="a")))
    put(live, now(request("bbbb2222", likeness="b")))
    page = sign_in(chrome, live, "Ada Lindqvist")
    page.keyboard.press("j")
    put(live, now(request("cccc3333", likeness="c"), expires=now_ms() + MINUTE))
    expect(page.get_by_text("The queue has changed: press r to show it.")).to_be_visible()
    assert page.locator(".card").count() == 2
    page.keyboard.press("r")
    expect(page.locator(".card")).to_have_count(3)
    assert page.evaluate("document.activeElement.getAttribute('href')") == "/requests/aaaa1111"
    page.context.close()


def test_the_queue_keeps_itself_fresh(chrome, live):
    """A new request appears without a reload, and its deadline counts down."""
    page = sign_in(chrome, live, "Ada Lindqvist")
    expect(page.get_by_text("Nothing waits for a decision")).to_be_visible()
    shot(page, "empty")
    put(live, now(request("aaaa1111")))
    expect(page.get_by_role("link", name="wants to run export_table")).to_be_visible()
    clock = page.locator("[data-deadline]").first
    before = clock.inner_text()
    expect(clock).not_to_have_text(before)
    assert page.problems == []
    page.context.close()


def test_a_form_freezes_when_the_request_changes(chrome, live):
    """Who has an old version open cannot send a vote for it, and is told so."""
    asked = now(request("aaaa1111", requirement=needs(2)))
    put(live, asked)
    page = sign_in(chrome, live, "Ada Lindqvist")
    page.goto(f"{live.url}/requests/aaaa1111")
    live.put(replace(asked, version=2, resource="all customers"))
    expect(page.get_by_text("This request has changed.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    shot(page, "frozen")
    page.get_by_role("link", name="Show it as it is now").click()
    expect(page.locator("#since")).to_contain_text("all customers")
    shot(page, "since")
    assert accessible(page) == []
    expect(page.get_by_role("button", name="Approve")).to_be_enabled()
    page.context.close()


def test_a_form_freezes_when_another_decides(chrome, live):
    """The form is frozen within a second, and the receipt says who was faster; a vote sent anyway is a conflict."""
    put(live, now(request("aaaa1111")))
    page = sign_in(chrome, live, "Ada Lindqvist")
    page.goto(f"{live.url}/requests/aaaa1111")
    token = page.locator('input[name="csrf"]').first.get_attribute("value")
    live.service.vote("aaaa1111", GRACE, Decision.DENY, version=1, reason="not today", channel="cli")
    expect(page.get_by_text("This request has changed.")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    form = {"csrf": token or "", "version": "1", "decision": "approve", "reason": "late"}
    assert page.request.post(f"{live.url}/requests/aaaa1111/vote", form=form).status == 409
    page.keyboard.press("r")
    expect(page.locator("#receipt")).to_contain_text("Grace Okafor denied: not today")
    page.context.close()


def test_the_countdown_follows_the_deadline(chrome, live):
    """The last two minutes look different, and the words say what silence does."""
    put(live, now(request("aaaa1111"), expires=now_ms() + MINUTE + 30_000))
    page = sign_in(chrome, live, "Ada Lindqvist")
    page.goto(f"{live.url}/requests/aaaa1111")
    expect(page.locator(".deadline")).to_contain_text("Denied in 01:")
    expect(page.locator(".deadline .clock")).to_have_class("clock soon")
    page.context.close()
