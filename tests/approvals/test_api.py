"""The API: lists page by page, entity tags, idempotency keys, machines, limits, events; and schemathesis against it."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from approval_makers import MINUTE, NOW, PEOPLE, needs, principal, request
from approval_site import Site
from described import answers_as_described
from schemathesis import GenerationMode
from starlette.exceptions import StarletteDeprecationWarning

from approvals.identity.directory import Directory
from approvals.people import hash_token, new_token
from approvals.person import Roster
from approvals.web.app import WebSettings, create_app
from approvals.web.limits import RateLimit
from engine.ledger.model import Risk

with warnings.catch_warnings():
    # It would rather have httpx2; with the httpx that the CLI uses anyway it works as well.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8787"
TOKENS = {name: new_token() for name in ("ada", "grace", "linus")}
Ask = Callable[..., httpx.Response]


@pytest.fixture
def app(site: Site) -> Any:
    roster = Roster([replace(p, token_hash=hash_token(TOKENS[p.id])[7:]) for p in PEOPLE.values()])
    site.service.people = roster
    directory = Directory(site.store.identities, roster, clock=site.clock)
    hosts = ("127.0.0.1", "testserver")  # the second is what schemathesis calls it
    return create_app(site.service, WebSettings(secret=b"s" * 32, directory=directory, hosts=hosts))


@pytest.fixture
def api(app: Any) -> Iterator[Ask]:
    with TestClient(app, base_url=BASE) as client:

        def ask(method: str, path: str, who: str = "ada", headers: dict[str, str] | None = None, **more: Any) -> Any:
            token = TOKENS.get(who, who)
            return client.request(
                method, f"/v1{path}", headers={"authorization": f"Bearer {token}", **(headers or {})}, **more
            )

        yield ask


def put(site: Site, *requests: Any) -> None:
    site.put(*requests)
    site.step()


def machine(site: Site, name: str, *scopes: str) -> str:
    token = site.store.identities.make_token(name, frozenset(scopes), at=NOW, expires=NOW + MINUTE)
    assert token is not None
    return token


APPROVE = {"decision": "approve", "version": 1, "reason": "r"}


# --- Lists --------------------------------------------------------------------------------------------------


def test_a_list_is_read_page_by_page(site, api):
    """Each request is on one page, those that wait first, then those decided, however many come in between."""
    put(site, *(request(f"r{n}", expires=NOW + 10 * MINUTE + n % 3, likeness=str(n)) for n in range(7)))
    for n in (1, 4):
        assert api("POST", f"/requests/r{n}/votes", json=APPROVE).status_code == 200
    seen, cursor = [], ""
    while cursor is not None:
        page = api("GET", f"/requests?state=all&limit=2&cursor={cursor}").json()
        seen += [one["request_id"] for one in page["requests"]]
        cursor = page["next"]
        assert page["truncated"] is (cursor is not None)
    assert seen == ["r0", "r3", "r6", "r2", "r5", "r4", "r1"]


def test_a_list_is_narrowed(site, api):
    """By words, rule, risk and agent, which all must fit."""
    put(
        site,
        request("r1", rule_id="deploy", risk=Risk.LOW, likeness="1"),
        request("r2", resource="payroll", principals=(principal("agent:loader"),), likeness="2"),
    )

    def found(query: str) -> list[str]:
        return [one["request_id"] for one in api("GET", f"/requests?{query}").json()["requests"]]

    assert found("rule=deploy") == ["r1"]
    assert found("risk=low") == ["r1"]
    assert found("q=PAYROLL") == ["r2"]
    assert found("q=payroll&risk=low") == []
    assert api("GET", "/requests?risk=huge").status_code == 422
    assert api("GET", "/requests?riks=low").json()["detail"] == "missing or not valid: riks"
    assert api("GET", "/requests?cursor=bm90").json()["detail"].startswith("that is no cursor")


# --- What has changed ---------------------------------------------------------------------------------------


def test_an_entity_tag_says_whether_it_is_what_was_reviewed(site, api):
    """304 while it is; 412 with the difference once it is not; a vote under the right tag counts."""
    put(site, request())
    answer = api("GET", "/requests/req-0001")
    tag = answer.headers["etag"]
    assert api("GET", "/requests/req-0001", headers={"if-none-match": tag}).status_code == 304
    put(site, request(version=2, resource="all customers", params={"rows": 90000}))
    assert api("GET", "/requests/req-0001", headers={"if-none-match": tag}).status_code == 200
    stale = api("POST", "/requests/req-0001/votes", json=APPROVE, headers={"if-match": tag})
    assert stale.status_code == 412
    problem = stale.json()
    assert (problem["version"], problem["current"]) == (1, 2)
    assert {"field": "resource", "was": "customers", "now": "all customers"} in problem["changes"]
    assert {"field": "params.rows", "was": "41000", "now": "90000"} in problem["changes"]
    assert {"field": "params.table", "was": "customers", "now": None} in problem["changes"]
    good = {"if-match": problem["etag"]}
    answer = api("POST", "/requests/req-0001/votes", json={**APPROVE, "version": 2}, headers=good)
    assert answer.status_code == 200
    assert answer.headers["etag"] != problem["etag"]


def test_a_stale_version_is_a_conflict_with_the_difference(site, api):
    """Also without an entity tag: a vote always names a version."""
    put(site, request())
    put(site, request(version=2, resource="all customers"))
    answer = api("POST", "/requests/req-0001/votes", json=APPROVE)
    assert answer.status_code == 409
    assert answer.json()["changes"] == [{"field": "resource", "was": "customers", "now": "all customers"}]


def test_one_key_is_one_vote(site, api):
    """Sent twice it is answered twice and done once; the key is good for nothing else; what failed may be tried anew."""
    put(site, request(requirement=needs(2)))
    key = {"idempotency-key": "k1"}
    first = api("POST", "/requests/req-0001/votes", json=APPROVE, headers=key)
    again = api("POST", "/requests/req-0001/votes", json=APPROVE, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert [e.event for e in site.store.events("req-0001")].count("vote approve") == 1
    other = api("POST", "/requests/req-0001/votes", json={**APPROVE, "reason": "x"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert api("POST", "/requests/req-0001/votes", "grace", json=APPROVE, headers=key).status_code == 200
    refused = {"idempotency-key": "k2"}
    assert api("POST", "/requests/nope/votes", json=APPROVE, headers=refused).status_code == 404
    put(site, request("nope", likeness="other"))
    assert api("POST", "/requests/nope/votes", json=APPROVE, headers=refused).status_code == 200


def test_a_vote_on_what_has_ended_is_a_conflict(site, api):
    """Whoever sends it, and whatever it says; an unknown request is said to be unknown."""
    put(site, request())
    assert api("POST", "/requests/req-0001/votes", json=APPROVE).status_code == 200
    for who in ("ada", "grace"):
        answer = api("POST", "/requests/req-0001/votes", who, json=APPROVE)
        assert (answer.status_code, answer.json()["code"]) == (409, "decided")
    assert api("POST", "/requests/unknown/votes", json=APPROVE).json()["code"] == "unknown"


# --- Asking, answering, taking back -------------------------------------------------------------------------


def test_a_question_is_asked_and_answered(site, api):
    """By who may vote, and by a party to the action: a machine with the name of the agent. Then all vote anew."""
    put(site, request())
    agent, other = machine(site, "etl-7", "answer"), machine(site, "another", "answer")
    asked = {"version": 1, "question": "Which customers?"}
    assert api("POST", "/requests/req-0001/questions", "linus", json=asked).status_code == 403
    answer = api("POST", "/requests/req-0001/questions", json=asked)
    assert answer.json()["state"] == "clarification_asked"
    assert api("POST", "/requests/req-0001/votes", "grace", json=APPROVE).status_code == 409
    told = {"version": 1, "answer": "Those in Oslo."}
    assert api("POST", "/requests/req-0001/answers", other, json=told).status_code == 403
    answer = api("POST", "/requests/req-0001/answers", agent, json=told)
    assert answer.status_code == 200, answer.text
    (said,) = answer.json()["clarifications"]
    assert (said["asked_by"], said["answer"], said["answered_by"]) == ("local:ada", "Those in Oslo.", "machine:etl-7")
    assert api("POST", "/requests/req-0001/votes", json=APPROVE).status_code == 409
    assert api("POST", "/requests/req-0001/votes", json={**APPROVE, "version": 2}).status_code == 200


def test_who_asked_takes_it_back(site, api):
    """Nobody else can."""
    put(site, request())
    assert api("POST", "/requests/req-0001/withdrawal", "linus", json={}).status_code == 403
    done = api("POST", "/requests/req-0001/withdrawal", machine(site, "etl-7", "answer"), json={"reason": "wrong"})
    assert done.json()["verdict"]["verdict"] == "withdrawn"


def test_several_are_denied_together_and_approved_only_if_alike(site, api):
    """Each vote by itself, with an outcome of its own."""
    low = [request(f"r{n}", risk=Risk.LOW, likeness=str(n)) for n in range(3)]
    put(site, *low, request("high", risk=Risk.HIGH, likeness="h"))

    def pick(*ids: str) -> list[dict[str, object]]:
        return [{"request_id": one, "version": 1} for one in ids]

    mixed = {"decision": "approve", "requests": pick("r0", "high"), "reason": "fine"}
    assert api("POST", "/votes", json=mixed).json()["code"] == "not_alike"
    assert site.store.counts().decided == 0
    alike = {**mixed, "requests": pick("r0", "r1", "gone")}
    outcomes = api("POST", "/votes", json=alike).json()["outcomes"]
    assert [(o["request_id"], o["state"], o["code"]) for o in outcomes] == [
        ("r0", "approved", None),
        ("r1", "approved", None),
        ("gone", None, "unknown"),
    ]
    denied = {"decision": "deny", "requests": pick("r2", "high"), "reason": "no"}
    assert [o["state"] for o in api("POST", "/votes", json=denied).json()["outcomes"]] == ["denied", "denied"]


# --- Machines -----------------------------------------------------------------------------------------------


def test_a_machine_votes_only_where_the_policy_names_it(site, api):
    """And then as itself: what asks a group, or two people, does not ask it."""
    bot = machine(site, "bot", "read", "vote")
    put(
        site,
        request("r1", likeness="1"),
        request("r2", likeness="2", requirement=needs(1, "local:nobody", people=("machine:bot",))),
    )
    assert api("GET", "/me", bot).json() == {
        "id": "machine:bot",
        "name": "machine bot",
        "groups": [],
        "scopes": ["read", "vote"],
    }
    assert api("POST", "/requests/r1/votes", bot, json=APPROVE).status_code == 403
    vote = api("POST", "/requests/r2/votes", bot, json=APPROVE).json()["verdict"]["votes"][0]
    assert (vote["issuer"], vote["subject"]) == ("machine", "bot")


def test_a_token_is_for_what_it_says(site, api, clock):
    """Without the scope 403, after its end or once revoked 401; barring people is for machines alone."""
    put(site, request())
    bot = machine(site, "bot", "read")
    assert api("GET", "/requests", bot).status_code == 200
    assert api("POST", "/requests/req-0001/votes", bot, json=APPROVE).json()["code"] == "scope"
    assert api("POST", "/people/local:ada/bar", bot).json()["code"] == "scope"
    assert api("POST", "/people/local:ada/bar").json()["code"] == "scope"
    hook = machine(site, "hook", "people")
    assert api("POST", "/people/local:ada/bar", hook).status_code == 200
    assert api("GET", "/requests").status_code == 401
    site.store.identities.revoke_token("hook", at=NOW)
    assert api("GET", "/requests", hook).status_code == 401
    clock.now += MINUTE
    assert api("GET", "/requests", bot).status_code == 401


def test_a_revoked_machine_no_longer_counts(site, api):
    """Its vote on what is still open goes with it."""
    bot = machine(site, "bot", "vote")
    put(site, request(requirement=needs(2, people=("machine:bot",))))
    assert len(api("POST", "/requests/req-0001/votes", bot, json=APPROVE).json()["votes"]) == 1
    site.store.identities.revoke_token("bot", at=NOW)
    assert api("GET", "/requests/req-0001", "grace").json()["votes"] == []


# --- Delegations --------------------------------------------------------------------------------------------


def lend(api: Ask, who: str, **more: Any) -> httpx.Response:
    return api("POST", "/delegations", who, json={"to": "linus", "until": NOW + 9 * MINUTE, **more})


def test_a_right_is_lent_until_a_day_and_can_be_taken_back(site, api, clock):
    """The vote says whose right it used; once that is revoked, or over, it counts no more."""
    put(site, request(requirement=needs(2, "local:security")), request("two", likeness="2"))
    assert api("POST", "/requests/req-0001/votes", "linus", json=APPROVE).status_code == 403
    made = lend(api, "ada").json()
    assert (made["lender"], made["taker"], made["groups"]) == ("local:ada", "local:linus", [])
    (vote,) = api("POST", "/requests/req-0001/votes", "linus", json=APPROVE).json()["votes"]
    assert vote["subject"] == "linus"
    assert site.store.events("req-0001")[-1].actor == "local:linus"
    assert api("DELETE", f"/delegations/{made['id']}", "grace").status_code == 404
    assert api("DELETE", f"/delegations/{made['id']}").status_code == 204
    assert api("GET", "/requests/req-0001").json()["votes"] == []
    assert api("GET", "/delegations").json() == {"delegations": []}
    lend(api, "ada")
    assert len(api("GET", "/delegations").json()["delegations"]) == 1
    clock.now += 9 * MINUTE
    assert api("POST", "/requests/two/votes", "linus", json=APPROVE).status_code == 403


@pytest.mark.parametrize(
    ("who", "more", "words"),
    [
        ("ada", {"to": "nobody"}, "to another who is known here"),
        ("ada", {"to": "machine:bot"}, "to another who is known here"),
        ("linus", {}, "nobody can delegate to themselves"),
        ("ada", {"until": NOW}, "ends at a time to come"),
        ("ada", {"until": NOW + 400 * 1_440 * MINUTE}, "within a year"),
        ("ada", {"groups": ["local:data"]}, "you are not in local:data"),
    ],
)
def test_what_cannot_be_lent_is_refused(site, api, who, more, words):
    """Neither to oneself, a machine or nobody, nor for ever, nor what one does not have."""
    machine(site, "bot", "vote")
    answer = lend(api, who, **more)
    assert (answer.status_code, answer.json()["code"]) == (422, "cannot_lend")
    assert words in answer.json()["detail"]
    assert lend(api, machine(site, "other", "vote", "people"), **more).status_code == 422


# --- How often, and what comes --------------------------------------------------------------------------------


def test_who_asks_too_often_waits():
    """A burst, then a steady rate, each caller by themselves."""
    now = [0.0]
    limit = RateLimit(rate=2, burst=3, now=lambda: now[0])
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert limit.wait("b") == 0
    now[0] += 0.5
    assert [limit.wait("a") for _ in range(2)] == [0, 1]
    now[0] += 1000
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 1]


def test_too_often_is_said(site, app, api):
    """429, with when to try again; also to those who guess tokens."""
    app.state.limit = RateLimit(rate=0.1, burst=1)
    assert api("GET", "/me").status_code == 200
    answer = api("GET", "/me")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert [api("GET", "/me", f"guess{n}").status_code for n in range(2)] == [401, 429]


@pytest.fixture
def listening(app: Any) -> Iterator[str]:
    """The URL of the application, served for real."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    app.state.watch.closing = True
    server.should_exit = True
    thread.join(10)


