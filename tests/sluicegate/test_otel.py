"""The processors for OpenTelemetry: what is exported, by the SDK's own exporters, holds nothing raw."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from sluicegate import Sanitizer
from sluicegate.otel import RedactingLogRecordProcessor, RedactingSpanProcessor

MAIL = "jane.doe@corp.example.com"
KEY = "AKIAIOSFODNN7EXAMPLE"
SANITIZER = Sanitizer()
RESOURCE = Resource({"service.name": "agent", "process.command_args": ["run", "--key", KEY], "process.pid": 7})
MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"I am {MAIL}"}]}])
CLEAN_MESSAGES = MESSAGES.replace(MAIL, "[EMAIL_ADDRESS]")


class Traces:
    """A tracer provider whose spans end in memory, redacted."""

    def __init__(self, **limits: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(resource=RESOURCE, span_limits=SpanLimits(**limits), shutdown_on_exit=False)
        self.provider.add_span_processor(RedactingSpanProcessor(SimpleSpanProcessor(self.exporter), SANITIZER))
        self.tracer = self.provider.get_tracer("agents", "1.0", attributes={"owner": MAIL})

    def exported(self) -> ReadableSpan:
        [span] = self.exporter.get_finished_spans()
        assert MAIL not in span.to_json()
        assert KEY not in span.to_json()
        return span


def test_attributes_of_the_genai_conventions() -> None:
    """Messages, arguments and results are JSON in strings and stay it; figures and ids stay as they are."""
    traces = Traces()
    kept = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.request.temperature": 0.5,
        "gen_ai.tool.call.id": "call_mszuSIzqtI65i1wAUOE8w5H4",
    }
    with traces.tracer.start_as_current_span("chat", attributes=kept) as span:
        span.set_attribute("gen_ai.input.messages", MESSAGES)
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps({"to": MAIL, "n": 1.50, "card": 4111111111111111}))
        span.set_attribute("gen_ai.tool.call.result", f"sent to {MAIL}")
        span.set_attribute("anything.else", [f"to {MAIL}", "b"])
    attributes = traces.exported().attributes
    assert attributes is not None
    assert {name: attributes[name] for name in kept} == kept
    assert attributes["gen_ai.input.messages"] == CLEAN_MESSAGES
    assert attributes["gen_ai.tool.call.arguments"] == '{"to": "[EMAIL_ADDRESS]", "n": 1.5, "card": "[CREDIT_CARD]"}'
    assert attributes["gen_ai.tool.call.result"] == "sent to [EMAIL_ADDRESS]"
    assert attributes["anything.else"] == ("to [EMAIL_ADDRESS]", "b")


def test_all_else_that_a_span_carries() -> None:
    """Name, events, exceptions, links, status, resource and scope; times, ids, kind and parent are the same."""
    traces = Traces()
    other = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
    links = [Link(other, {"why": f"asked by {MAIL}"})]

    def work() -> None:
        with (
            traces.tracer.start_as_current_span("outer"),
            traces.tracer.start_as_current_span(f"GET /{MAIL}", kind=SpanKind.CLIENT, links=links) as span,
        ):
            span.add_event(f"mail {MAIL}", {"gen_ai.input.messages": MESSAGES}, timestamp=17)
            span.set_status(Status(StatusCode.ERROR, f"for {MAIL}"))
            raise ValueError(f"no {KEY} of {MAIL}")

    with pytest.raises(ValueError, match=MAIL):
        work()
    inner, outer = traces.exporter.get_finished_spans()
    assert MAIL not in inner.to_json() + outer.to_json()
    assert inner.name == "GET /[EMAIL_ADDRESS]"
    event, raised = inner.events
    assert (event.name, event.timestamp) == ("mail [EMAIL_ADDRESS]", 17)
    assert dict(event.attributes or {}) == {"gen_ai.input.messages": CLEAN_MESSAGES}
    told = raised.attributes or {}
    assert told["exception.message"] == "no [AWS_ACCESS_KEY_ID] of [EMAIL_ADDRESS]"
    assert "ValueError: no [AWS_ACCESS_KEY_ID]" in str(told["exception.stacktrace"])
    assert [dict(link.attributes or {}) for link in inner.links] == [{"why": "asked by [EMAIL_ADDRESS]"}]
    assert inner.links[0].context == other
    assert (inner.status.status_code, "[EMAIL_ADDRESS]" in str(inner.status.description)) == (StatusCode.ERROR, True)
    assert dict(inner.resource.attributes) == {
        "service.name": "agent",
        "process.command_args": ("run", "--key", "[AWS_ACCESS_KEY_ID]"),
        "process.pid": 7,
    }
    scope = inner.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version, dict(scope.attributes or {})) == ("agents", "1.0", {"owner": "[EMAIL_ADDRESS]"})
    assert inner.kind is SpanKind.CLIENT
    assert inner.parent == outer.context
    assert inner.context.trace_id == outer.context.trace_id
    assert (inner.start_time or 0) <= (inner.end_time or 0)


def test_what_had_no_room_is_still_counted() -> None:
    """The limits of the SDK are the program's; the copy tells what they cost."""
    traces = Traces(max_span_attributes=1, max_events=1, max_links=1)
    other = SpanContext(1, 2, is_remote=False)
    with traces.tracer.start_as_current_span("s", links=[Link(other), Link(other)]) as span:
        span.set_attributes({"a": 1, "b": 2, "c": 3})
        for name in "abc":
            span.add_event(name)
    exported = traces.exported()
    assert (exported.dropped_attributes, exported.dropped_events, exported.dropped_links) == (2, 2, 1)


