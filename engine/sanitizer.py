"""The engine's pure core: a batch of records in, exactly one outcome for each out.

A record on which the gate is silent passes untouched and unparsed. The others are read, redacted as the policy
says, and, where they tell of a privileged action, held, denied or followed by a review.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress, count, repeat
from operator import itemgetter, not_
from typing import NamedTuple

import orjson

from detectors.errors import BudgetExceeded
from engine.actions.decide import Effect
from engine.actions.extract import asks, extract
from engine.actions.profile import Profile
from engine.actions.tree import parse
from engine.binding import Binder
from engine.cleaning import Cleaner
from engine.gating import BatchGate
from engine.jsontext import Step, read_all
from engine.ledger.model import ActionKind, Redaction, ReviewRequest
from engine.memory import certain_rules
from engine.names import NameReader, Names, OverBudget
from engine.outcomes import Denied, Diverted, Dropped, Outcome, Quarantined, Sanitized
from engine.policy.compiled import Policy
from engine.records import ActivityRecord, Header
from engine.review import Asked, NoPrincipal, header_texts, review_request
from engine.touched import Readers
from engine.views import Limits

log = logging.getLogger(__name__)
_new = tuple.__new__  # a named tuple made by its own name, or by `_replace`, runs a function of Python
_KEY, _HEADERS = itemgetter(1), itemgetter(3)  # of a record


class _Reading(NamedTuple):
    """How the records of one topic are read, worked out once."""

    form: str
    strict: bool  # what is not JSON is quarantined
    profiles: Sequence[Profile]
    release_to: str
    cleaner: Cleaner


def cleaner_of(policy: Policy) -> Cleaner:
    """What cleans texts by this policy that come from no topic."""
    file = policy.file
    return Cleaner(
        detector=policy.detector,
        ids=policy.gate,
        reads_all=bool(policy.reads_all),
        methods=policy.methods,
        default=file.redaction.default,
        min_score=file.redaction.min_score,
        places=policy.places,
        entities=policy.entities,
        certain=certain_rules(policy.detector),
        key_of=policy.key_of(None),
        limits=Limits(file.limits.depth, file.limits.layers, file.limits.candidates, file.limits.decoded),
        readers=Readers(policy.detector.rules),
    )


class Sanitizer:
    """Sanitizes batches by one policy.

    ``secret`` keys the digests that bind decisions to raw actions and stand for sensitive message keys.
    ``release_to`` names the sanitized topic by activity topic; what it leaves out is ``TOPIC.sanitized``.
    ``form`` overrides the format that the policy gives a topic; without ``privileged``, actions pass.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        secret: bytes,
        release_to: Mapping[str, str] | None = None,
        form: str | None = None,
        privileged: bool = True,
    ) -> None:
        self.policy = policy
        self._form = form
        self._privileged = privileged
        self.cleaner = cleaner_of(policy)
        self._binder = Binder(secret)
        self._release_to = dict(release_to or {})
        self._readings: dict[str, _Reading] = {}
        self._gate = policy.detector.gate
        self._reads_all = bool(policy.reads_all)
        strict = any(one.format == "json" and one.on_unparsable == "quarantine" for one in policy.file.topics)
        ner = policy.file.ner
        self._names = NameReader(policy.names, ner.fields, self.cleaner.limits) if policy.names is not None else None
        self._batch_gate = BatchGate(self._gate, policy.gate, self.cleaner, privileged=privileged)
        self._plain = not self._reads_all and not strict  # a value on which the gate is silent passes

    @property
    def digest(self) -> str:
        """The digest of the policy."""
        return self.policy.digest

    def sanitize(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
        """One outcome for each record, in order. ``now`` is in ms since the epoch."""
        limit = self.policy.file.limits.bytes
        self.policy.detector.remember()
        self.cleaner.parts.remember()
        named = self._names.read(records, self._form_of, limit) if self._names is not None else {}
        values = [one if (one := record.value) and len(one) <= limit else b"" for record in records]
        gated, escaped = self._gated(values)
        loud = self._loud(records)
        # Most pass as they are, and this is all that these cost.
        out: list[Outcome] = list(map(_new, repeat(Sanitized), zip(records, repeat(()), repeat(None))))
        for at in self._unquiet(records, values, gated, loud, named):
            record, names = records[at], named.get(at) if named else None
            try:
                if gated is not None:
                    out[at] = self._outcome(record, gated[at], loud, now, names, escaped=at in escaped)
                else:
                    (told,), alone = self._batch_gate((value,)) if (value := values[at]) else (((),), ())
                    out[at] = self._outcome(record, told, loud, now, names, escaped=bool(alone))
            except BudgetExceeded as error:
                out[at] = Quarantined(record, f"budget.{error.budget}")
            except NoPrincipal:
                out[at] = Quarantined(record, "no-principal")
            except Exception as error:  # whatever fails, the record must not pass unread
                log.error("%s: %s while reading; quarantined", record.position, type(error).__name__)
                out[at] = Quarantined(record, "detector-error")
        self.policy.detector.forget()
        self.cleaner.parts.forget()
        return out

    def _unquiet(
        self,
        records: Sequence[ActivityRecord],
        values: Sequence[bytes],
        gated: Sequence[Sequence[int]] | None,
        loud: Container[object],
        named: Collection[int],
    ) -> Sequence[int]:
        """The numbers of the records that may not pass as they are: ``named`` and those that something is told of."""
        if gated is None or len(gated) != len(records) or not self._plain:
            return range(len(records))
        unquiet = {*compress(count(), gated), *compress(count(), map(not_, values)), *named}
        if loud:
            unquiet.update(at for at, one in enumerate(records) if one.key in loud or one.headers in loud)
        return sorted(unquiet)

    def _gated(self, values: Sequence[bytes]) -> tuple[Sequence[Sequence[int]] | None, Collection[int]]:
        """See `BatchGate`; None where that fails: each is asked again, and quarantined if that fails."""
        try:
            return self._batch_gate(values)
        except Exception:  # of which record is not known
            return None, ()

    def _loud(self, records: Sequence[ActivityRecord]) -> Container[object]:
        """The keys and headers, which come again and again, on which the gate hits; all where it fails."""
        keys = set(filter(None, map(_KEY, records)))
        headers = set(filter(None, map(_HEADERS, records)))
        try:
            texts = [*keys, *map(_header_text, headers)]
            return {one for one, hits in zip([*keys, *headers], self._gate.hits_of_each(texts), strict=True) if hits}
        except Exception:  # of which is not known
            return {*keys, *headers}

    def _form_of(self, topic: str) -> str:
        return (self._readings.get(topic) or self._reading(topic)).form

    def _outcome(
        self,
        record: ActivityRecord,
        hits: Sequence[int],
        loud: Container[object],
        now: int,
        names: Names | OverBudget | None,
        *,
        escaped: bool,
    ) -> Outcome:
        value, clean = record.value, record
        envelope: tuple[Redaction, ...] = ()
        reading = self._readings.get(record.position.topic) or self._reading(record.position.topic)
        if record.key in loud or record.headers in loud:
            clean, envelope = self._envelope(record, reading.cleaner, loud)
        if value is None:
            return Sanitized(clean, envelope)
        if len(value) > self.policy.file.limits.bytes:
            raise BudgetExceeded("bytes", self.policy.file.limits.bytes)
        if reading.strict and not self._is_json(value):
            return Quarantined(record, "unparsable")
        if isinstance(names, OverBudget):
            raise BudgetExceeded("names", self.policy.file.ner.characters)
        if not hits and not self._reads_all and names is None:
            return Sanitized(clean, envelope)
        return self._read(record, clean, envelope, reading, hits, now, names, escaped=escaped)

    def _read(
        self,
        record: ActivityRecord,
        clean: ActivityRecord,
        envelope: tuple[Redaction, ...],
        reading: _Reading,
        hits: Sequence[int],
        now: int,
        names: Names | None,
        *,
        escaped: bool,
    ) -> Outcome:
        """The outcome of a record that the gate asks to be read, or in which ``names`` were found."""
        ids, value = self.policy.gate, record.value or b""
        redactions, dropped = envelope, False
        if names is not None or self._reads_all or min(hits) < ids.paths:
            cleaner = reading.cleaner
            cleaned = cleaner.clean_hit(value, reading.form, hits, names, escaped=escaped)
            dropped = cleaned.dropped
            if cleaned.redactions:
                redactions += cleaned.redactions
                clean = _new(ActivityRecord, (clean.position, clean.key, cleaned.text, clean.headers, clean.timestamp))
        asked = None
        if self._reads_all:
            asked = self._asked(record, reading, reading.profiles)
        elif self._privileged and (announced := [hit - ids.paths for hit in hits if hit >= ids.paths]):
            told = frozenset[str]().union(*(self.policy.announced[number] for number in announced))
            asked = self._asked(record, reading, [one for one in reading.profiles if one.name in told])
        if asked is None:
            return Dropped(record, redactions) if dropped else _new(Sanitized, (clean, redactions, None))
        rule = asked.decision.rule
        fact = asked.decisive.kind is ActionKind.FACT
        if rule is not None and asked.decision.effect is Effect.DENY and not fact:
            return Denied(record, rule.id, rule.reason, redactions)
        if dropped:
            return Dropped(record, redactions)
        request = self._request(asked, record, clean, redactions, reading, now)
        return Sanitized(clean, redactions, request) if fact else Diverted(record, request)

    def _asked(self, record: ActivityRecord, reading: _Reading, announced: Sequence[Profile]) -> Asked | None:
        """The privileged action that a record tells of, by one of the ``announced`` profiles; None if of none."""
        if not self._privileged or not announced:
            return None
        try:
            trees = parse(record.value or b"", max_depth=self.policy.file.limits.depth)
        except ValueError:
            return None  # not JSON, so of no profile
        headers, rules = header_texts(record), self.policy.actions
        if not asks(trees, announced, self.policy.principals, headers, rules.may_ask, rules.asks):
            return None
        # Few come here. What other profiles see in it, and what is allowed of it, belongs to the request.
        actions = extract(trees, reading.profiles, self.policy.principals, headers)
        decisive = rules.strictest(actions)
        return Asked(actions, *decisive) if decisive is not None else None

    def _request(
        self,
        asked: Asked,
        record: ActivityRecord,
        clean: ActivityRecord,
        redactions: tuple[Redaction, ...],
        reading: _Reading,
        now: int,
    ) -> ReviewRequest:
        return review_request(
            asked,
            record,
            clean,
            redactions,
            policy=self.policy,
            cleaner=reading.cleaner.of(record.value or b""),
            binder=self._binder,
            profiles=reading.profiles,
            release_to=reading.release_to,
            now=now,
        )

    def _reading(self, topic: str) -> _Reading:
        reading = self._readings.get(topic)
        if reading is None:
            how = self.policy.topic(topic)
            reading = self._readings[topic] = _Reading(
                form=self._form or how.format,
                strict=how.format == "json" and how.on_unparsable == "quarantine",
                profiles=self.policy.profiles_of(how),
                release_to=self._release_to.get(topic, f"{topic}.sanitized"),
                cleaner=replace(self.cleaner, key_of=self.policy.key_of(topic)),
            )
        return reading

    def _is_json(self, value: bytes) -> bool:
        try:
            orjson.loads(value)
        except orjson.JSONDecodeError:
            return read_all(value, self.policy.file.limits.depth) is not None
        return True

    def _envelope(
        self, record: ActivityRecord, cleaner: Cleaner, loud: Container[object]
    ) -> tuple[ActivityRecord, tuple[Redaction, ...]]:
        """The record with its key and headers sanitized."""
        redactions: list[Redaction] = []
        key, headers = record.key, record.headers
        if key and key in loud:
            found = cleaner.clean(key, base=Step(None, b"$key")).redactions
            if found:
                redactions += found
                key = self._binder.message_key(key)
        if headers and headers in loud:
            cleaner = cleaner.of(record.value or b"")
            headers = tuple(h for header in headers if (h := _header(header, cleaner, redactions)) is not None)
        if not redactions:
            return record, ()
        return record._replace(key=key, headers=headers), tuple(redactions)


def _header_text(headers: Iterable[Header]) -> bytes:
    """Headers as the gate reads them: each value behind its name."""
    return b"\n".join([b'%s":%s' % (name.encode(), value or b"") for name, value in headers])


def _header(header: Header, cleaner: Cleaner, redactions: list[Redaction]) -> Header | None:
    """The header sanitized; None if it goes."""
    name, value = header
    base = Step(Step(None, b"$headers"), name.encode())
    clean_name = cleaner.clean(base.name, "text", base=Step(None, b"$headers"))  # type: ignore[arg-type]
    clean_value = cleaner.clean(value or b"", base=base if not clean_name.redactions else base.parent)
    redactions += clean_name.redactions + clean_value.redactions
    if clean_name.dropped or clean_value.dropped:
        return None
    return clean_name.text.decode("utf-8", "replace"), clean_value.text if value is not None else None
