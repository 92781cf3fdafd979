"""`approvals people` and `approvals tokens`, on a real database."""

from __future__ import annotations

import pytest
from approval_site import Clock
from click.testing import CliRunner

from approvals.person import Identity
from approvals.store import Store
from sluicegate.cli import main


@pytest.fixture
def run(tmp_path):
    (tmp_path / "sluicegate.yaml").write_text(
        "broker: embedded:log.db\ntopics: [{activity: activity}]\nbinding_key: {env: KEY}\nstate_dir: state\n"
    )

    def command(*arguments: str):
        where = ["-c", str(tmp_path / "sluicegate.yaml")]
        return CliRunner().invoke(main, ["approvals", *arguments[:2], *where, *arguments[2:]])

    return command


@pytest.fixture
def identities(tmp_path):
    store = Store(tmp_path / "state" / "approvals.db", decisions={})
    yield store.identities
    store.close()


def test_a_token_is_shown_once_and_kept_as_a_hash(run, identities, tmp_path):
    """It is found by itself, for its scopes, until it is revoked; its name is never used again."""
    made = run("tokens", "create", "bot", "--scope", "read", "--scope", "vote", "--days", "1")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    now = Clock().now
    found = identities.token(token, at=now)
    assert found.scopes == {"read", "vote"}
    assert identities.token(token[:-1], at=now) is None
    assert identities.token(token, at=found.expires) is None
    for file in (tmp_path / "state").iterdir():
        assert token.encode() not in file.read_bytes()
    assert "machine:bot  read vote  until" in run("tokens", "list").output
    assert run("tokens", "revoke", "bot").exit_code == 0
    assert identities.token(token, at=now) is None
    assert run("tokens", "revoke", "bot").exit_code == 1
    again = run("tokens", "create", "bot")
    assert again.exit_code == 2
    assert "never used again" in again.output


def test_barring_ends_sessions(run, identities):
    """And says how many; what is no identity is refused by name."""
    ada = Identity("okta", "00u1")
    identities.begin_session(ada, at=Clock().now, seconds=2**40, channel="page")
    done = run("people", "bar", "okta:00u1")
    assert done.output == "okta:00u1 is barred; 1 session ended\n"
    assert [account.barred for account in identities.accounts()] == [True]
    assert run("people", "unbar", "okta:00u1").exit_code == 0
    assert run("people", "unbar", "okta:00u1").exit_code == 1
    assert run("people", "bar", "ada").exit_code == 2


def test_without_a_database_it_says_who_makes_it(run):
    """Nothing is created by asking."""
    done = run("tokens", "list")
    assert done.exit_code != 0
    assert "approvals serve" in done.output or "approvals serve" in str(done.exception)