def test_in_batches() -> None:
    """The processor that programs use most: what it exports on its own thread is clean, and flushing goes through."""
    traces = Traces()
    exporter = InMemorySpanExporter()
    batch = RedactingSpanProcessor(BatchSpanProcessor(exporter), SANITIZER)
    traces.provider.add_span_processor(batch)
    with traces.tracer.start_as_current_span(f"to {MAIL}"):
        pass
    assert traces.provider.force_flush()
    assert [span.name for span in exporter.get_finished_spans()] == ["to [EMAIL_ADDRESS]"]
    traces.provider.shutdown()


def test_a_span_that_cannot_be_read_is_withheld(tmp_path: Any) -> None:
    """An attribute over the policy's budget: its reason stands in its place, the others are there."""
    (tmp_path / "policy.yaml").write_text("version: 1\nname: small\nactions: default\nlimits: {bytes: 200}\n")
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    small = Sanitizer(tmp_path / "policy.yaml")
    provider.add_span_processor(RedactingSpanProcessor(SimpleSpanProcessor(exporter), small))
    with provider.get_tracer("t").start_as_current_span("s", attributes={"long": MAIL + " a" * 200, "short": MAIL}):
        pass
    [span] = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {"long": "[sluicegate: withheld, budget.bytes]", "short": "[EMAIL_ADDRESS]"}


class Logs:
    """A logger provider whose records end in memory, redacted."""

    def __init__(self) -> None:
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
        self.provider.add_log_record_processor(
            RedactingLogRecordProcessor(SimpleLogRecordProcessor(self.exporter), SANITIZER)
        )
        self.logger = self.provider.get_logger("agents")

    def exported(self) -> ReadableLogRecord:
        [record] = self.exporter.get_finished_logs()
        assert MAIL not in record.to_json()
        assert KEY not in record.to_json()
        return record


def test_events_of_the_genai_conventions() -> None:
    """The body of an event is a value at any depth, or a text; its attributes are read too."""
    logs = Logs()
    body = {"messages": [{"content": f"I am {MAIL}"}], "index": 0, "raw": f"key {KEY}".encode()}
    record = LogRecord(
        timestamp=17,
        severity_number=SeverityNumber.INFO,
        body=body,
        attributes={"gen_ai.output.messages": MESSAGES, "n": 1},
        event_name="gen_ai.client.inference.operation.details",
    )
    logs.logger.emit(record)
    exported = logs.exported()
    clean = exported.log_record
    assert clean.body == {
        "messages": [{"content": "I am [EMAIL_ADDRESS]"}],
        "index": 0,
        "raw": "key [AWS_ACCESS_KEY_ID]",
    }
    assert dict(clean.attributes or {}) == {"gen_ai.output.messages": CLEAN_MESSAGES, "n": 1}
    assert (clean.event_name, clean.timestamp) == ("gen_ai.client.inference.operation.details", 17)
    assert clean.severity_number is SeverityNumber.INFO
    assert KEY not in str(exported.resource.attributes)
    assert record.body is body, "the program's own record is as it was"


def test_exceptions_of_the_log() -> None:
    """Message and stack are attributes; the exception itself, which an exporter could write out, is gone."""
    logs = Logs()
    try:
        raise ValueError(f"for {MAIL}")
    except ValueError as error:
        logs.logger.emit(LogRecord(body=f"failed: {error}", exception=error))
    clean = logs.exported().log_record
    assert clean.body == "failed: for [EMAIL_ADDRESS]"
    assert (clean.attributes or {})["exception.message"] == "for [EMAIL_ADDRESS]"
    assert clean.exception is None


def test_the_provider_goes_on_as_before() -> None:
    """Flushing and asking whether a record would be taken go to what is wrapped."""
    logs = Logs()
    assert logs.logger.enabled(severity_number=SeverityNumber.INFO)
    assert logs.provider.force_flush()
    logs.provider.shutdown()
