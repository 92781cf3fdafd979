"""Every message survives both formats; nothing else is read."""

import io
import os
import struct
from contextlib import suppress
from pathlib import Path

import fastavro
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ledger.codec import LedgerError, decode, encode
from engine.ledger.model import (
    ActionKind,
    Decision,
    DecisionBatch,
    DecisionEntry,
    Delegated,
    HeldRecord,
    OutcomeKind,
    PeopleChange,
    PeopleEvent,
    PolicySnapshot,
    Principal,
    PrincipalRole,
    Redaction,
    Requirement,
    ReviewEvent,
    ReviewRequest,
    Risk,
    Verdict,
    VerdictKind,
    Vote,
)
from engine.ledger.schema_files import MESSAGES, current, schema
from engine.records import Position

SNAPSHOTS = Path(__file__).parent / "snapshots"
NAMES = sorted(MESSAGES)

text = st.text(max_size=12)
maybe = st.none() | text
long = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
blob = st.binary(max_size=12) | text.map(str.encode)


def few(strategy):
    return st.lists(strategy, max_size=3).map(tuple)


def some(kind):
    return st.sampled_from(list(kind))


floats = st.floats(allow_nan=False, allow_infinity=False)
redaction = st.builds(Redaction, text, long, long, text, text, text, floats)
entry = st.builds(DecisionEntry, some(OutcomeKind), text, int32, long, long, long, few(redaction), maybe, maybe, maybe)
position = st.builds(Position, text, int32, long)
header = st.tuples(text, st.none() | blob)
held = st.builds(HeldRecord, text, int32, st.none() | blob, blob, few(header), long)
principal = st.builds(Principal, some(PrincipalRole), text, text)
vote = st.builds(Vote, text, text, some(Decision), text, long, text)
request = st.builds(
    ReviewRequest,
    request_id=text,
    version=int32,
    kind=some(ActionKind),
    position=position,
    created=long,
    expires=long,
    action=text,
    resource=text,
    environment=text,
    reason=text,
    params=text,
    principals=few(principal),
    rule_id=text,
    rule_reason=text,
    risk=some(Risk),
    requirement=st.builds(Requirement, few(text), few(text), int32, channels=few(text)),
    policy=text,
    nonce=text,
    binding=text,
    view_digest=text,
    likeness=text,
    redactions=few(redaction),
    held=st.none() | held,
)
verdict = st.builds(
    Verdict,
    request_id=text,
    version=int32,
    verdict=some(VerdictKind),
    position=position,
    decided=long,
    reason=text,
    votes=few(vote),
    policy=text,
    binding=text,
    view_digest=text,
    folded_into=maybe,
    released=st.booleans(),
)
event = st.builds(
    ReviewEvent,
    sequence=long,
    request_id=text,
    version=int32,
    event=text,
    at=long,
    actor=maybe,
    channel=maybe,
    detail=text,
    position=st.none() | position,
    vote=st.none() | vote,
    folded_into=maybe,
)
people_event = st.builds(
    PeopleEvent,
    sequence=long,
    event=some(PeopleChange),
    who=text,
    at=long,
    actor=maybe,
    channel=maybe,
    delegation=st.none() | st.builds(Delegated, text, text, long, few(text)),
)
message = st.one_of(
    people_event,
    st.builds(DecisionBatch, text, text, long, few(entry)),
    st.builds(PolicySnapshot, text, text, long),
    request,
    event,
    verdict,
)
formats = st.sampled_from(["avro", "json"])


def fields(obj):
    """Every value inside ``obj`` with its type, so that 1 and 1.0, or a symbol and its enum, differ."""
    if isinstance(obj, tuple):
        return [fields(one) for one in obj]
    slots = getattr(type(obj), "__slots__", ())
    return [type(obj), [fields(getattr(obj, slot)) for slot in slots] if slots else obj]


@given(message, formats)
def test_round_trip(obj, form):
    """What is encoded decodes to an equal object, of equal types all the way down."""
    back = decode(encode(obj, form))
    assert back == obj
    assert fields(back) == fields(obj)


