"""Tokens: one value, one token, within a tenant; only the right key undoes it; a changed one is refused."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nested

from engine.cleaning import Cleaner
from engine.policy import load_policy
from engine.redaction import PLACEHOLDER, Method, partial, redact
from engine.revealing import Use, reveal_all
from engine.sanitizer import cleaner_of
from engine.tokens import KeyRing, SecretKey, TokenError

OLD, NEW = SecretKey("k1", b"1" * 32), SecretKey("k2", b"2" * 32)
RING = KeyRing([NEW, OLD])
entities = st.sampled_from(["EMAIL_ADDRESS", "API_KEY", "X"])
tenants = st.sampled_from(["", "acme", "ac", "me", "Ω", "a\0b"])
values = st.binary(min_size=1, max_size=300)
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def token(value: bytes, entity: str = "EMAIL_ADDRESS", tenant: str = "", ring: KeyRing = RING) -> bytes:
    """The token that ``ring`` writes for a value."""
    return redact(Method.TOKENIZE, entity, value, ring.writing(tenant))


def parsed(data: bytes | str) -> Any:
    """JSON within JSON as one tree: strings may be escaped in different ways."""
    try:
        tree = json.loads(data)
    except ValueError:
        return data
    return {k: parsed(v) if isinstance(v, str) else v for k, v in tree.items()} if isinstance(tree, dict) else data


@given(values, entities, tenants)
def test_what_is_tokenized_can_be_revealed(value: bytes, entity: str, tenant: str) -> None:
    """By the key and for the tenant that it was written for, byte for byte."""
    assert RING.reveal(token(value, entity, tenant), tenant) == value


@given(values, values, entities, tenants, st.sampled_from([Method.HASH, Method.TOKENIZE]))
def test_equal_values_of_one_tenant_give_equal_tokens(
    one: bytes, two: bytes, entity: str, tenant: str, method: Method
) -> None:
    """Whoever writes them, and different ones do not."""
    again = KeyRing([NEW])
    tokens = [redact(method, entity, v, r.writing(tenant)) for v, r in ((one, RING), (one, again), (two, RING))]
    assert tokens[0] == tokens[1]
    assert (tokens[0] == tokens[2]) == (one == two)


@given(values, entities, tenants, tenants, st.sampled_from([Method.HASH, Method.TOKENIZE]))
def test_tenants_are_apart(value: bytes, entity: str, one: str, two: str, method: Method) -> None:
    """The same value has another token at another tenant, which cannot be revealed as one's own."""
    first, second = (redact(method, entity, value, RING.writing(tenant)) for tenant in (one, two))
    assert (first == second) == (one == two)
    if method is Method.TOKENIZE and one != two:
        with pytest.raises(TokenError, match="of another tenant"):
            RING.reveal(first, two)


@given(values, st.data())
def test_one_changed_character_is_refused(value: bytes, data: st.DataObject) -> None:
    """Wherever it stands: entity, key id, sealed value, the bits that base64 ignores."""
    written = token(value)
    at = data.draw(st.integers(1, len(written) - 2))
    new = data.draw(st.sampled_from(BASE64).filter(lambda byte: byte != written[at]))
    with pytest.raises(TokenError):
        RING.reveal(written[:at] + bytes([new]) + written[at + 1 :])


@given(values, st.integers(1, 40))
def test_a_token_that_was_cut_is_refused(value: bytes, cut: int) -> None:
    """As one that a log line's limit cut off is."""
    written = token(value)
    with pytest.raises(TokenError):
        RING.reveal(written[: -1 - cut] + b"]")


def test_keys_rotate() -> None:
    """The newest writes; what the older one wrote can be revealed as long as it is listed."""
    before = token(b"jane@corp.example", ring=KeyRing([OLD]))
    after = token(b"jane@corp.example", ring=RING)
    assert before.startswith(b"[EMAIL_ADDRESS:t:k1:")
    assert after.startswith(b"[EMAIL_ADDRESS:t:k2:")
    assert RING.reveal(before) == RING.reveal(after) == b"jane@corp.example"
    with pytest.raises(TokenError, match="the key 'k1' is unknown; known: k2"):
        KeyRing([NEW]).reveal(before)


