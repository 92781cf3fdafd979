"""`RedactingFilter`: nothing that a handler writes holds what the policy redacts."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import logging.handlers
import queue
from collections.abc import Iterator
from typing import Any

import pytest

from detectors.patterns import PatternDetector
from sluicegate import Sanitizer
from sluicegate.logs import RedactingFilter

MAIL = "jane.doe@corp.example.com"
KEY = "AKIAIOSFODNN7EXAMPLE"
SANITIZER = Sanitizer()


class AsJson(logging.Formatter):
    """Writes all that a record has, as formatters of JSON logs do."""

    def format(self, record: logging.LogRecord) -> str:
        super().format(record)
        return json.dumps(record.__dict__, default=repr)


class Out:
    """A handler of everything that is logged, with the filter, and what it wrote."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.addFilter(RedactingFilter(SANITIZER))

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def json(self) -> Any:
        """The one record that it wrote."""
        assert MAIL not in self.text
        assert KEY not in self.text
        return json.loads(self.text)


@pytest.fixture
def out() -> Iterator[Out]:
    """A handler of the root logger that writes text."""
    one, root = Out(), logging.getLogger()
    before = root.level
    root.addHandler(one.handler)
    root.setLevel(logging.INFO)
    yield one
    root.removeHandler(one.handler)
    root.setLevel(before)


@pytest.fixture
def as_json(out: Out) -> Out:
    """The same, writing all that a record has."""
    out.handler.setFormatter(AsJson())
    return out


log = logging.getLogger("an.application")


def test_a_message_with_its_arguments(as_json: Out) -> None:
    """They are put together before they are read, and are gone as objects."""
    log.info("from %s to %s, %d%%", MAIL, {"key": KEY}, 50)
    written = as_json.json()
    assert written["msg"] == written["message"] == "from [EMAIL_ADDRESS] to {'key': '[AWS_ACCESS_KEY_ID]'}, 50%"
    assert written["args"] == []


def test_a_message_that_is_a_value(as_json: Out) -> None:
    """As loggers of JSON are given it: it stays a value."""
    log.info({"event": "login", "user": MAIL})
    assert as_json.json()["msg"] == {"event": "login", "user": "[EMAIL_ADDRESS]"}


class Session:
    """Not a value of JSON; its text tells whose it is."""

    def __str__(self) -> str:
        return f"session of {MAIL}"


def test_extra_fields(as_json: Out) -> None:
    """Each under its name, at any depth, objects by their text; what belongs to the record stays."""
    log.info(
        "done", extra={"request": {"headers": [["x-key", KEY]]}, "session": Session(), "n": 3, "password": "hunter22"}
    )
    written = as_json.json()
    assert written["request"] == {"headers": [["x-key", "[AWS_ACCESS_KEY_ID]"]]}
    assert written["session"] == "session of [EMAIL_ADDRESS]"
    assert (written["n"], written["password"]) == (3, "[PASSWORD]")
    assert (written["name"], written["levelname"], written["funcName"]) == (
        "an.application",
        "INFO",
        "test_extra_fields",
    )


def test_exceptions_and_stacks(as_json: Out) -> None:
    """Messages, causes and source lines in a traceback, and in a stack."""
    try:
        try:
            raise KeyError(f"no {KEY}")
        except KeyError as error:
            raise ValueError(f"for {MAIL}") from error
    except ValueError:
        log.exception("failed", stack_info=True)  # jane.doe@corp.example.com stands in this very line
    written = as_json.json()
    assert "ValueError: for [EMAIL_ADDRESS]" in written["exc_text"]
    assert "no [AWS_ACCESS_KEY_ID]" in written["exc_text"]
    assert "Traceback (most recent call last)" in written["exc_text"]
    assert "[EMAIL_ADDRESS] stands in this very line" in written["stack_info"]
    assert written["exc_info"] is None


def test_as_text_too(out: Out) -> None:
    """A plain formatter writes the exception that the filter has left as text."""
    try:
        raise ValueError(f"for {MAIL}")
    except ValueError:
        log.exception("failed")
    assert "ValueError: for [EMAIL_ADDRESS]\n" in out.text


def test_through_a_queue() -> None:
    """A record that was prepared for a queue, exception and all, by a handler with the filter."""
    line: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = logging.handlers.QueueHandler(line)
    handler.addFilter(RedactingFilter(SANITIZER))
    logger = logging.Logger("alone")
    logger.addHandler(handler)
    try:
        raise ValueError(f"for {MAIL}")
    except ValueError:
        logger.exception("to %s", MAIL)
    record = line.get_nowait()
    assert "to [EMAIL_ADDRESS]" in record.getMessage()
    assert MAIL not in repr(record.__dict__)


def test_a_message_that_cannot_be_put_together(out: Out) -> None:
    """It is withheld with the kind of the error, and the program goes on."""
    log.info("%d users", MAIL)
    assert out.text == "[sluicegate: withheld, TypeError]\n"


class Hostile:
    """Its text cannot be had, and the error quotes it."""

    def __str__(self) -> str:
        raise RuntimeError(MAIL)


def test_what_cannot_be_read_is_withheld_alone(as_json: Out) -> None:
    """One field that fails does not take the others along."""
    log.info("done", extra={"bad": Hostile(), "good": f"to {MAIL}"})
    written = as_json.json()
    assert (written["bad"], written["good"]) == ("[sluicegate: withheld, RuntimeError]", "to [EMAIL_ADDRESS]")


def test_a_detector_that_fails(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is withheld. That cleaning itself logs the failure, to the same handler, ends in no endless round."""

    def broken(*_: object) -> None:
        raise RuntimeError(MAIL)

    monkeypatch.setattr(PatternDetector, "read", broken)
    log.info("to %s", MAIL)
    assert out.text.splitlines() == ["[sluicegate: withheld, nested]", "[sluicegate: withheld, detector-error]"]


def test_by_a_configuration() -> None:
    """A dictConfig names it; two handlers with it write the same."""
    stream = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"redact": {"()": "sluicegate.logs.RedactingFilter"}},
            "handlers": {
                name: {"class": "logging.StreamHandler", "stream": stream, "filters": ["redact"]} for name in ("a", "b")
            },
            "loggers": {"configured": {"handlers": ["a", "b"], "level": "INFO", "propagate": False}},
        }
    )
    logging.getLogger("configured").info("to %s", MAIL)
    assert stream.getvalue() == "to [EMAIL_ADDRESS]\nto [EMAIL_ADDRESS]\n"