@given(message)
def test_avro_is_what_fastavro_writes(obj):
    """Our writer gives the bytes that fastavro, the reference, gives for the same data."""
    data = encode(obj)
    parsed = current(type(obj).__name__).parsed
    plain = fastavro.schemaless_reader(io.BytesIO(data[10:]), parsed)
    reference = io.BytesIO()
    fastavro.schemaless_writer(reference, parsed, plain)
    assert data[10:] == reference.getvalue()


def test_fingerprint_vectors():
    """Messages begin with the marker and the little-endian fingerprint, as the Avro specification says."""
    from engine.ledger.schema_files import fingerprint

    # CRC-64-AVRO as the specification defines it, bit by bit, over a canonical form written by hand.
    canonical = b'{"name":"sluicegate.PolicySnapshot","type":"record","fields":[{"name":"digest","type":"string"},'
    canonical += b'{"name":"text","type":"string"},{"name":"created","type":"long"}]}'
    empty = crc = 0xC15D213AA4D7A795
    for byte in canonical:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (empty if crc & 1 else 0)
    assert fingerprint(schema("PolicySnapshot")) == struct.pack("<Q", crc)
    assert encode(PolicySnapshot("d", "t", 0))[:10] == b"\xc3\x01" + struct.pack("<Q", crc)


@pytest.mark.parametrize("name", NAMES)
def test_json_snapshot(name, examples):
    """The JSON form is one line, and exactly what the snapshot shows."""
    data = encode(examples[name], "json")
    assert b"\n" not in data
    shown = orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    file = SNAPSHOTS / f"{name}.json"
    if os.environ.get("SLUICEGATE_UPDATE_SNAPSHOTS"):
        file.write_bytes(shown)
    assert shown == file.read_bytes(), (
        "the JSON form changed: if you mean it, set SLUICEGATE_UPDATE_SNAPSHOTS=1 and read the diff"
    )


def test_json_keeps_bytes_that_are_not_text(examples):
    """Bytes that are valid UTF-8 are readable in JSON, others are base64; both come back exactly."""
    held = orjson.loads(encode(examples["ReviewRequest"], "json"))["held"]
    assert held["key"] == {"text": "session-9"}
    assert [header["value"] for header in held["headers"]] == [{"base64": "AP/+"}, {"text": ""}, None]


@given(message, formats, st.data())
def test_cut_short(obj, form, data):
    """No proper prefix of a message is a message."""
    encoded = encode(obj, form)
    with pytest.raises(LedgerError):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(message, formats, st.binary(min_size=1, max_size=4).filter(lambda rest: not rest.isspace()))
def test_trailing_bytes(obj, form, rest):
    """Bytes after the end of a message are refused."""
    with pytest.raises(LedgerError):
        decode(encode(obj, form) + rest)


@given(message, formats, st.data())
def test_damage(obj, form, data):
    """Damaged bytes give an object or a LedgerError, never another exception."""
    encoded = bytearray(encode(obj, form))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with suppress(LedgerError):
        decode(bytes(encoded))


@given(st.binary(max_size=40))
def test_anything_else(data):
    """Bytes in neither format are refused."""
    for prefix in (b"", b"{", b"\xc3\x01"):
        with pytest.raises(LedgerError):
            decode(prefix + data)


def test_unknown_fingerprint(examples):
    """A message of a schema that was never shipped is refused, and says that the writer may be newer."""
    data = encode(examples["Verdict"])
    with pytest.raises(LedgerError, match="does not know; is the writer newer"):
        decode(data[:2] + bytes(8) + data[10:])


def changed(data, *path, to):
    document = orjson.loads(data)
    node = document
    for step in path[:-1]:
        node = node[step]
    if to is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return orjson.dumps(document)