def test_another_key_of_the_same_name_is_refused() -> None:
    """A key is what its bytes are."""
    with pytest.raises(TokenError, match="another key than this 'k2'"):
        KeyRing([SecretKey("k2", b"3" * 32)]).reveal(token(b"x"))


@given(values, entities, tenants)
def test_tokens_have_the_form_that_is_recognized(value: bytes, entity: str, tenant: str) -> None:
    """With the entity in it; nothing in it needs an escape in JSON."""
    for method in (Method.HASH, Method.TOKENIZE):
        written = redact(method, entity, value, RING.writing(tenant))
        match = PLACEHOLDER.fullmatch(written)
        assert match is not None
        assert match[1].decode() == entity
        assert json.dumps(written.decode()) == f'"{written.decode()}"'


def test_no_repr_and_no_error_shows_a_key_or_a_value() -> None:
    """They end up in logs."""
    key = RING.writing("acme")
    shown = f"{RING!r} {NEW!r} {key!r}"
    with pytest.raises(TokenError) as error:
        RING.reveal(b"[A:t:k2:jane-jane-jane-jane-jane-jane-jane]")
    assert not re.search("2222|jane", f"{shown} {error.value!r} {error.value}")
    with pytest.raises(ValueError, match="'tokenize' needs a key"):
        redact(Method.TOKENIZE, "A", b"x", None)


