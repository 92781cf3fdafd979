"""Signing in at a real OpenID provider: who gets in, who does not, and who is out again."""

from __future__ import annotations

import hmac
import html
import json
import socket
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import uvicorn
from approval_makers import needs, principal, request
from approval_site import CHROMIUM_ARGS, Site
from click.testing import CliRunner
from joserfc.jwk import RSAKey
from oidc_server import CLI, CLIENT, SECRET, STRONG, OidcServer
from playwright.sync_api import sync_playwright
from sign_in_site import BASE, PEOPLE, Clock, Door, Visitor
from starlette.requests import Request
from starlette.responses import Response

from approvals.identity.settings import load_identity
from approvals.person import Identity
from approvals.server import Settings, build
from approvals.web.live import watch_of
from approvals.web.security import COOKIE
from engine.brokers import open_broker
from engine.ledger.model import PrincipalRole, Risk
from sluicegate.cli import main


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_door(site: Site, oidc: OidcServer, tmp_path: Path) -> Iterator[Callable[..., Door]]:
    doors: list[Door] = []

    def begin(**settings: object) -> Door:
        doors.append(Door(site, oidc, tmp_path, **settings))
        return doors[-1]

    yield begin
    for door in doors:
        door.close()


@pytest.fixture
def door(open_door: Callable[..., Door]) -> Door:
    return open_door()


def put(site: Site, **more: object) -> None:
    now = site.clock()
    site.put(request(created=now, expires=now + 900_000, **more))
    site.step()


# --- Who gets in --------------------------------------------------------------------------------------------