def test_events_come_as_they_happen_and_go_on_where_one_left_off(site, listening):
    """Numbered, and with nothing of what was asked in them."""
    put(site, request(action="a secret deed"))
    headers = {"authorization": f"Bearer {TOKENS['ada']}", "last-event-id": "0"}
    with httpx.Client(trust_env=False, timeout=10) as http:
        with http.stream("GET", f"{listening}/v1/events", headers=headers) as stream:
            lines = stream.iter_lines()
            (arrived,) = _events(lines, 1)
            put(site, request("later", likeness="other"))
            (later,) = _events(lines, 1)
        assert (arrived["request_id"], arrived["event"]) == ("req-0001", "received")
        assert later["request_id"] == "later"
        assert "secret" not in json.dumps(arrived)
        headers["last-event-id"] = str(arrived["sequence"])
        with http.stream("GET", f"{listening}/v1/events", headers=headers) as stream:
            assert _events(stream.iter_lines(), 1) == [later]


def _events(lines: Iterator[str], number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: ")))
        if len(found) == number:
            break
    return found


# --- By its own description ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_the_api_is_as_it_describes_itself(site: Site, app: Any, mode: GenerationMode) -> None:
    """Nothing that its description allows, or forbids, makes it fail, or answer what the description does not say."""
    put(site, *(request(f"req-000{n}", likeness=str(n)) for n in range(5)))
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app)
    headers = {"Authorization": f"Bearer {TOKENS['ada']}"}
    described = schema.exclude(path_regex="/v1/(events|sign-in|session)$")
    assert answers_as_described(described, headers, mode) >= 8
