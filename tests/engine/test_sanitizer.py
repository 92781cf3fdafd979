"""Records in, exactly one outcome each: fail closed, and no raw value in what is written about a record."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import nested

from engine.ledger.codec import decode, encode
from engine.ledger.model import ActionKind, ReviewRequest
from engine.outcomes import QUARANTINE_REASONS, Denied, Diverted, Dropped, Outcome, Quarantined, Sanitized
from engine.policy import load_policy
from engine.records import ActivityRecord, Header, Position
from engine.sanitizer import Sanitizer

NOW = 1_700_000_000_000
SECRET = b"0123456789abcdef0123456789abcdef"
POLICY = """
name: test
rules: {shipped: false, files: [rules.yaml]}
redaction: {entities: {TOKEN: drop}}
limits: {bytes: 100000, depth: 50, layers: 4, candidates: 100}
topics:
  - {match: 'strict*', format: json, on_unparsable: quarantine}
  - {match: 'facts', profiles: [cloudtrail]}
actions:
  - {id: exports, effect: review, match: {action: '*.export'}, reason: Data leaves., risk: high,
     approvers: {groups: ['local:sec'], quorum: 2}, expires: 15m}
  - {id: wipe, effect: deny, match: {action: db.wipe}, reason: Nobody wipes a database.}
  - {id: trails, effect: review, match: {action: '*:DeleteTrail'}, reason: Logging stops.,
     approvers: {people: ['local:ada']}}
"""
RULES = r"""
family: test
rules:
  - {id: mail, name: m, entity: EMAIL_ADDRESS, pattern: '\b[\w.+-]{1,64}@[a-z0-9-]{1,63}\.[a-z]{2,24}\b', score: 0.9,
     references: [x], examples: ['«a@b.co»'], counter_examples: [x]}
  - {id: password, name: s, entity: PASSWORD, key: '[\w.-]*password', pattern: '^.{3,}$', score: 0.8,
     references: [x], examples: [{key: password, text: '«abc»'}], counter_examples: [x]}
  - {id: token, name: t, entity: TOKEN, pattern: '\btok_[A-Za-z0-9]{16}\b', score: 0.9,
     references: [x], examples: ['«tok_0123456789abcdef»'], counter_examples: [x]}
