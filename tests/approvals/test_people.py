"""`people.yaml`: strict, and unable to make one human being two voters."""

from __future__ import annotations

from datetime import datetime

import pytest

from approvals.people import by_token, hash_token, new_token, read_people
from approvals.person import Identity
from detectors.errors import ConfigError
from detectors.yamlfile import YamlFile


def read(text: str):
    return read_people(YamlFile(text, "people.yaml"))


def test_people_are_read_with_their_identities():
    """An identity is cut at its first colon, so that an ARN stays whole; the local one comes first."""
    roster = read(
        """
people:
  - id: ada
    name: Ada Lindqvist
    groups: [local:security]
    identities: ["aws:arn:aws:iam::123456789012:user/ada2", "email:ada@example.com"]
    demo: true
"""
    )
    ada = roster.by_id("ada")
    assert ada is not None
    assert ada.identities == (
        Identity("local", "ada"),
        Identity("aws", "arn:aws:iam::123456789012:user/ada2"),
        Identity("email", "ada@example.com"),
    )
    assert (ada.groups, ada.demo, ada.token_hash) == (frozenset({"local:security"}), True, None)
    assert roster.known_as("email", "ada@example.com") is ada
    assert roster.known_as("email", "Ada@example.com") is None


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("- {id: a, nam: A}", "people[0].nam: unknown key 'nam' (did you mean 'name'?)"),
        ("- {id: a}", "people[0].name: is required"),
        ("- {id: a, name: A, groups: [security]}", "people[0].groups[0]: is written 'issuer:id'"),
        ("- {id: a, name: A, token_hash: hunter2}", "people[0].token_hash: is 'sha256:' and 64 hex digits"),
        ("- {id: a, name: A, demo: 'yes'}", "people[0].demo"),
        ("- {id: a b, name: A}", "people[0].id"),
        ("- {id: a, name: A}\n  - {id: a, name: B}", "people[1].id: 'a' is there twice"),
        (
            '- {id: a, name: A, identities: ["x:me@z.org"]}\n  - {id: b, name: B, identities: ["y:ME@z.org"]}',
            "people[1].identities[0]: 'y:ME@z.org' of b and 'x:me@z.org' of a have one subject",
        ),
        ('- {id: a, name: A}\n  - {id: b, name: B, identities: ["k8s:a"]}', "people[1].identities[0]"),
    ],
)
def test_what_is_wrong_is_named(entries, said):
    """An error names file, line and key, and never what stood there for a secret."""
    with pytest.raises(ConfigError) as error:
        read(f"people:\n  {entries}\n")
    assert str(error.value).startswith("people.yaml:")
    assert said in str(error.value)
    assert "hunter2" not in str(error.value)


def test_nobody_is_no_roster():
    """A file without people is a mistake, not a service that nobody can use."""
    with pytest.raises(ConfigError):
        read("people: []\n")


def test_a_token_finds_its_owner_and_nobody_else():
    """Only the exact token works, and two people cannot have the same one."""
    token, other = new_token(), new_token()
    assert token != other
    line = f"token_hash: '{hash_token(token)}'"
    roster = read(f"people:\n  - {{id: a, name: A, {line}}}\n  - {{id: b, name: B}}\n")
    found = by_token(roster.values(), token)
    assert found is not None
    assert found.id == "a"
    for wrong in (other, "", token[:-1], token + "x", hash_token(token), "0" * 64):
        assert by_token(roster.values(), wrong) is None
    with pytest.raises(ConfigError, match="is also the hash of a"):
        read(f"people:\n  - {{id: a, name: A, {line}}}\n  - {{id: b, name: B, {line}}}\n")


def test_a_person_never_shows_their_token_hash():
    """Not even in a repr."""
    token = new_token()
    roster = read(f"people:\n  - {{id: a, name: A, token_hash: '{hash_token(token)}'}}\n")
    assert hash_token(token)[7:] not in repr(roster.by_id("a"))


DELEGATING = """
people:
  - {id: ada, name: Ada, groups: [local:security]}
  - {id: linus, name: Linus}
delegations:
  - {from: FROM, to: linus, until: 'UNTIL', groups: [GROUP]}
"""


def delegating(lender="ada", until="2026-12-24", group="local:security"):
    text = DELEGATING.replace("FROM", lender).replace("UNTIL", until).replace("GROUP", group)
    return read_people(YamlFile(text, "people.yaml"))


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        ("2026-12-24", "2026-12-25T00:00:00+00:00"),
        ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00+00:00"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00+00:00"),
    ],
)
def test_a_delegation_ends(until, ends):
    """At the end of a day, or at a time with its zone."""
    (lent,) = delegating(until=until).by_id("linus").acts_for
    assert lent.until == datetime.fromisoformat(ends).timestamp() * 1000
    assert (str(lent.lender), lent.groups) == ("local:ada", {"local:security"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lender": "adda"}, "nobody has the id 'adda'"),
        ({"lender": "linus"}, "nobody can delegate to themselves"),
        ({"group": "local:data"}, "ada is not in 'local:data'"),
        ({"until": "tomorrow"}, "is a date"),
        ({"until": "2026-12-24T18:00:00"}, "a time with its zone"),
    ],
)
def test_a_delegation_that_cannot_be_is_refused(given, message):
    """By whom, to whom, of what and until when must be clear."""
    with pytest.raises(ConfigError, match=message):
        delegating(**given)
