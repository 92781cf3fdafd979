"""The schemas are documented, frozen once released, and read all that was ever written."""

import dataclasses
import io
import random
from pathlib import Path

import fastavro
import pytest
from fastavro.utils import generate_many

from engine.ledger.codec import LedgerError, decode, encode
from engine.ledger.schema_files import MARKER, MESSAGES, current, fingerprint, schema, versions

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(MESSAGES)
RELEASED = [(name, version) for name in NAMES for version in versions(name)]
TIME_FIELDS = {"created", "expires", "decided", "at", "timestamp"}


def named_types(node):
    """All records and enums in a schema."""
    if isinstance(node, list):
        for one in node:
            yield from named_types(one)
    elif isinstance(node, dict):
        if node["type"] in ("record", "enum"):
            yield node
        for field in node.get("fields", ()):
            yield from named_types(field["type"])
        yield from named_types(node.get("items", []))
        if isinstance(node["type"], dict | list):
            yield from named_types(node["type"])


def all_named_types():
    return [node for name in NAMES for node in named_types(schema(name))]


@pytest.mark.parametrize("name", NAMES)
def test_current_schema_is_frozen(name):
    """A schema cannot change without a frozen copy of what it became."""
    latest = max(versions(name), default=0)
    frozen = schema(name, latest) if latest else {"type": "null"}
    assert fingerprint(schema(name)) == fingerprint(frozen), (
        f"schemas/{name}.avsc changed. Give new fields a default, copy the file to "
        f"schemas/history/{name}.{latest + 1}.avsc, and add golden bytes of it; never change an older copy."
    )
    assert versions(name) == tuple(range(1, latest + 1)), "versions count up from 1, without gaps"


@pytest.mark.parametrize(("name", "version"), RELEASED)
def test_reads_what_any_released_schema_wrote(name, version):
    """Data of each released schema, whatever it holds, reads with the current one."""
    old = schema(name, version)
    current_fields = {field["name"] for field in schema(name)["fields"]}
    random.seed(f"{name} {version}")
    for value in generate_many(without_times(old), 50):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(without_times(old)), value)
        message = decode(MARKER + fingerprint(old) + body.getvalue())
        assert type(message) is MESSAGES[name]
        assert {field.name for field in dataclasses.fields(message)} == current_fields
        assert decode(encode(message, "json")) == message


def without_times(node):
    if isinstance(node, list):
        return [without_times(one) for one in node]
    if isinstance(node, dict):
        return {key: without_times(value) for key, value in node.items() if key != "logicalType"}
    return node


@pytest.mark.parametrize(("name", "version"), RELEASED)
def test_golden_bytes(name, version, examples):
    """Bytes that a released version wrote, and that are kept, decode to the object that was meant."""
    data = (GOLDEN / f"{name}.{version}.avro").read_bytes()
    assert data[:10] == MARKER + fingerprint(schema(name, version)), "a frozen schema was changed"
    assert decode(data) == examples[name]


@pytest.mark.parametrize("name", NAMES)
def test_schemas_follow_the_model(name):
    """Each record of a schema has the members of our object, in the order of our object."""

    def compare(node, obj_type):
        if node["name"] == "Header":
            assert [field["name"] for field in node["fields"]] == ["name", "value"]
            return
        members = (
            [field.name for field in dataclasses.fields(obj_type)]
            if dataclasses.is_dataclass(obj_type)
            else list(obj_type._fields)
        )
        assert [field["name"] for field in node["fields"]] == members

    from engine import records
    from engine.ledger import model

    for node in named_types(schema(name)):
        found = getattr(model, node["name"], None) or getattr(records, node["name"])
        if node["type"] == "record":
            compare(node, found)
        else:
            assert node["symbols"] == [member.value for member in found]


def test_every_field_is_documented():
    """Every record, enum and field says what it is; times say their unit."""
    for node in all_named_types():
        assert node["doc"]
        for field in node.get("fields", ()):
            assert field["doc"].endswith("."), f"{node['name']}.{field['name']}"
            if field["name"] in TIME_FIELDS:
                assert field["type"] == {"type": "long", "logicalType": "timestamp-millis"}
                assert "milliseconds since the epoch" in field["doc"]


def test_every_enum_has_a_careful_default():
    """A symbol that a reader does not know is never read as leave to pass."""
    defaults = {node["name"]: node["default"] for node in all_named_types() if node["type"] == "enum"}
    assert defaults == {
        "ActionKind": "proposal",
        "Decision": "deny",
        "OutcomeKind": "quarantined",
        "PeopleChange": "barred",
        "PrincipalRole": "delegate",
        "Risk": "critical",
        "VerdictKind": "denied",
    }


def test_an_older_reader_survives_a_new_symbol():
    """A reader with today's schema takes a symbol added later as the default."""
    newer = schema("Verdict")
    verdict = next(field for field in newer["fields"] if field["name"] == "verdict")
    verdict["type"]["symbols"].append("escalated")
    random.seed(1)
    (value,) = generate_many(without_times(newer), 1)
    value["verdict"] = "escalated"
    body = io.BytesIO()
    parsed = fastavro.parse_schema(without_times(newer))
    fastavro.schemaless_writer(body, parsed, value)
    body.seek(0)
    read = fastavro.schemaless_reader(body, parsed, current("Verdict").parsed)
    assert read["verdict"] == "denied"


def test_shared_types_are_the_same_everywhere():
    """Each file stands alone; a type that several define is the same in all of them."""
    found = {}
    for name in NAMES:
        assert schema(name)["namespace"] == "sluicegate"
        for node in named_types(schema(name)):
            assert found.setdefault(node["name"], node) == node


@pytest.mark.parametrize(("name", "version"), [("Redaction", None), ("Verdict", 999), ("../model", None)])
def test_unknown_schema(name, version):
    """Asking for a schema that is not shipped is an error of ours."""
    with pytest.raises(LedgerError):
        schema(name, version)
