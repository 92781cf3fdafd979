"""Processors for OpenTelemetry: spans and log records are redacted before they reach what exports them.

Two lines, for traces and for logs::

    from sluicegate.otel import RedactingLogRecordProcessor, RedactingSpanProcessor
    tracer_provider.add_span_processor(RedactingSpanProcessor(BatchSpanProcessor(exporter)))

All attributes are read, whatever their name, at any depth: those of the GenAI conventions (``gen_ai.input.messages``,
``gen_ai.tool.call.arguments``, …) are JSON in strings, and stay it. So are names, events, links, the description of
the status, exceptions, bodies, the resource and the scope.

A processor gets a span that has ended, and nothing of it can be changed any more. So these wrap another processor and
hand it a clean copy: what is wrapped never sees a raw one. Needs the extra ``otel``.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import lru_cache
from typing import Any

from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from sluicegate.library import Sanitizer
from sluicegate.telemetry import Redactor

_KNOWN = 256  # resources and scopes: a program has few, and each comes with every span


class RedactingSpanProcessor(SpanProcessor):
    """Hands clean copies of ended spans to ``wrapped``, which never sees a span before.

    A processor that adds attributes when a span starts is added to the provider by itself. What cannot be read is
    withheld, with the reason in its place.
    """

    def __init__(self, wrapped: SpanProcessor, sanitizer: Sanitizer | None = None) -> None:
        self._wrapped = wrapped
        self._redactor = _Redactor(sanitizer)

    def on_end(self, span: ReadableSpan) -> None:
        """Redacts a span that has ended."""
        self._wrapped.on_end(self._redactor.span(span))

    def shutdown(self) -> None:
        """Shuts down what is wrapped."""
        self._wrapped.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether what is wrapped exported all it had within ``timeout_millis`` ms."""
        return self._wrapped.force_flush(timeout_millis)


class RedactingLogRecordProcessor(LogRecordProcessor):
    """Hands clean copies of log records to ``wrapped``. What cannot be read is withheld."""

    def __init__(self, wrapped: LogRecordProcessor, sanitizer: Sanitizer | None = None) -> None:
        self._wrapped = wrapped
        self._redactor = _Redactor(sanitizer)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Redacts a record that was emitted."""
        self._wrapped.on_emit(self._redactor.log_record(log_record))

    def enabled(self, **asked: Any) -> bool:
        """Whether what is wrapped would take such a record."""
        return self._wrapped.enabled(**asked)

    def shutdown(self) -> None:
        """Shuts down what is wrapped."""
        self._wrapped.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether what is wrapped exported all it had within ``timeout_millis`` ms."""
        return self._wrapped.force_flush(timeout_millis)


class _Redactor(Redactor):
    """Clean copies of what OpenTelemetry's SDK holds."""

    def __init__(self, sanitizer: Sanitizer | None) -> None:
        super().__init__(sanitizer)
        self._resource = lru_cache(_KNOWN)(self._clean_resource)
        self._scope = lru_cache(_KNOWN)(self._clean_scope)

    def span(self, span: ReadableSpan) -> ReadableSpan:
        return _CleanSpan(
            span,
            name=self._said(span.name),
            attributes=self._attributes(span.attributes),
            events=[Event(self._said(e.name), self._attributes(e.attributes), e.timestamp) for e in span.events],
            links=[Link(link.context, self._attributes(link.attributes)) for link in span.links],
            status=Status(span.status.status_code, self._maybe(span.status.description)),
            resource=self._resource(span.resource),
            scope=self._scope(span.instrumentation_scope),
        )

    def log_record(self, emitted: ReadWriteLogRecord) -> ReadWriteLogRecord:
        record: LogRecord = copy(emitted.log_record)
        record.attributes = self._attributes(emitted.log_record.attributes)
        record.body = self.members({"body": record.body}).get("body")
        record.event_name = self._maybe(record.event_name)
        record.severity_text = self._maybe(record.severity_text)
        record.exception = None  # the SDK has written it into the attributes
        return ReadWriteLogRecord(
            record,
            self._resource(emitted.resource),
            self._scope(emitted.instrumentation_scope),
            emitted.limits,
        )

    def _said(self, text: str) -> str:
        return self.text(lambda: text)

    def _maybe(self, text: str | None) -> str | None:
        return self._said(text) if text else text

    def _attributes(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return self.members(attributes or {})

    def _clean_resource(self, resource: Resource | None) -> Resource | None:
        if resource is None:
            return None
        return Resource(self._attributes(resource.attributes), self._said(resource.schema_url))

    def _clean_scope(self, scope: InstrumentationScope | None) -> InstrumentationScope | None:
        if scope is None:
            return None
        attributes = self._attributes(scope.attributes)
        return InstrumentationScope(self._said(scope.name), scope.version, scope.schema_url, attributes)


class _CleanSpan(ReadableSpan):
    """A span with other texts than ``raw``; times, ids and what was dropped for want of room are the same."""

    def __init__(
        self,
        raw: ReadableSpan,
        *,
        name: str,
        attributes: dict[str, Any],
        events: list[Event],
        links: list[Link],
        status: Status,
        resource: Resource | None,
        scope: InstrumentationScope | None,
    ) -> None:
        super().__init__(
            name=name,
            context=raw.context,
            parent=raw.parent,
            resource=resource,
            attributes=BoundedAttributes(attributes=attributes),
            events=events,
            links=links,
            kind=raw.kind,
            status=status,
            start_time=raw.start_time,
            end_time=raw.end_time,
            instrumentation_scope=scope,
        )
        self._lost = raw.dropped_attributes, raw.dropped_events, raw.dropped_links

    @property
    def dropped_attributes(self) -> int:
        """How many attributes had no room."""
        return self._lost[0]

    @property
    def dropped_events(self) -> int:
        """How many events had no room."""
        return self._lost[1]

    @property
    def dropped_links(self) -> int:
        """How many links had no room."""
        return self._lost[2]