def test_the_page_leads_to_the_provider_and_back(door):
    """By the code flow with PKCE, a state and a nonce; then to where one was going."""
    visitor = door.visitor()
    page = visitor.here.get("/sign-in?to=/history").text
    assert "Sign in with test" in page
    assert "token" not in page.replace('name="csrf"', "")
    answer = visitor.here.get("/sign-in/provider?to=/history")
    asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert asked["state"]
    assert asked["nonce"]
    answer = visitor.come_back(visitor.there.sign_in(answer.headers["location"], "u-ada"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/history")
    assert "Ada Lindqvist" in visitor.here.get("/history").text


def test_groups_of_the_provider_let_somebody_decide(site, door):
    """A group is (issuer, group id): test:security is asked, and the provider says that Grace is in it."""
    put(site, requirement=needs(1, "test:security"))
    grace = door.visitor("u-grace")
    assert grace.vote().status_code == 303
    (vote,) = site.store.get("req-0001").review.verdict.votes
    assert (vote.issuer, vote.subject) == ("local", "grace")


@pytest.mark.parametrize("group", ["local:security", "other:security"])
def test_a_group_of_that_name_elsewhere_is_another_group(site, door, group):
    """What the provider calls security is not what anybody else calls so."""
    put(site, requirement=needs(1, group))
    assert door.visitor("u-grace").vote().status_code == 403


def test_who_is_not_listed_does_not_get_in(door):
    """Unless the settings admit everybody; the refusal says what to add."""
    answer = door.visitor().sign_in("u-linus")
    assert answer.status_code == 403
    assert "to add test:u-linus" in answer.text


def test_who_is_admitted_by_the_provider_alone_votes_as_its_subject(site, open_door):
    """Keyed by (issuer, subject); and the claims that say as what agents know them keep them from own actions."""
    door = open_door(unlisted="admit")
    put(site, requirement=needs(1, "test:data"))
    linus = door.visitor("u-linus")
    assert linus.vote().status_code == 303
    (vote,) = site.store.get("req-0001").review.verdict.votes
    assert (vote.issuer, vote.subject) == ("test", "u-linus")
    mine = (principal("agent:x"), principal("email:Linus@Example.com", PrincipalRole.ON_BEHALF_OF))
    put(site, request_id="req-0002", requirement=needs(1, "test:data"), principals=mine, likeness="other")
    assert linus.vote("req-0002").status_code == 403


def test_two_accounts_of_one_name_are_one_human_being(oidc, open_door):
    """So that nobody fills two seats: neither may decide until somebody has looked."""
    twin = {"name": "Linus again", "email": "LINUS@example.com", "groups": ["data"]}
    linus = {"name": "Linus Berg", "email": "linus@example.com", "groups": ["data"]}
    oidc.tell(accounts={"u-linus": linus, "u-twin": twin})
    door = open_door(unlisted="admit")
    first = door.visitor("u-linus")
    assert door.visitor().sign_in("u-twin").status_code == 403
    assert first.here.get("/").status_code == 303


# --- Who does not -------------------------------------------------------------------------------------------


def test_a_callback_that_was_not_begun_here_is_refused(door):
    """A code that somebody else's browser got, or one with another state, signs nobody in (login CSRF)."""
    begun, other = door.visitor(), door.visitor()
    query = begun.there.sign_in(begun.here.get("/sign-in/provider").headers["location"], "u-ada")
    assert other.come_back(query).status_code == 403
    assert begun.come_back({**query, "state": "x" * 30}).status_code == 403
    assert begun.come_back(query).status_code == 303
    assert begun.come_back(query).status_code == 403  # once only


def test_a_code_is_bound_to_who_asked_for_it(door):
    """Another's code with one's own state fails at the provider, by PKCE."""
    ada, eve = door.visitor(), door.visitor()
    stolen = ada.there.sign_in(ada.here.get("/sign-in/provider").headers["location"], "u-ada")
    own = eve.there.sign_in(eve.here.get("/sign-in/provider").headers["location"], "u-linus")
    answer = eve.come_back({**own, "code": stolen["code"]})
    assert answer.status_code == 403
    assert eve.here.get("/").status_code == 303


def test_too_many_groups_are_no_groups(oidc, open_door, caplog):
    """A list that may have been cut short is refused, and says whose list it was."""
    oidc.tell(accounts={"u-ada": {"name": "Ada", "groups": [f"g{n}" for n in range(101)]}})
    answer = open_door().visitor().sign_in("u-ada")
    assert answer.status_code == 403
    assert "more than 100 groups" in answer.text
    assert [r.getMessage() for r in caplog.records] == ["sign-in refused: groups"]


# --- Tokens that are not in order ---------------------------------------------------------------------------


def bring(door, token):
    """What a terminal gets for an ID token."""
    return door.visitor().here.post("/v1/session", json={"id_token": token})


def raw(header, claims, sign=lambda _: b""):
    """A token made by hand, since the library would not make such a one."""
    said = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    return f"{said}.{_base64(sign(said.encode()))}"


def _base64(content):
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def none_of_it(oidc):
    """A token without a signature."""
    return raw({"alg": "none", "kid": oidc.key.kid}, oidc.claims())


def public_as_secret(oidc):
    """A token signed by HMAC with what everybody knows: the public key."""
    known = oidc.key.as_pem(private=False)
    return raw({"alg": "HS256", "kid": oidc.key.kid}, oidc.claims(), lambda said: hmac.digest(known, said, "sha256"))


OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k1"}, auto_kid=False)
UNKNOWN_KEY = RSAKey.generate_key(2048, {"kid": "nobody knows"}, auto_kid=False)
BAD_TOKENS = {
    "no algorithm": (none_of_it, "signature"),
    "the public key as a secret": (public_as_secret, "signature"),
    "another's key under a known id": (lambda o: o.forged(o.claims(), key=OTHER_KEY), "signature"),
    "a key that nobody knows": (lambda o: o.forged(o.claims(), key=UNKNOWN_KEY), "signature"),
    "changed afterwards": (lambda o: o.forged(o.claims())[:-8] + "AAAAAAAA", "signature"),
    "another audience": (lambda o: o.forged(o.claims(aud="somebody-else")), "audience"),
    "the audience of the page": (lambda o: o.forged(o.claims(aud="sluicegate")), "audience"),
    "meant for another client": (lambda o: o.forged(o.claims(aud=["sluicegate-cli", "x"], azp="x")), "azp"),
    "another issuer": (lambda o: o.forged(o.claims(iss="https://evil.example")), "iss"),
    "no issuer": (lambda o: o.forged(o.claims(iss=None)), "iss"),
    "over": (lambda o: o.forged(o.claims(exp=int(time.time()) - 61)), "exp"),
    "for ever": (lambda o: o.forged(o.claims(exp=None)), "exp"),
    "from the future": (lambda o: o.forged(o.claims(iat=int(time.time()) + 90)), "iat"),
    "not yet": (lambda o: o.forged(o.claims(nbf=int(time.time()) + 90)), "nbf"),
    "of nobody": (lambda o: o.forged(o.claims(sub=None)), "sub"),
    "of an id that is too long": (lambda o: o.forged(o.claims("x" * 256)), "subject"),
    "of an id with a line break": (lambda o: o.forged(o.claims("a\nb")), "subject"),
    "a logout token": (lambda o: o.forged(o.claims(events={})), "token"),
    "groups that are none": (lambda o: o.forged(o.claims(groups={"security": True})), "groups"),
    "too many groups": (lambda o: o.forged(o.claims(groups=[str(n) for n in range(101)])), "groups"),
    "groups left out": (lambda o: o.forged(o.claims(groups=None, _claim_names={"groups": "src1"})), "groups"),
    "no token": (lambda _: "hunter2.hunter2.hunter2", "signature"),
    "not even dots": (lambda _: "hunter2", "signature"),
}


@pytest.mark.parametrize("what", BAD_TOKENS)
def test_a_token_that_is_not_in_order_signs_nobody_in(oidc, door, caplog, what):
    """Each with a reason of its own; the log has that one word, and nothing of the token."""
    make, code = BAD_TOKENS[what]
    token = make(oidc)
    answer = bring(door, token)
    assert answer.status_code == 403, answer.text
    assert answer.json()["code"] == f"sign_in_{code}"
    assert [r.getMessage() for r in caplog.records if r.name.startswith("sluicegate")] == [f"sign-in refused: {code}"]
    parts = [part for part in token.split(".") if len(part) > 4]
    assert not any(part in caplog.text or part in answer.text for part in parts)


def test_clocks_may_differ_a_little(oidc, door):
    """A token that is over, or begins, within the leeway is good."""
    now = int(time.time())
    assert bring(door, oidc.forged(oidc.claims(exp=now - 30))).status_code == 200
    assert bring(door, oidc.forged(oidc.claims(iat=now + 30, exp=now + 60))).status_code == 200


def test_when_the_provider_changes_its_keys(oidc, open_door):
    """The new key is looked for at once, the old one is not taken any more, and nobody can make us ask all the time."""
    now = [time.time()]
    door = open_door(now=lambda: now[0])
    assert bring(door, oidc.forged(oidc.claims())).status_code == 200
    now[0] += 11
    old = oidc.rotate()
    assert bring(door, oidc.forged(oidc.claims())).status_code == 200
    assert bring(door, oidc.forged(oidc.claims(), key=old)).status_code == 403
    before = oidc.tell()
    for _ in range(5):
        assert bring(door, oidc.forged(oidc.claims(), key=UNKNOWN_KEY)).status_code == 403
    assert oidc.tell() == before
    now[0] += 11
    assert bring(door, oidc.forged(oidc.claims(), key=UNKNOWN_KEY)).status_code == 403
    assert oidc.tell() == before + 1


# --- From a terminal ----------------------------------------------------------------------------------------


@contextmanager
def served(app, port=0):
    """The URL of the application, served for real."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    watch_of(app).closing = True
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def listening(door):
    with served(door.app) as url:
        yield url


def test_a_terminal_signs_in_by_the_device_flow(site, door, listening, tmp_path, monkeypatch):
    """Its session decides, is its owner's alone to read, and ends at once when the person is barred."""
    put(site, requirement=needs(1, "test:security"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)  # the provider asks for five seconds between two looks
    phone = door.visitor().there
    shown = []

    def open_it(url, code):
        shown.append((url, code))
        assert "Signed in" in phone.confirm_device(url, "u-ada")

    monkeypatch.setattr("sluicegate.commands.approvals_login.echo_where", open_it)

    def run(*arguments):
        return CliRunner().invoke(main, ["approvals", *arguments, "--url", listening], env={"SLUICEGATE_TOKEN": ""})

    assert run("list").exit_code == 2
    done = run("login")
    assert done.exit_code == 0, done.output
    assert "Signed in as Ada Lindqvist (local:ada)" in done.output
    assert shown[0][1] in shown[0][0]
    (kept,) = tmp_path.glob("sluicegate/*")
    assert kept.stat().st_mode & 0o077 == 0
    done = run("approve", "req-0001", "--reason", "expected")
    assert done.exit_code == 0, done.output
    (vote,) = site.store.get("req-0001").review.verdict.votes
    assert (vote.issuer, vote.subject, vote.channel) == ("local", "ada", "cli")
    site.store.changes.bar(Identity("test", "u-ada"), at=site.clock())
    assert "no longer good" in run("list").output
    site.store.changes.unbar(Identity("test", "u-ada"), at=site.clock())
    assert "no longer good" in run("list").output
    assert run("login").exit_code == 0
    assert run("list").exit_code == 0
    done = run("logout")
    assert done.exit_code == 0, done.output
    assert run("list").exit_code == 2


def test_a_page_session_is_no_api_token_and_the_reverse(site, door):
    """What the page's cookie carries is no way into the API, nor a terminal's session one into the page."""
    ada = door.visitor("u-ada")
    sessions = door.app.state.sessions
    request_ = Request({"type": "http", "headers": [(b"cookie", ada.here.get("/").request.headers["cookie"].encode())]})
    secret = sessions.read(request_).session_id
    assert ada.here.get("/v1/requests", headers={"authorization": f"Bearer {secret}"}).status_code == 401
    terminal = bring(door, door.oidc.forged(door.oidc.claims())).json()["token"]
    assert ada.here.get("/v1/requests", headers={"authorization": f"Bearer {terminal}"}).status_code == 200
    response = Response()
    sessions._set(response, COOKIE, sessions._serializer.dumps([terminal, True]), 60)
    forged = {"cookie": response.headers["set-cookie"].partition(";")[0]}
    assert door.visitor().here.get("/", headers=forged).status_code == 303


# --- High risk ------------------------------------------------------------------------------------------------


def test_a_high_risk_wants_a_strong_sign_in(site, door):
    """An approval leads to the provider for a stronger one, and back to the request; a denial needs none."""
    put(site, risk=Risk.HIGH, resource="", action="drop", requirement=needs(1, "test:security"))
    put(site, request_id="req-0002", risk=Risk.HIGH, likeness="2", requirement=needs(1, "test:security"))
    ada = door.visitor("u-ada")
    answer = ada.vote(typed="drop")
    assert answer.status_code == 403
    assert "Nothing was recorded" in answer.text
    way = "/sign-in/provider?again=true&to=/requests/req-0001"
    assert html.escape(way) in answer.text
    assert site.store.get("req-0001").review.verdict is None
    asked = dict(parse_qsl(urlsplit(ada.here.get(way).headers["location"]).query))
    assert (asked["acr_values"], asked["max_age"]) == (STRONG, "300")
    back = ada.sign_in("u-ada", way)
    assert back.headers["location"] == "/requests/req-0001"
    assert "#receipt" in ada.vote(typed="drop").headers["location"]
    assert site.store.get("req-0001").review.verdict.verdict == "approved"
    assert "#receipt" in door.visitor("u-grace").vote("req-0002", "deny").headers["location"]


def test_a_high_risk_wants_a_fresh_sign_in(site, door, clock):
    """On every way in; what the provider does not say the time of is not fresh."""
    put(site, risk=Risk.CRITICAL, requirement=needs(1, "test:security"))
    now = int(time.time())
    ballot = {"decision": "approve", "version": 1, "reason": "r"}

    def vote(**claims):
        token = bring(door, door.oidc.forged(door.oidc.claims(acr=STRONG, **claims))).json()["token"]
        headers = {"authorization": f"Bearer {token}"}
        return door.visitor().here.post("/v1/requests/req-0001/votes", json=ballot, headers=headers)

    for claims in ({"auth_time": now - 400}, {"auth_time": None}):
        answer = vote(**claims)
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_again")
    assert vote(auth_time=now).status_code == 200


def test_lending_a_right_wants_a_fresh_sign_in(site, door):
    """What would let somebody else decide asks for as much as deciding oneself at the highest risk."""
    now = int(time.time())
    lent = {"to": "test:u-grace", "until": site.clock() + 60_000}

    def lend(auth_time):
        token = bring(door, door.oidc.forged(door.oidc.claims(acr=STRONG, auth_time=auth_time))).json()["token"]
        headers = {"authorization": f"Bearer {token}"}
        return door.visitor().here.post("/v1/delegations", json=lent, headers=headers)

    assert lend(now - 400).json()["code"] == "sign_in_again"
    assert site.store.identities.delegations(at=site.clock()) == []
    assert lend(now).status_code == 200
    assert len(site.store.identities.delegations(at=site.clock())) == 1


# --- Who is out again ---------------------------------------------------------------------------------------


def test_who_is_barred_loses_session_and_open_votes_at_once(site, door):
    """And does not get in again, whatever the provider says."""
    put(site, requirement=needs(2, "test:security"))
    ada, grace = door.visitor("u-ada"), door.visitor("u-grace")
    assert ada.vote().status_code == 303
    person = site.service.people.by_id("ada")
    site.store.changes.bar(person.identity, at=site.clock())
    assert ada.here.get("/").status_code == 303
    assert grace.vote().status_code == 303  # hers is the first of two, not the second
    assert site.store.get("req-0001").review.verdict is None
    assert door.visitor().sign_in("u-ada").status_code == 403
    site.store.changes.unbar(person.identity, at=site.clock())
    assert door.visitor("u-ada").here.get("/").status_code == 200


def test_who_is_taken_out_of_the_people_file_is_out_at_once(door):
    """The file is read again when it changes; one that cannot be read changes nothing."""
    ada = door.visitor("u-ada")
    door.people.write_text("people: {")
    assert ada.here.get("/").status_code == 200
    door.people.write_text("people:\n" + PEOPLE.splitlines()[-1] + "\n")
    assert ada.here.get("/").status_code == 303


def test_who_signs_out_at_the_provider_is_out_here(oidc, door):
    """By a logout token; one that is no such token ends nothing."""
    ada = door.visitor("u-ada")
    events = {"http://schemas.openid.net/event/backchannel-logout": {}}
    good = oidc.claims(aud="sluicegate", events=events, jti="1", auth_time=None)
    for bad in ({**good, "nonce": "n"}, {**good, "events": {}}, {**good, "aud": "another"}):
        assert ada.here.post("/sign-in/logout", data={"logout_token": oidc.forged(bad)}).status_code == 400
    assert ada.here.get("/").status_code == 200
    assert ada.here.post("/sign-in/logout", data={"logout_token": oidc.forged(good)}).status_code == 200
    assert ada.here.get("/").status_code == 303


def test_a_sign_in_is_known_by_when_and_how(site, door):
    """What the provider says of it is kept with the session."""
    ada = door.visitor()
    ada.sign_in("u-ada", "/sign-in/provider?again=true")
    cookie = next(iter(ada.here.cookies.jar)).value
    secret = door.app.state.sessions._serializer.loads(cookie)[0]
    found = site.store.identities.session(secret, at=site.clock())
    assert found.acr == STRONG
    assert abs(found.auth_time - site.clock() / 1000) < 30


# --- In a real browser ----------------------------------------------------------------------------------------


def test_in_a_real_browser_one_signs_in_and_decides(site, oidc, open_door, chromium):
    """Its rules for cookies and forms let one go to the provider and come back, for a high risk too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    oidc.tell(redirectUris=[f"{url}/sign-in/callback"])
    door = open_door(public_url=url)
    put(site, risk=Risk.HIGH, requirement=needs(1, "test:security"))
    with served(door.app, port), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{url}/requests/req-0001")
        page.get_by_role("link", name="Sign in with test").click()
        page.get_by_role("button", name="u-ada").click()
        page.wait_for_url(f"{url}/requests/req-0001")
        _approve(page)
        page.get_by_role("link", name="Sign in with test").click()
        page.get_by_role("button", name="u-ada").click()
        page.wait_for_url(f"{url}/requests/req-0001")
        _approve(page)
        page.wait_for_url("**#receipt")
        browser.close()
    (vote,) = site.store.get("req-0001").review.verdict.votes
    assert (vote.subject, vote.reason, vote.channel) == ("ada", "expected", "page")


def _approve(page):
    page.locator("[name=typed]").fill("customers")
    page.locator("textarea[name=reason]").fill("expected")
    page.get_by_role("button", name="Approve", exact=True).click()


# --- Put together -------------------------------------------------------------------------------------------


def test_the_service_is_put_together_from_its_files(oidc, tmp_path):
    """identity.yaml and people.yaml as a deployer writes them; there is no way around the provider."""
    (tmp_path / "people.yaml").write_text(PEOPLE)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "identity.yaml").write_text(
        f"public_url: {BASE}\nname: test\nissuer: {oidc.issuer}\nclient_id: {CLIENT}\n"
        f"client_secret: {{file: secret}}\ndevice_client_id: {CLI}\n"
    )
    identity = load_identity(tmp_path / "identity.yaml")
    broker = open_broker(f"embedded:{tmp_path / 'log.db'}")
    settings = Settings(tmp_path / "people.yaml", tmp_path / "approvals.db", {}, identity=identity)
    server = build(settings, broker, scrub=str)
    try:
        visitor = Visitor(server.app)
        assert server.settings.url == BASE
        assert visitor.sign_in("u-ada").status_code == 303
        assert "Ada Lindqvist" in visitor.here.get("/").text
        assert visitor.post("/sign-in", "/", person="grace").status_code == 403
        assert "no-store" in visitor.here.get("/sign-in").headers["cache-control"]
        visitor.close()
    finally:
        server.close()
        broker.close()
