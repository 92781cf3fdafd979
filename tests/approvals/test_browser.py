"""The page in a real browser: what a reviewer sees and does, with and without JavaScript."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from approval_makers import MINUTE, NOW, needs, principal, request
from approval_site import CHROMIUM_ARGS, Site
from playwright.sync_api import Browser, Page, expect, sync_playwright

from approvals.server import now_ms
from approvals.web.app import WebSettings, create_app
from engine.ledger.model import PrincipalRole, Risk


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
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
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
    end = time.monotonic() + 5
    while site.store.counts().waiting == waiting:
        assert time.monotonic() < end, "the service did not read it"
        time.sleep(0.02)


def sign_in(chrome: Browser, site: LiveSite, name: str, **more) -> Page:
    page = chrome.new_context(**more).new_page()
    page.set_default_timeout(8_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.problems = problems  # type: ignore[attr-defined]
    page.goto(site.url)
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("link", name="Queue")).to_be_visible()
    return page


def shot(page: Page, name: str) -> None:
    """Keeps a picture where one is asked for: SLUICEGATE_SCREENSHOTS=FOLDER."""
    folder = os.environ.get("SLUICEGATE_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


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
    end = time.monotonic() + 5
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


def test_hostile_content_runs_nothing(chrome, live):
    """Markup in every field stays text in a real browser: no dialog, no request elsewhere, no error."""
    attack = '<script>alert(1)</script>"><img src=//evil.example/x onerror=alert(1)>\u202egnp\x1b[31m'
    params = json.dumps({attack: attack, "big": attack * 1_200})
    put(
        live,
        now(
            request(
                "bad0bad0",
                action=attack,
                resource=attack,
                environment=attack,
                reason=attack,
                params=params,
                principals=(principal(f"agent:{attack}"),),
                rule_reason=attack,
            )
        ),
    )
    page = sign_in(chrome, live, "Ada Lindqvist")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.goto(f"{live.url}/requests/bad0bad0")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    shot(page, "hostile")
    page.goto(f"{live.url}/requests/bad0bad0/whole")
    assert all(url.startswith(live.url) for url in asked)
    assert page.problems == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_in_one_column(chrome, live, scheme):
    """At phone width nothing is cut or scrolls sideways, and what is pressed is at least 44 px high."""
    long = "s3://" + "very-long-name-without-a-break" * 6
    chain = (principal("agent:etl-7"), principal(f"email:{'n' * 60}@example.com", PrincipalRole.ON_BEHALF_OF))
    put(live, now(request("aaaa1111", resource=long, params={"k" * 90: long}, principals=chain)))
    page = sign_in(chrome, live, "Ada Lindqvist", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in ("/", "/requests/aaaa1111", "/history"):
        page.goto(live.url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, path
        low = page.evaluate(
            "[...document.querySelectorAll('button:not([hidden]), select, textarea, nav a')]"
            ".filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert low == [], path
        shot(page, f"phone-{scheme}-{path.count('/')}-{len(path)}")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(chrome, live, scheme):
    """Every text has at least the contrast that WCAG AA asks for, 4.5 to 1, by light and by dark."""
    put(live, now(request("aaaa1111", risk=Risk.CRITICAL)))
    put(live, now(request("bbbb2222", risk=Risk.LOW, reason="mail [EMAIL_ADDRESS]\u202e")))
    page = sign_in(chrome, live, "Ada Lindqvist", color_scheme=scheme)
    for path in ("/", "/requests/aaaa1111", "/requests/bbbb2222"):
        page.goto(live.url + path)
        shot(page, f"{scheme}-{path.strip('/').replace('/', '-') or 'queue'}")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(17, 22, 26)") is (scheme == "dark")
        assert page.evaluate(CONTRAST) == [], path
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
    expect(page.get_by_role("button", name="Approve")).to_be_enabled()
    page.context.close()


def test_the_countdown_follows_the_deadline(chrome, live):
    """The last two minutes look different, and the words say what silence does."""
    put(live, now(request("aaaa1111"), expires=now_ms() + MINUTE + 30_000))
    page = sign_in(chrome, live, "Ada Lindqvist")
    page.goto(f"{live.url}/requests/aaaa1111")
    expect(page.locator(".deadline")).to_contain_text("Denied in 01:")
    expect(page.locator(".deadline .clock")).to_have_class("clock soon")
    page.context.close()


CONTRAST = """() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const linear = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const lum = (c) => c.slice(0, 3).map(linear)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (el) => {
    for (; el; el = el.parentElement) {
      const c = parse(getComputedStyle(el).backgroundColor);
      if (c[3] === 1) return c;
    }
    return [255, 255, 255, 1];
  };
  const bad = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const el = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    if (!text || !el.checkVisibility() || el.closest(".skip, option, optgroup, script")) continue;
    const style = getComputedStyle(el);
    const [a, b] = [lum(parse(style.color)), lum(behind(el))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${el.className || el.tagName}: ${text.slice(0, 40)}`);
  }
  return bad;
}"""
