"""Values whose name stands beside them or above them: read as if it were their key."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.neighbours import keys_of, may_name
from engine.policy import load_policy
from engine.reading import read_record
from engine.sanitizer import cleaner_of
from engine.views import Limits

CLEANER = cleaner_of(load_policy())
TOLD = [
    '{"name": "DB_PASSWORD", "value": "tulip"}',
    '{"value": "tulip", "name": "DB_PASSWORD"}',
    '{"Key": "DbPassword", "Value": "tulip"}',
    '{"type": "phone", "name": "DB_PASSWORD", "value": "tulip"}',
    '{"ParameterKey": "DBPassword", "ParameterValue": "tulip"}',
    '{"Name": "/app/db/password", "Value": "tulip", "Type": "SecureString"}',
    '{"header": "X-Password", "value": "tulip"}',
    '{"type": "fill", "selector": "#password", "text": "tulip"}',
    '{"selector": "input[name=\\"password\\"]", "value": "tulip"}',
    '{"tool": "browser_type", "input": {"element": "Password field", "ref": "e7", "text": "tulip"}}',
    '{"arguments": "{\\"element\\": \\"the password box\\", \\"text\\": \\"tulip\\"}"}',
    '["password", "tulip"]',
    '{"pairs": [["user", "mira"], ["password", "tulip"]]}',
    '{"argv": ["app", "--db-password", "tulip", "-v"]}',
    '{"args": ["sudo", "sshpass", "-p", "tulip", "ssh", "h"]}',
    '{"cmd": ["/usr/bin/curl", "-u", "mira:tulip", "https://x.example"]}',
    '{"cmd": ["mysql", "-u", "root", "-ptulip", "shop"]}',
    '{"password": {"value": "tulip"}}',
    '{"passwords": ["kite7", "tulip"]}',
    '{"passwords": {"db": "tulip"}}',
    '{"passwords": "[\\"tulip\\"]"}',
    '{"password": "{\\"value\\": \\"tulip\\"}"}',
    '{"kind": "Secret", "data": {"conf": "tulip"}}',
    '{"kind": "Secret", "stringData": {"conf": "tulip"}, "metadata": {"name": "db"}}',
]
OTHERS = [
    '{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db"}}}',
    '{"name": "password", "type": "string", "description": "of the user"}',
    '{"required": ["username", "password"], "columns": ["id", "password", "created_at"]}',
    '["password", "email", "name"]',
    '{"element": "Forgot password link", "text": "Click here"}',
    '{"selector": "#password-hint", "text": "at least 12 signs"}',
    '{"label": "Password", "text": "Password"}',
    '{"args": ["ssh", "-p", "2222", "h"], "cmd": ["curl", "-u", "mira", "-s"], "c": ["mysql", "-p", "shop"]}',
    '{"args": ["--password-file", "/run/secret", "--token-ttl", "3600s"]}',
    '{"secrets": ["db-credentials", "tls-cert"], "secret": {"name": "db-credentials"}}',
    '{"kind": "ConfigMap", "data": {"conf": "tulip"}}',
    '{"tokens": {"prompt": 100, "completion": 2000}, "password": {"minLength": 8, "type": "string"}}',
]

NUMBERS = [
    '{"label": "Social Security Number", "value": "536226780"}',
    '{"fields": [{"value": "536226780", "name": "ssn"}]}',
    '{"ssn": {"value": "536226780", "verified": true}}',
    '{"idType": "SSN", "idNumber": "536226780"}',
    '{"ssn": {"number": "536226780", "state": "VT"}}',
    '{"identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "536226780"}]}',
    '{"ssn": "{\\"value\\": \\"536226780\\"}"}',
]


DOCUMENTS = [
    '{"documentType": "dni", "documentNumber": "12345678Z"}',
    '{"documentNumber": "12345678Z", "documentType": "DNI"}',
    '{"type": "DRIVERS_LICENSE", "idNumber": "D12345628"}',
    '{"idType": "driving licence", "number": "D12345628"}',
]


def nested(text: str, depth: int) -> str:
    """The record as JSON in a string, so many times."""
    for _ in range(depth):
        text = json.dumps({"arguments": text})
    return text


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("text", TOLD)
def test_what_stands_beside_or_above_names_the_value(text: str, depth: int) -> None:
    """At any depth of JSON in strings, whatever the order of the members."""
    cleaned = CLEANER.clean(nested(text, depth).encode())
    assert b"tulip" not in cleaned.text
    assert json.loads(cleaned.text)
    told = CLEANER.clean_all(nested(text, depth).encode(), "auto")
    assert told.text == cleaned.text


@pytest.mark.parametrize("text", DOCUMENTS)
def test_the_kind_of_a_document_names_its_number(text: str) -> None:
    """In any order and spelling; a word that only ends like one names nothing."""
    for depth in (0, 1):
        cleaned = CLEANER.clean(nested(text, depth).encode())
        assert not {b"12345678Z", b"D12345628"} & set(cleaned.text.replace(b'"', b" ").replace(b"\\", b" ").split())
        assert json.loads(cleaned.text)
    other = b'{"type": "midnight", "number": "28456123"}'
    assert CLEANER.clean(other).text == other


@pytest.mark.parametrize(
    "text", ['<add key="Password" value="x7Kq2mVb9LpZ4tR"/>', "name=DB_PASSWORD value=x7Kq2mVb9LpZ4tR"]
)
def test_attributes_and_pairs_of_a_text_name_nothing_beside_them(text: str) -> None:
    """What is said of them is the same whether all is read or only where the gate points."""
    assert CLEANER.clean(text.encode()) == CLEANER.clean_all(text.encode(), "auto")


_NAMES = [
    "name",
    "field_label",
    "idType",
    "idNumber",
    "value",
    "NewValue",
    "passwords",
    "Api-Keys",
    "secret",
    "phone",
    "data",
    "kind",
    "argv",
]
_TEXTS = [
    "DB_PASSWORD",
    "my/secret key",
    "--api-token",
    "-p",
    "-ptulip",
    "--user",
    "a:b",
    "curl",
    "/bin/mysql",
    "Secret",
]
_TEXTS += ["the ssn", 'a "dob', "id", "http://x/us-npi"]


@given(
    st.recursive(
        st.sampled_from(_TEXTS) | st.just(7),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3)
            | inner.map(json.dumps)
        ),
        max_leaves=8,
    ),
    st.sampled_from([(",", ":"), (" , ", " : ")]),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_what_may_be_named_otherwise_is_told_from_raw_bytes(
    value: object, separators: tuple[str, str], slashes: bool
) -> None:
    """So a record with a sign, and nothing that it may give a name to, is read as any other."""
    text = json.dumps(value, separators=separators)
    data = (text.replace("/", "\\/") if slashes else text).encode()
    views = read_record(data, "json", Limits())
    if any(key != view.key for view, key in zip(views, keys_of(views), strict=True)):
        assert may_name(data)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "DB_PASSWORD", "type": "string"}',
        '{"argv": ["curl", "-s", "https://x.example"]}',
        '{"secret": {"name": "db"}}',
        '{"phone": {"verified": true}}',
        '{"newValue": "on", "name": "mira"}',
    ],
)
def test_a_sign_that_names_no_value_is_told_from_raw_bytes(text: str) -> None:
    """Nothing more is read for it."""
    assert not may_name(text.encode())


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("text", TOLD)
def test_a_name_in_a_layer_tells_too(text: str, depth: int) -> None:
    """A record that stands in base64 in another is read as it would be by itself."""
    layer = b64encode(nested(text, depth).encode()).decode()
    record = json.dumps({"id": 7, "body": layer}).encode()
    cleaned = CLEANER.clean(record)
    assert cleaned == CLEANER.clean_all(record, "auto")
    assert b"tulip" not in b64decode(json.loads(cleaned.text)["body"])


@pytest.mark.parametrize("text", OTHERS)
def test_names_of_other_things_are_none(text: str) -> None:
    """Schemas, references, paths, lists of names, counts."""
    assert CLEANER.clean_all(text.encode(), "auto").text == text.encode()
    assert CLEANER.clean(text.encode()).text == text.encode()


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("text", NUMBERS)
def test_a_form_s_label_names_the_number_beside_it(text: str, depth: int) -> None:
    """Personal numbers in forms, as in fields of their own; not what stands beside the value."""
    cleaned = CLEANER.clean(nested(text, depth).encode()).text
    assert b"536226780" not in cleaned
    assert cleaned.count(b"[US_SSN]") == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"phone": {"id": "12345678"}}',
        '{"type": "token", "number": "536226780"}',
        '{"type": "ssn_form", "page": "536226780"}',
        '{"label": "ssn", "count": "536226780"}',
        '{"name": "x", "value": "536226780"}',
    ],
)
def test_a_number_under_another_name_stays(text: str) -> None:
    """The label tells of the value alone."""
    assert CLEANER.clean(text.encode()).text == text.encode()
