"""Sessions, accounts, tokens and idempotency keys, on both databases; two instances see the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from approval_makers import APPROVALS, DECISIONS, MINUTE, NOW, PEOPLE
from postgres import fresh

from approvals.answers import Taken
from approvals.identity.claims import Profile
from approvals.identity.directory import Directory
from approvals.person import Identity
from approvals.store import Store

TOPICS = {APPROVALS: DECISIONS}
ADA = Identity("okta", "00u1")
KNOWN = Profile(ADA, "Ada", frozenset({"okta:security"}), (Identity("email", "ada@example.com"),), 0, "")


@pytest.fixture(params=["sqlite", "postgresql"])
def instances(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two on one database."""
    on_postgres = request.param == "postgresql"
    place = fresh(request.getfixturevalue("postgres_server")) if on_postgres else tmp_path / "approvals.db"
    stores = Store(place, decisions=TOPICS), Store(place, decisions=TOPICS)
    yield stores
    for store in stores:
        store.close()


def test_a_session_ends_on_all_instances(instances):
    """At its time, by sign-out, and with all others of a person who is barred."""
    one, other = (store.identities for store in instances)
    secrets = [one.begin_session(ADA, at=NOW, seconds=60, channel="page", auth_time=7, acr="strong") for _ in range(3)]
    found = other.session(secrets[0], at=NOW)
    assert (found.identity, found.auth_time, found.acr, found.channel) == (ADA, 7, "strong", "page")
    assert other.session(secrets[0], at=NOW + MINUTE) is None
    other.end_session(secrets[0])
    assert [one.session(secret, at=NOW) is None for secret in secrets] == [True, False, False]
    assert instances[1].changes.bar(ADA, at=NOW) == 2
    assert one.session(secrets[1], at=NOW) is None


def test_who_is_barred_by_one_instance_is_barred_in_all(instances):
    """The rosters follow; what the provider says later does not undo it, and unbarring does."""
    one, other = instances
    listed = next(p for p in PEOPLE.values() if p.id == "ada")
    directory = Directory(other.identities, PEOPLE, clock=lambda: NOW)
    assert directory.roster().by_id("ada") is not None
    one.changes.bar(listed.identity, at=NOW)
    assert directory.roster().by_id("ada") is None
    one.changes.bar(ADA, at=NOW)
    one.identities.keep_account(KNOWN, at=NOW + 1)
    (account,) = (a for a in other.identities.accounts() if a.identity == ADA)
    assert (account.barred, account.groups, account.aliases) == (True, KNOWN.groups, KNOWN.aliases)
    assert one.changes.unbar(listed.identity, at=NOW)
    assert directory.roster().by_id("ada") is not None


def test_a_token_that_ends_leaves_the_roster(instances):
    """Also where nothing else has changed since."""
    one, other = instances
    now = [NOW]
    directory = Directory(other.identities, PEOPLE, clock=lambda: now[0])
    assert one.identities.make_token("bot", frozenset({"vote"}), at=NOW, expires=NOW + MINUTE)
    assert one.identities.make_token("bot", frozenset({"vote"}), at=NOW, expires=NOW + MINUTE) is None
    assert directory.roster().signed("machine:bot") is not None
    now[0] += MINUTE
    assert directory.roster().signed("machine:bot") is None


def test_a_key_is_used_once(instances):
    """By whichever instance was asked; a key whose user died is free again after a while, one that failed at once."""
    one, other = (store.answers for store in instances)
    assert one.begin("ada", "k", "digest", at=NOW) is None
    assert other.begin("ada", "k", "digest", at=NOW) is Taken.IN_PROGRESS
    one.end("ada", "k", (200, b"{}"))
    assert other.begin("ada", "k", "digest", at=NOW) == (200, b"{}")
    assert other.begin("ada", "k", "another", at=NOW) is Taken.REUSED
    assert other.begin("grace", "k", "another", at=NOW) is None
    other.end("grace", "k", None)
    assert one.begin("grace", "k", "digest", at=NOW) is None
    assert one.begin("grace", "k", "digest", at=NOW + MINUTE + 1) is None
    assert one.begin("ada", "k", "digest", at=NOW + 24 * 60 * MINUTE + 1) is None