@pytest.mark.parametrize(
    ("entity", "value", "expected"),
    [
        ("EMAIL_ADDRESS", b"jane@corp.example", b"****@corp.example"),
        ("CREDIT_CARD", b"4111111111111111", b"411111******1111"),
        ("CREDIT_CARD", b"4111 1111 1111 1111", b"4111 11** **** 1111"),
        ("CREDIT_CARD", b"3782-822463-10005", b"3782-82****-*0005"),
        ("CREDIT_CARD", b"4222222222222", b"422222***2222"),
        ("API_KEY", b"sk_live_0123456789", b"**************6789"),
        ("PIN", b"123", b"****3"),
        ("NAME", "Grüße".encode(), b"*****"),
    ],
)
def test_partial(entity: str, value: bytes, expected: bytes) -> None:
    """Keeps the last four, a card's first six, an e-mail address's domain; what it keeps it keeps the second time."""
    assert partial(entity, value) == expected
    assert partial(entity, expected) == expected


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Builds a cleaner and its keys for a policy that tokenizes everything with the shipped rules."""
    folder = tmp_path_factory.mktemp("policy")
    (folder / "k1").write_text("1" * 32)
    (folder / "k2").write_text("2" * 32)

    def build(more: str = "", topic: str | None = None) -> tuple[Cleaner, KeyRing]:
        policy = folder / "policy.yaml"
        policy.write_text(
            "redaction: {default: tokenize, entities: {IP_ADDRESS: hash}}\n"
            "keys: [{id: k2, file: k2}, {id: k1, file: k1}]\nactions: []\n" + more
        )
        loaded = load_policy(policy)
        return dataclasses.replace(cleaner_of(loaded), key_of=loaded.key_of(topic)), loaded.keys

    return build


@pytest.fixture(scope="module")
def plain(make: Any) -> tuple[Cleaner, KeyRing]:
    """Without tenants."""
    built: tuple[Cleaner, KeyRing] = make()
    return built


class TestSanitizing:
    """A policy with keys and tenants, from record to tokens and back."""

    @given(depth=st.integers(0, 4), ascii_only=st.booleans(), quote=st.sampled_from(['"', "\\", "é", "\n", ""]))
    @settings(deadline=None, max_examples=60)
    def test_json_in_json_there_and_back(
        self, plain: tuple[Cleaner, KeyRing], depth: int, ascii_only: bool, quote: str
    ) -> None:
        """Tokens stand in valid JSON at any depth, and the values come back where they stood, escaped again."""
        cleaner, keys = plain
        record = nested(f'{{"password": {json.dumps(f"s3cr{quote}et-Pa55")}, "to": "jane@corp.example.com"}}', depth, ascii_only=ascii_only)  # fmt: skip
        cleaned = cleaner.clean(record)
        assert cleaned.text.count(b":t:k2:") == 2
        assert b"Pa55" not in cleaned.text
        json.loads(cleaned.text)
        assert cleaner.clean(cleaned.text).text == cleaned.text
        uses: Counter[Use] = Counter()
        assert parsed(reveal_all(cleaned.text, keys, "", uses)) == parsed(record)
        assert sorted(uses.values()) == [1, 1]

    def test_in_a_url_and_in_a_pair(self, plain: tuple[Cleaner, KeyRing]) -> None:
        """Percent-encoded where it was, quoted where it was."""
        cleaner, keys = plain
        line = rb'GET /?to=jane%40corp.example.com ok msg="mail \"jane@corp.example.com\"" 81.2.69.142'
        cleaned = cleaner.clean(line).text
        assert b"%5BEMAIL_ADDRESS%3At%3Ak2%3A" in cleaned
        assert b"[IP_ADDRESS:k2:" in cleaned
        assert cleaner.clean(cleaned).text == cleaned
        revealed = reveal_all(cleaned, keys, "", Counter())
        assert revealed.startswith(line[:-11])
        assert b"[IP_ADDRESS:k2:" in revealed  # a hash is one-way

    @given(
        value=st.binary(min_size=1, max_size=60),
        method=st.sampled_from([Method.HASH, Method.TOKENIZE]),
        entity=st.sampled_from(["EMAIL_ADDRESS", "PASSWORD", "ANTHROPIC_API_KEY", "CREDIT_CARD", "CLOUDANT_PASSWORD"]),
        around=st.sampled_from(
            [
                "%s",
                "password=%s",
                "api_key: %s",
                '{"password": "%s"}',
                '{"headers": {"Authorization": "Bearer %s"}}',
                '{"%s": 1}',
                '{"a": "{\\"client_secret\\": \\"%s\\"}"}',
                "postgres://user:%s@db.example/x",
                "curl -u :%s https://h.example/",
                "export AWS_SECRET_ACCESS_KEY=%s",
                "card %s phone %s ssn %s",
                "https://h.example/?token=%s&x=1",
            ]
        ),
        in_url=st.booleans(),
    )
    @settings(deadline=None, max_examples=200)
    def test_no_shipped_rule_takes_a_token_for_a_secret(
        self, plain: tuple[Cleaner, KeyRing], value: bytes, method: Method, entity: str, around: str, in_url: bool
    ) -> None:
        """Wherever it stands, percent-encoded or not: the gate may wake, nothing changes."""
        written = redact(method, entity, value, RING.writing("")).decode()
        if in_url:
            written = written.replace("[", "%5B").replace(":", "%3A").replace("]", "%5D")
        data = around.replace("%s", written).encode()
        assert plain[0].clean(data).text == data
        assert plain[0].clean_all(data, "auto").text == data

    def test_what_a_tokens_characters_spell_by_chance_stays(self, plain: tuple[Cleaner, KeyRing]) -> None:
        """Part of this one decodes from base64 to what a password may be; written anew, it could not be revealed."""
        token = redact(Method.TOKENIZE, "PASSWORD", b"hunter825" * 3, RING.writing("")).decode()
        data = f"password={token}".translate({ord("["): "%5B", ord(":"): "%3A", ord("]"): "%5D"}).encode()
        assert plain[0].clean(data).text == data
        assert plain[0].clean_all(data, "auto").text == data
        unknown = data.replace(b"PASSWORD%3At", b"NOTHING%3At")  # nobody's token
        assert plain[0].clean(unknown).text != unknown

    @pytest.mark.parametrize(
        "beside", ["]&password=s3cr-et-Pa55", " password=s3cr-et-Pa55", "@h/?password=s3cr-et-Pa55"]
    )
    def test_a_token_hides_nothing_beside_it(self, plain: tuple[Cleaner, KeyRing], beside: str) -> None:
        """Though its entity reads as the name of a password, what follows is read for itself."""
        written = redact(Method.TOKENIZE, "CLOUDANT_PASSWORD", b"x", RING.writing("")).decode()
        assert "Pa55" not in plain[0].clean((written + beside).encode()).text.decode()

    def test_a_place_that_is_always_redacted_is_so_once(self, make: Any) -> None:
        """A token there is not tokenized again."""
        cleaner, _ = make("paths: {always: [{path: user.id, entity: USER_ID}]}\n")
        once = cleaner.clean(b'{"user":{"id":7}}').text
        assert once.startswith(b'{"user":{"id":"[USER_ID:t:k2:')
        assert cleaner.clean(once).text == once

    def test_by_a_field_of_the_record(self, make: Any) -> None:
        """Each record's tokens are those of the tenant that it names."""
        cleaner, keys = make("tenant: {field: account.tenant}\n")
        records = [b'{"to":"jane@corp.example.com","account":{"tenant":"%b"}}' % name for name in (b"acme", b"umbra")]
        acme, umbra = (cleaner.clean(record).text for record in records)
        assert json.loads(acme)["to"] != json.loads(umbra)["to"]
        assert reveal_all(acme, keys, "acme", Counter()) == records[0]
        assert reveal_all(umbra, keys, "acme", Counter()) == umbra
        assert cleaner.clean(acme).text == acme

    @pytest.mark.parametrize(
        "account",
        [
            "{}", "null", '{"tenant":null}', '{"tenant":""}', '{"tenant":true}', '{"tenant":{"x":"acme"}}', '["acme"]',
            '{"tenant":["acme"]}', '{"tenant":"acme","tenant":"umbra"}', '{"deeper":{"tenant":"acme"}}', '"tenant"',
        ],
    )  # fmt: skip
    def test_without_a_tenant_there_is_no_token(self, make: Any, account: str) -> None:
        """A placeholder: a key that all records without a tenant share would tie tenants together."""
        cleaner, _ = make("tenant: {field: account.tenant}\n")
        cleaned = cleaner.clean(b'{"to":"jane@corp.example.com","ip":"81.2.69.142","account":%b}' % account.encode())
        assert cleaned.text.startswith(b'{"to":"[EMAIL_ADDRESS]","ip":"[IP_ADDRESS]"')
        assert {one.method for one in cleaned.redactions} == {"replace"}

    def test_a_number_may_name_the_tenant(self, make: Any) -> None:
        """As it is written."""
        cleaner, keys = make("tenant: {field: org}\n")
        record = b'{"org": 42, "to": "jane@corp.example.com"}'
        assert reveal_all(cleaner.clean(record).text, keys, "42", Counter()) == record

    @pytest.mark.parametrize(
        ("pattern", "topic", "tenant"),
        [
            (r"(?P<tenant>[a-z]+)\.activity", "acme.activity", "acme"),
            ("[a-z]+", "acme", "acme"),
            (r"(?P<tenant>[a-z]+)\.activity", "acme.activity.more", None),
            (r"(?P<tenant>[a-z]*)\.activity", ".activity", None),
            ("[a-z]+", None, None),
        ],
    )
    def test_by_the_topic(self, make: Any, pattern: str, topic: str | None, tenant: str | None) -> None:
        """The named group or the whole name; a topic that does not match tells no tenant."""
        cleaner, keys = make(f"tenant: {{topic: '{pattern}'}}\n", topic)
        cleaned = cleaner.clean(b"to jane@corp.example.com").text
        if tenant is None:
            assert cleaned == b"to [EMAIL_ADDRESS]"
        else:
            assert reveal_all(cleaned, keys, tenant, Counter()) == b"to jane@corp.example.com"