"""
EXPORT: dict[str, Any] = {
    "actor": "etl-7@bots.example",
    "on_behalf_of": "grace@corp.example",
    "action": "db.export",
    "resource": "postgres://prod/customers",
    "environment": "prod",
    "reason": "asked by jane@corp.example",
    "params": {"rows": 41000, "to": "jane@corp.example", "db_password": "hunter2", "ratio": 1.10},
}


@pytest.fixture(scope="module")
def sanitizer(tmp_path_factory: pytest.TempPathFactory) -> Sanitizer:
    """A sanitizer with a small policy."""
    folder: Path = tmp_path_factory.mktemp("policy")
    (folder / "rules.yaml").write_text(RULES)
    (folder / "policy.yaml").write_text(POLICY)
    return Sanitizer(load_policy(folder / "policy.yaml"), secret=SECRET, release_to={"activity": "clean"})


def record(
    value: object,
    topic: str = "activity",
    offset: int = 7,
    key: bytes | None = None,
    headers: tuple[Header, ...] = (),
) -> ActivityRecord:
    """A record with ``value`` as JSON, or as the bytes it is."""
    data = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return ActivityRecord(Position(topic, 2, offset), key, data, headers, 1234)


def one(sanitizer: Sanitizer, given: ActivityRecord) -> Outcome:
    """The outcome of one record."""
    [outcome] = sanitizer.sanitize([given], NOW)
    assert outcome.record.position == given.position
    return outcome


def held(sanitizer: Sanitizer, given: ActivityRecord) -> ReviewRequest:
    """The request that a record is held by."""
    outcome = one(sanitizer, given)
    assert isinstance(outcome, Diverted)
    return outcome.request


class TestPassing:
    """What passes, and how."""

    def test_a_record_without_findings_is_the_same_object(self, sanitizer: Sanitizer) -> None:
        """Nothing is copied, so nothing can change."""
        given = record({"a": 1}, key=b"k", headers=(("h", b"v"), ("n", None)))
        outcome = one(sanitizer, given)
        assert isinstance(outcome, Sanitized)
        assert outcome.record is given

    def test_a_tombstone_passes(self, sanitizer: Sanitizer) -> None:
        """It has nothing to redact but its key."""
        assert one(sanitizer, record(None, key=b"k")) == Sanitized(record(None, key=b"k"))

    def test_findings_are_redacted_and_told(self, sanitizer: Sanitizer) -> None:
        """Key, headers, timestamp and position stay."""
        given = record({"m": "jane@corp.example"}, key=b"k", headers=(("h", b"v"),))
        outcome = one(sanitizer, given)
        assert isinstance(outcome, Sanitized)
        assert outcome.record == given._replace(value=b'{"m": "[EMAIL_ADDRESS]"}')
        assert [(r.path, r.entity) for r in outcome.redactions] == [("m", "EMAIL_ADDRESS")]

    def test_texts_are_remembered_for_a_batch_alone(self, sanitizer: Sanitizer) -> None:
        """What stands in several records of a batch is found in each; afterwards nothing of them is kept."""
        outcomes = sanitizer.sanitize([record({"m": "jane@corp.example"}, offset=offset) for offset in range(3)], NOW)
        assert [len(outcome.redactions) for outcome in outcomes if isinstance(outcome, Sanitized)] == [1, 1, 1]
        assert not sanitizer.policy.detector.known
        assert sanitizer.cleaner.clean(b'{"m": "joe@corp.example"}').redactions
        assert not sanitizer.policy.detector.known

    def test_keys_and_headers_are_asked_about_once_a_batch(self, sanitizer: Sanitizer) -> None:
        """The same key or headers in many records, some of them sensitive: each record has its own outcome."""
        keys, headers = (b"agent-7", b"jane@corp.example", None), ((), (("h", b"v"),), (("h", b"a@b.co"),))
        given = [
            record({"a": 1}, offset=offset, key=keys[offset % 3], headers=headers[offset // 3 % 3])
            for offset in range(18)
        ]
        for before, outcome in zip(given, sanitizer.sanitize(given, NOW), strict=True):
            assert isinstance(outcome, Sanitized)
            assert (outcome.record.key == before.key) == (before.key != b"jane@corp.example")
            assert (outcome.record.headers == before.headers) == (before.headers != headers[2])

    def test_a_sensitive_message_key_becomes_its_keyed_hash(self, sanitizer: Sanitizer) -> None:
        """Equal keys stay equal, so that order within a key and compaction still work."""
        keys = []
        for key in (b"jane@corp.example", b"jane@corp.example", b"joe@corp.example"):
            outcome = one(sanitizer, record({"a": 1}, key=key))
            assert isinstance(outcome, Sanitized)
            keys.append(outcome.record.key)
        assert keys[0] == keys[1] != keys[2]
        assert keys[0] is not None
        assert b"jane" not in keys[0]

    def test_headers_are_read_under_their_names(self, sanitizer: Sanitizer) -> None:
        """Values, names, and values that only their name makes secret; order and nulls are kept."""
        headers = (("x-mail", b"jane@corp.example"), ("db_password", b"hunter2"), ("n", None), ("a@b.co", b"v"))
        outcome = one(sanitizer, record({"a": 1}, headers=headers))
        assert isinstance(outcome, Sanitized)
        assert outcome.record.headers == (
            ("x-mail", b"[EMAIL_ADDRESS]"), ("db_password", b"[PASSWORD]"), ("n", None), ("[EMAIL_ADDRESS]", b"v"),
        )  # fmt: skip
        assert [r.path for r in outcome.redactions][:2] == ["$headers.x-mail", "$headers.db_password"]

    def test_a_record_goes_where_the_method_says_so(self, sanitizer: Sanitizer) -> None:
        """The member if there is one, else the record."""
        assert isinstance(one(sanitizer, record(b"plain tok_0123456789abcdef")), Dropped)
        outcome = one(sanitizer, record({"a": 1, "t": "tok_0123456789abcdef"}))
        assert isinstance(outcome, Sanitized)
        assert outcome.record.value == b'{"a": 1}'


class TestHolding:
    """Privileged actions."""

    def test_a_proposal_is_held_sanitized(self, sanitizer: Sanitizer) -> None:
        """The request holds the clean record and where it goes once released."""
        request = held(sanitizer, record(EXPORT, key=b"k", headers=(("h", b"v"),)))
        assert request.held is not None
        assert (request.held.topic, request.held.partition, request.held.key) == ("clean", 2, b"k")
        assert (request.held.headers, request.held.timestamp) == ((("h", b"v"),), 1234)
        assert json.loads(request.held.value)["params"]["db_password"] == "[PASSWORD]"
        assert (request.rule_id, request.risk, request.requirement.quorum) == ("exports", "high", 2)
        assert (request.created, request.expires) == (NOW, NOW + 15 * 60_000)

    def test_a_reviewer_sees_who_asks_and_nothing_else_raw(self, sanitizer: Sanitizer) -> None:
        """Principals stay readable; parameters and the stated reason are sanitized, numbers exact."""
        request = held(sanitizer, record(EXPORT))
        assert [(p.role, p.subject) for p in request.principals] == [
            ("initiator", "etl-7@bots.example"), ("on_behalf_of", "grace@corp.example"),
        ]  # fmt: skip
        assert request.reason == "asked by [EMAIL_ADDRESS]"
        assert json.loads(request.params)["to"] == "[EMAIL_ADDRESS]"
        assert '"ratio":1.1' in request.params
        written = encode(request, "json")
        assert b"jane" not in written
        assert b"hunter2" not in written
        assert decode(encode(request, "avro")) == request

    def test_the_binding_tells_two_victims_behind_one_mask_apart(self, sanitizer: Sanitizer) -> None:
        """The view is the same, what is decided on is not."""
        one_, two = (
            held(sanitizer, record({**EXPORT, "params": {"to": to}}))
            for to in ("jane@corp.example", "joe@corp.example")
        )
        assert one_.view_digest == two.view_digest
        assert one_.binding != two.binding
        assert one_.likeness != two.likeness

    @pytest.mark.parametrize("change", [{"action": "x.export"}, {"resource": "r"}, {"environment": "e"}, {"actor": "a"}, {"params": {"rows": 41001}}, {"params": {"rows": 41000.0}}, {"on_behalf_of": "x"}])  # fmt: skip
    def test_whatever_changes_changes_the_binding(self, sanitizer: Sanitizer, change: dict[str, object]) -> None:
        """Action, target, parameters to the digit, and everyone involved."""
        before = held(sanitizer, record({**EXPORT, "params": {"rows": 41000}}))
        after = held(sanitizer, record({**EXPORT, "params": {"rows": 41000}, **change}))
        assert before.binding != after.binding

    def test_like_requests_are_recognized(self, sanitizer: Sanitizer) -> None:
        """An agent in a retry loop asks for the same with another time and another position."""
        first = held(sanitizer, record({**EXPORT, "ts": 1}, offset=1))
        again = held(sanitizer, record({**EXPORT, "ts": 2}, offset=2))
        assert first.likeness == again.likeness
        assert first.request_id != again.request_id
        assert first.nonce != again.nonce

    def test_a_replay_opens_the_same_request(self, sanitizer: Sanitizer) -> None:
        """A batch that was not committed is read again."""
        assert held(sanitizer, record(EXPORT)) == held(sanitizer, record(EXPORT))

    def test_a_denied_proposal_goes_nowhere(self, sanitizer: Sanitizer) -> None:
        """The rule and its reason are told."""
        outcome = one(sanitizer, record({**EXPORT, "action": "db.wipe"}))
        assert isinstance(outcome, Denied)
        assert (outcome.rule_id, outcome.reason) == ("wipe", "Nobody wipes a database.")

    def test_a_fact_passes_and_opens_a_review(self, sanitizer: Sanitizer) -> None:
        """It has happened: who watches the stream must see it."""
        event = {
            "eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail", "awsRegion": "eu-west-1",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/bob"},
            "requestParameters": {"name": "audit", "note": "a@b.co"},
        }  # fmt: skip
        outcome = one(sanitizer, record(event, topic="facts"))
        assert isinstance(outcome, Sanitized)
        assert outcome.after_review is not None
        assert (outcome.after_review.kind, outcome.after_review.held) == (ActionKind.FACT, None)
        assert b"a@b.co" not in (outcome.record.value or b"")

    def test_a_fact_of_nobody_passes_too(self, sanitizer: Sanitizer) -> None:
        """What has happened is never withheld, even if it does not say who did it."""
        event = {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail", "awsRegion": "eu-west-1"}
        outcome = one(sanitizer, record(event, topic="facts"))
        assert isinstance(outcome, Sanitized)
        assert outcome.after_review is not None
        assert [(p.issuer, p.subject) for p in outcome.after_review.principals] == [("unknown", "unknown")]

    def test_an_action_of_nobody_is_quarantined(self, sanitizer: Sanitizer) -> None:
        """What nobody asks for nobody can approve."""
        given = {name: value for name, value in EXPORT.items() if name not in ("actor", "on_behalf_of")}
        assert one(sanitizer, record(given)) == Quarantined(record(given), "no-principal")

    @pytest.mark.parametrize("actions", [("read", "db.export"), ("db.export", "read"), ("db.wipe", "db.export")])
    def test_the_strictest_reading_of_a_duplicate_key_counts(
        self, sanitizer: Sanitizer, actions: tuple[str, str]
    ) -> None:
        """Who reads the record later may take the first or the last."""
        text = '{"actor":"a","action":"%s","action":"%s"}' % actions
        outcome = one(sanitizer, record(text.encode()))
        assert isinstance(outcome, Denied if "db.wipe" in actions else Diverted)

    @pytest.mark.parametrize("depth", [0, 1])
    def test_escapes_do_not_hide_an_action(self, sanitizer: Sanitizer, depth: int) -> None:
        """Keys and values may be written with escapes."""
        text = r'{"\u0061ctor":"a","act\u0069on":"db.\u0065xport"}'
        given = text.encode() if not depth else json.dumps({"log": text}).encode()
        assert isinstance(one(sanitizer, record(given)), Diverted)


class TestBadInput:
    """Each has a named outcome and costs no other record anything."""

    CASES: tuple[tuple[str, bytes | None, str], ...] = (
        ("broken", b'{"m":"a@b.co', "Sanitized"),
        ("too large", b'{"m":"' + b"x" * 200_000 + b'"}', "budget.bytes"),
        ("nested", b"[" * 10_000 + b'"a@b.co"' + b"]" * 10_000, "budget.depth"),
        ("nested and silent", b"[" * 10_000 + b"]" * 10_000, "Sanitized"),
        ("layers", nested("a@b.co", 9), "budget.layers"),
        ("suspicious everywhere", b'{"m":"' + b"a@b.co " * 1000 + b'"}', "budget.candidates"),
        ("NUL", b'{"m":"a@b.co\0"}\0', "Sanitized"),
        ("lone surrogate", rb'{"m":"\ud800 a@b.co"}', "Sanitized"),
        ("lone surrogate in an action", rb'{"actor":"\udfff","action":"db.export","params":"\ud800"}', "Diverted"),
        ("duplicate keys", b'{"m":"a@b.co","m":"c@d.co"}', "Sanitized"),
        ("NaN", b'{"n":NaN,"m":"a@b.co"}', "Sanitized"),
        ("NaN in an action", b'{"actor":"a","action":"db.export","params":{"n":NaN}}', "Diverted"),
        ("empty", b"", "Sanitized"),
        ("tombstone", None, "Sanitized"),
        ("invalid UTF-8", b'{"m":"\xff\xfe a@b.co"}', "Sanitized"),
    )

    def test_a_batch_of_them(self, sanitizer: Sanitizer) -> None:
        """In one batch, with good records between them."""
        good = record({"m": "jane@corp.example"})
        given = [r for _, value, _ in self.CASES for r in (record(value), good)]
        outcomes = sanitizer.sanitize(given, NOW)
        named = [o.reason if isinstance(o, Quarantined) else type(o).__name__ for o in outcomes[::2]]
        assert dict(zip([c[0] for c in self.CASES], named, strict=True)) == {c[0]: c[2] for c in self.CASES}
        for outcome in outcomes[1::2]:
            assert isinstance(outcome, Sanitized)
            assert outcome.record.value == b'{"m": "[EMAIL_ADDRESS]"}'
        for outcome in outcomes:
            if isinstance(outcome, Sanitized):
                assert b"@" not in (outcome.record.value or b"")

    def test_each_reason_is_documented(self) -> None:
        """An operator can look it up."""
        assert {reason for _, _, reason in self.CASES if "." in reason} <= set(QUARANTINE_REASONS)

    def test_a_strict_topic_quarantines_what_is_not_json(self, sanitizer: Sanitizer) -> None:
        """Even when it holds nothing suspicious; NaN and the like are still read."""
        assert one(sanitizer, record(b"plain", topic="strict-1")) == Quarantined(
            record(b"plain", topic="strict-1"), "unparsable"
        )
        assert isinstance(one(sanitizer, record(b'{"n":NaN}', topic="strict-1")), Sanitized)

    def test_a_detector_that_fails_quarantines_and_says_nothing_of_the_value(
        self, sanitizer: Sanitizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Fail closed: the log names the position and the kind of error."""

        def fail(value: bytes) -> bool:
            raise RuntimeError(f"cannot read {value!r}")

        for rule in sanitizer.policy.detector.rules:
            monkeypatch.setattr(rule, "_validator", fail)
        with caplog.at_level(logging.DEBUG):
            outcome = one(sanitizer, record({"m": "jane@corp.example"}))
        assert outcome == Quarantined(record({"m": "jane@corp.example"}), "detector-error")
        assert "activity/2@7" in caplog.text
        assert "jane" not in caplog.text

    def test_a_gate_that_fails_lets_nothing_pass(self, sanitizer: Sanitizer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither a value nor what has but a key or headers, be they harmless."""
        given = [record({"a": 1}), record(None, key=b"k"), record(None, headers=(("h", b"v"),))]
        sanitizer._gate._scans()
        monkeypatch.setattr(sanitizer._gate._local, "scans", [])  # as if there were no scratch space for this thread
        assert sanitizer.sanitize(given, NOW) == [Quarantined(one, "detector-error") for one in given]

    def test_a_header_that_cannot_be_written_costs_no_other_record(self, sanitizer: Sanitizer) -> None:
        """A lone surrogate in its name; the batch is asked about all headers at once."""
        given = [record({"a": 1}, headers=(("\ud800", b"v"),)), record({"m": "a@b.co"}, headers=(("h", b"c@d.co"),))]
        bad, good = sanitizer.sanitize(given, NOW)
        assert bad == Quarantined(given[0], "detector-error")
        assert isinstance(good, Sanitized)
        assert good.record.headers == (("h", b"[EMAIL_ADDRESS]"),)

    def test_reprs_show_no_payload(self, sanitizer: Sanitizer) -> None:
        """A record may end up in a log line by accident."""
        for value in (b'{"m":"jane@corp.example"}', json.dumps(EXPORT).encode(), b"[" * 10_000 + b"jane@corp.example"):
            assert "jane" not in repr(one(sanitizer, record(value)))
            assert "hunter2" not in repr(one(sanitizer, record(value)))

    @given(st.lists(st.binary(max_size=80) | st.sampled_from([c[1] for c in CASES]) | st.none(), max_size=6))
    def test_any_batch_has_one_outcome_for_each_record(self, values: list[bytes | None]) -> None:
        """In order, whatever stands in it."""
        given = [record(value, offset=n) for n, value in enumerate(values)]
        outcomes = _shared().sanitize(given, NOW)
        assert [o.record.position for o in outcomes] == [r.position for r in given]


_shared: Callable[[], Sanitizer]


@pytest.fixture(autouse=True, scope="module")
def _share(sanitizer: Sanitizer) -> None:
    """Hypothesis runs many examples with one sanitizer."""
    global _shared  # noqa: PLW0603
    _shared = lambda: sanitizer  # noqa: E731


@pytest.mark.parametrize(
    "action", ["db.export\u00a0", "\u2003db.export", "db.ex\u200bport", "db.ｅxpоrt", "db.export\ufe0f"]
)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_look_alike_of_an_action_is_held_as_the_action_is(
    sanitizer: Sanitizer, action: str, ascii_only: bool
) -> None:
    """Spaces beyond ASCII, what is not seen, and look-alikes in an action's name, as they are or escaped."""
    data = json.dumps({**EXPORT, "action": action}, ensure_ascii=ascii_only).encode()
    assert isinstance(
        sanitizer.sanitize([ActivityRecord(Position("activity", 0, 1), None, data, (), 0)], NOW)[0], Diverted
    )
