"""Signing in at a real OpenID provider: who gets in, who does not, and who is out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from approval_makers import needs, principal, request
from approval_site import Site
from oidc_server import STRONG, OidcServer
from sign_in_site import PEOPLE, Clock, Door

from engine.ledger.model import PrincipalRole


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


def test_signing_in_goes_on_when_the_provider_changes_its_keys(oidc, door):
    """A key that we do not know makes us ask once more."""
    assert door.visitor("u-ada").here.get("/").status_code == 200
    oidc.rotate()
    door.provider._keys_asked = 0.0  # as if the last look had been long ago
    assert door.visitor("u-grace").here.get("/").status_code == 200


# --- Who is out again ---------------------------------------------------------------------------------------


def test_who_is_barred_loses_session_and_open_votes_at_once(site, door):
    """And does not get in again, whatever the provider says."""
    put(site, requirement=needs(2, "test:security"))
    ada, grace = door.visitor("u-ada"), door.visitor("u-grace")
    assert ada.vote().status_code == 303
    person = site.service.people.by_id("ada")
    site.store.identities.bar(person.identity, at=site.clock())
    assert ada.here.get("/").status_code == 303
    assert grace.vote().status_code == 303  # hers is the first of two, not the second
    assert site.store.get("req-0001").review.verdict is None
    assert door.visitor().sign_in("u-ada").status_code == 403
    site.store.identities.unbar(person.identity)
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