@pytest.mark.parametrize(
    ("name", "path", "to", "said"),
    [
        ("Verdict", ["type"], ..., "type: is not the name of a ledger message"),
        ("Verdict", ["type"], "Canary", "type: is not the name of a ledger message"),
        ("Verdict", ["binding"], ..., "Verdict.binding: is missing"),
        ("Verdict", ["released"], "canary", "Verdict.released: must be a boolean"),
        ("Verdict", ["released"], 1, "Verdict.released: must be a boolean"),
        ("Verdict", ["verdict"], 7, "Verdict.verdict: must be a string"),
        ("Verdict", ["votes"], {"canary": 1}, "Verdict.votes: must be an array"),
        ("Verdict", ["votes", 1, "at"], 1.0, "Verdict.votes[1].at: must be an integer of 64 bits"),
        ("Verdict", ["votes", 1, "at"], True, "Verdict.votes[1].at: must be an integer of 64 bits"),
        ("Verdict", ["position"], "canary", "Verdict.position: must be an object"),
        ("Verdict", ["position", "partition"], 2**31, "position.partition: must be an integer of 32 bits"),
        ("Verdict", ["position", "offset"], 2**63, "position.offset: must be an integer of 64 bits"),
        ("ReviewRequest", ["reason"], None, "ReviewRequest.reason: must be a string"),
        ("ReviewRequest", ["redactions", 0, "score"], "canary", "score: must be a finite number"),
        ("ReviewRequest", ["held", "value"], "canary", 'value: must be {"text": …} or {"base64": …}'),
        ("ReviewRequest", ["held", "value"], {"base64": "canary!"}, 'must be {"text": …} or {"base64": …}'),
        ("ReviewRequest", ["held", "value"], {"text": "a", "base64": ""}, 'must be {"text": …}'),
        ("ReviewRequest", ["held", "headers", 0, "name"], ..., "held.headers[0].name: is missing"),
    ],
)
def test_bad_json_is_told_by_its_path(name, path, to, said, examples):
    """The error for a bad JSON message names the member, never what it holds."""
    with pytest.raises(LedgerError) as caught:
        decode(changed(encode(examples[name], "json"), *path, to=to))
    assert said in str(caught.value)
    assert "canary" not in str(caught.value).lower()
    assert caught.value.__context__ is None


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_json_has_no_numbers_that_are_not(number, examples):
    """NaN and infinities are not read from JSON."""
    data = encode(examples["DecisionBatch"], "json").replace(b"0.95", number)
    with pytest.raises(LedgerError):
        decode(data)


def test_json_is_resolved_as_avro_is(examples):
    """A member with a default may be missing, an unknown one is ignored, an unknown symbol is the default."""
    data = changed(encode(examples["Verdict"], "json"), "released", to=...)
    data = changed(data, "verdict", to="rubber_stamped")
    back = decode(changed(data, "added_later", to={"a": 1}))
    assert (back.released, back.verdict) == (False, VerdictKind.DENIED)


def redacted_with(**members):
    values = {
        "path": "/a",
        "start": 0,
        "end": 1,
        "rule_id": "r",
        "entity": "E",
        "method": "mask",
        "score": 1.0,
    }
    redaction = Redaction(**{**values, **members})
    return DecisionBatch("p", "w", 0, (DecisionEntry(OutcomeKind.REDACTED, "t", 0, 0, 0, redactions=(redaction,)),))


@pytest.mark.parametrize("form", ["avro", "json"])
@pytest.mark.parametrize(
    "obj",
    [
        redacted_with(score=float("nan")),
        redacted_with(score=float("inf")),
        redacted_with(path="canary\ud800"),
        redacted_with(start=2**63),
        DecisionBatch("p", "w", 0, (DecisionEntry(OutcomeKind.CLEAN, "t", 2**31, 0, 0),)),
        "canary",
        Position("canary", 0, 0),
    ],
    ids=["nan", "inf", "surrogate", "long", "int", "no message", "only a part"],
)
def test_encode_refuses_what_no_reader_could_read(obj, form):
    """An object that its schema cannot hold is refused in both formats, without saying what it holds."""
    with pytest.raises(LedgerError) as caught:
        encode(obj, form)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


def test_encode_knows_two_formats(examples):
    """A format that does not exist is refused."""
    with pytest.raises(LedgerError, match="'avro' or 'json'"):
        encode(examples["Verdict"], "xml")
