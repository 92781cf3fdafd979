"""identity.yaml: what is refused, and that a secret is never said."""

from __future__ import annotations

from pathlib import Path

import pytest

from approvals.identity.settings import load_identity
from approvals.server import Settings, build
from detectors.errors import ConfigError
from engine.brokers import open_broker

GOOD = """\
public_url: https://approvals.example.com/
name: okta
issuer: https://acme.okta.com/
client_id: 0oa1
client_secret: {env: OKTA_SECRET}
device_client_id: 0oa2
"""
ENVIRON = {"OKTA_SECRET": "hunter2 "}


def write(folder: Path, text: str) -> Path:
    path = folder / "identity.yaml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_safe_defaults(tmp_path):
    """Nobody who is not listed gets in, and the terminal's client is an audience."""
    settings = load_identity(write(tmp_path, GOOD), ENVIRON)
    assert settings.issuer == "https://acme.okta.com"
    assert settings.redirect_uri == "https://approvals.example.com/sign-in/callback"
    assert settings.unlisted == "refuse"
    assert settings.audiences == ("0oa2",)
    assert settings.client_secret == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("https://acme.okta.com/", "http://acme.okta.com"), "identity.yaml:3: issuer: must begin with https://"),
        (("https://approvals.example.com/", "approvals"), "identity.yaml:1: public_url: is no URL of a site"),
        (("name: okta", "name: local"), "identity.yaml:2: name: is a short name"),
        (("name: okta", "name: machine"), "identity.yaml:2: name: is a short name"),
        (("client_id: 0oa1", "client: 0oa1"), "identity.yaml:4: client: unknown key"),
        (("{env: OKTA_SECRET}", "hunter2"), "identity.yaml:5: client_secret"),
        (("OKTA_SECRET", "OTHER"), "identity.yaml:5: client_secret.env: holds no secret"),
        (("{env: OKTA_SECRET}", "{file: no.secret}"), "identity.yaml:5: client_secret.file: cannot be read"),
        (("name: okta", "name: okta\nscopes: [profile]"), "identity.yaml:3: scopes: must have 'openid'"),
        (("name: okta", "name: okta\nunlisted: admit"), "identity.yaml:3: unlisted: 'admit' needs aliases"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, change, says):
    """By file, line and key, and never with what may be a secret."""
    with pytest.raises(ConfigError) as caught:
        load_identity(write(tmp_path, GOOD.replace(*change)), ENVIRON)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_other_addresses_need_a_provider_and_tls(tmp_path):
    """With both, the page is at its public URL."""
    settings = load_identity(write(tmp_path, GOOD), ENVIRON)
    plain = load_identity(
        write(tmp_path, GOOD.replace("https://approvals.example.com", "http://127.0.0.1:80")), ENVIRON
    )
    where = {"people": tmp_path / "people.yaml", "database": tmp_path / "a.db", "topics": {}, "host": "0.0.0.0"}
    with pytest.raises(ConfigError, match="without TLS"):
        Settings(**where, identity=plain)
    with pytest.raises(ConfigError, match="--identity"):
        Settings(**where)
    assert Settings(**where, identity=settings).url == "https://approvals.example.com"


@pytest.mark.parametrize("own", ["demo: true", f"token_hash: 'sha256:{'0' * 64}'"])
def test_beside_a_provider_nobody_has_a_sign_in_of_their_own(tmp_path, own):
    """A demo person or a personal token would be a way around the provider."""
    people = tmp_path / "people.yaml"
    people.write_text(f"people:\n  - {{id: ada, name: Ada, {own}}}\n")
    settings = load_identity(write(tmp_path, GOOD), ENVIRON)
    broker = open_broker(f"embedded:{tmp_path / 'log.db'}")
    try:
        with pytest.raises(ConfigError, match="ada has a sign-in of their own"):
            build(Settings(people, tmp_path / "a.db", {}, identity=settings), broker, scrub=str)
    finally:
        broker.close()


def test_nobody_in_the_people_file_is_a_machine(tmp_path):
    """API tokens never vote as a person, so no person has the name of one."""
    people = tmp_path / "people.yaml"
    people.write_text("people:\n  - {id: ada, name: Ada, identities: ['machine:ci']}\n")
    from approvals.people import load_people

    with pytest.raises(ConfigError, match="for API tokens"):
        load_people(people)
