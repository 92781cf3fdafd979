"""The finite demo: a stream from beginning to end, decided, checked and summed up."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from approvals.lifecycle import Refused
from approvals.people import load_people
from approvals.person import Person
from approvals.server import now_ms
from approvals.service import Service
from approvals.store import Store
from approvals.web.text import plain
from approvals.web.view import whole_text
from benchmarks.activity import Activity, generate
from engine.brokers import open_broker
from engine.brokers.base import Broker
from engine.config import load_config
from engine.ledger.accounting import totals_by_outcome
from engine.ledger.model import ActionKind, Decision, OutcomeKind, ReviewRequest, VerdictKind
from engine.policy import load_policy
from engine.records import ActivityRecord
from engine.sanitizer import cleaner_of
from sluicegate.demo import DemoError
from sluicegate.demo.agents import output
from sluicegate.demo.checks import Haul, check_all
from sluicegate.demo.folder import ACTIVITY, APPROVALS, DECISIONS, QUARANTINE, SANITIZED, Folder, create_topics
from sluicegate.demo.pairs import Pair, align, excerpt
from sluicegate.demo.parts import Part, stop_all
from sluicegate.demo.screen import ID_SHOWN, marked
from sluicegate.demo.watch import able

RECORDS = 4000
DRAIN_TIMEOUT = 120.0  # seconds
ENTITIES = 8
_APPENDED = 500  # records at once
_LABEL = 11  # characters before a record
_LINES = 3  # of a record
_LEAD = 60  # characters of it before the first thing that was redacted
_SHOWN = {"openai": "a tool call: JSON in a string in JSON", "chat": "a customer writes"}


class Decided(NamedTuple):
    """What the demo's reviewers did."""

    approved: ReviewRequest
    denied: ReviewRequest
    refused: tuple[Person, ReviewRequest, str] | None


def run_once(folder: Folder, console: Console, *, seed: int, records: int = RECORDS) -> None:
    """Plays ``records`` records through the real engine and decides on two. Raises DemoError if a check fails."""
    started = time.monotonic()
    activities = list(generate(seed, records))
    with open_broker(folder.broker_url) as broker:
        create_topics(broker)
        for at in range(0, len(activities), _APPENDED):
            broker.append([output(one, one.timestamp) for one in activities[at : at + _APPENDED]])
        console.print(f"{records:,} records of six made-up agents (seed {seed}) are in {folder.log}.")
        rate = _drain(folder)
        decided = _decide(folder, broker)
        haul = read_all(broker)
    checks = check_all(haul, activities)
    _summary(console, haul, rate)
    _samples(console, haul, activities)
    _verdicts(console, haul, decided)
    _title(console, "Checked, on what stands in the log")
    for check in checks:
        _tell(console, "✓" if check.holds else "✗", check.told, "green" if check.holds else "bold red")
    seconds = time.monotonic() - started
    console.print(f"\n{seconds:.1f} s in all. 'sluicegate demo' plays it live, with the reviewer's page.", style="dim")
    failed = [check.told for check in checks if not check.holds]
    if failed:
        raise DemoError(f"a check failed: {failed[0]}")


def read_all(broker: Broker) -> Haul:
    """Everything that stands in the demo's topics."""
    found: dict[str, list[ActivityRecord]] = {
        topic: [] for topic in (ACTIVITY, SANITIZED, APPROVALS, DECISIONS, QUARANTINE)
    }
    with closing(broker.reader(list(found))) as reader:
        while records := reader.poll(5000, 0):
            for record in records:
                found[record.position.topic].append(record)
    return Haul(*found.values())


def _drain(folder: Folder) -> str:
    """Runs the engine over what is there; its own word on how fast it was."""
    engine = Part("engine", ["run", "-c", str(folder.config), "--drain"], folder.path / "engine.log")
    try:
        code = engine.wait(DRAIN_TIMEOUT)
        if code is None:
            raise DemoError(f"the engine was not done after {DRAIN_TIMEOUT:.0f} s; see {engine.log}")
        if code:
            raise engine.complaint()
    finally:
        stop_all([engine])
    said = re.findall(r"([\d.]+) s of work, (\d+) records/s", engine.log.read_text(encoding="utf-8", errors="replace"))
    return f"{int(said[-1][1]):,} records/s" if said else "unknown"


def _decide(folder: Folder, broker: Broker) -> Decided:
    """What a person does on the page, by the same service: one request approved, one denied, one try refused."""
    config = load_config(folder.config)
    roster = load_people(folder.people)
    ada, grace = roster.values()
    with ExitStack() as resources:
        resources.enter_context(_logged(folder.path / "reviewer.log"))
        store = Store(folder.database, decisions={APPROVALS: DECISIONS}, format=config.file.decisions_format)
        resources.callback(store.close)
        service = Service(
            store=store,
            broker=broker,
            people=roster,
            topics=[APPROVALS],
            clock=now_ms,
            scrub=cleaner_of(load_policy(config.policy)).scrub,
            poll_seconds=0.0,
        )
        reader, publisher = service.connect(resources)
        while service.step(reader, publisher):
            pass
        waiting = [listed.review.request for listed in store.waiting()]
        held = sorted((r for r in waiting if r.kind is ActionKind.PROPOSAL), key=lambda r: r.position)
        refused = None
        for request in held:
            if not able(request, [ada]):
                result = _vote(service, request, ada, Decision.APPROVE, "it is mine, so it must be fine")
                refused = (ada, request, result.message) if isinstance(result, Refused) else None
                break
        approved = _first(held, ada, but=None)
        denied = _first(held, grace, but=approved)
        for request, person, decision, reason in (
            (approved, ada, Decision.APPROVE, "checked with the one who asked"),
            (denied, grace, Decision.DENY, "not during the freeze"),
        ):
            result = _vote(service, request, person, decision, reason)
            if isinstance(result, Refused):
                raise DemoError(f"{person.id} could not {decision} {request.request_id}: {result.message}")
        service.step(reader, publisher)
    return Decided(approved, denied, refused)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """What the reviewer service has to say goes to a file, as it does when it is a process of its own."""
    handler = logging.FileHandler(path, encoding="utf-8")
    logger = logging.getLogger("sluicegate.approvals")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _first(held: Sequence[ReviewRequest], person: Person, *, but: ReviewRequest | None) -> ReviewRequest:
    """The first that ``person`` may decide on, of another kind than ``but`` if there is one."""
    theirs = [r for r in held if able(r, [person]) and r is not but]
    other = [r for r in theirs if but is None or r.action != but.action]
    if not theirs:
        raise DemoError(f"nothing waits that {person.id} may decide on; try another --seed")
    return (other or theirs)[0]


def _vote(service: Service, request: ReviewRequest, person: Person, decision: Decision, reason: str) -> object:
    return service.vote(request.request_id, person, decision, version=request.version, reason=reason, channel="demo")


def _summary(console: Console, haul: Haul, rate: str) -> None:
    entries, requests = haul.entries(), haul.requests()
    totals = totals_by_outcome(entries)
    entities = Counter(redaction.entity for entry in entries for redaction in entry.redactions)
    outcomes = ", ".join(
        f"{totals[kind]:,} {kind}" for kind in OutcomeKind if totals[kind] or kind is not OutcomeKind.DROPPED
    )
    facts = sum(request.kind is ActionKind.FACT for request in requests.values())
    console.print(f"The engine read them at {rate}: {outcomes}.")
    asked = f"{len(requests) - facts:,} held until somebody decides, {facts:,} of what had happened already"
    console.print(f"{len(requests):,} privileged actions came up: {asked}.")
    _title(console, f"Redacted, {entities.total():,} in all")
    most = entities.most_common(ENTITIES)
    for entity, count in most:
        console.print(Text.assemble(f"  {entity:<24}{count:>7,}  ", ("━" * max(1, 30 * count // most[0][1]), "green")))
    rest = len(entities) - len(most)
    if rest > 0:
        console.print(
            Text(f"  and {rest} kinds more{sum(entities.values()) - sum(c for _, c in most):>20,}", style="dim")
        )


def _samples(console: Console, haul: Haul, activities: Sequence[Activity]) -> None:
    """Records that really went through, before and after: of each kind the one with most to see."""
    shape = {one.timestamp: one.shape for one in activities}
    raw = {record.timestamp: record.value or b"" for record in haul.activity}
    pairs: dict[str, Pair] = {}
    for record in haul.sanitized:
        kind = shape.get(record.timestamp, "")
        if kind in _SHOWN and raw[record.timestamp] != record.value:
            pair = align(raw[record.timestamp].decode(), (record.value or b"").decode("utf-8", "replace"))
            best = pairs.get(kind)
            if pair is not None and (best is None or len(pair.after_spans) > len(best.after_spans)):
                pairs[kind] = pair
    _title(console, "Before and after (people and secrets are made up)")
    for kind, words in _SHOWN.items():
        if kind in pairs:
            _show(console, words, pairs[kind])


def _show(console: Console, words: str, pair: Pair) -> None:
    room = _LINES * (console.width - _LABEL - 1) - 2
    console.print(Text(f"  {words}", style="dim"))
    _block(console, "came in", marked(excerpt(pair.before, pair.before_spans, width=room, lead=_LEAD), "bold red"))
    _block(console, "went out", marked(excerpt(pair.after, pair.after_spans, width=room, lead=_LEAD), "bold green"))


def _block(console: Console, label: str, text: Text) -> None:
    """``text`` broken at the edge of the terminal, its lines set in."""
    width = max(20, console.width - _LABEL - 1)
    for start in range(0, max(1, len(text)), width):
        name = f"  {label if not start else '':<{_LABEL - 2}}"
        console.print(Text.assemble((name, "dim"), text[start : start + width]), soft_wrap=True)


def _verdicts(console: Console, haul: Haul, decided: Decided) -> None:
    requests = haul.requests()
    _title(console, "Held, as the reviewer sees it")
    for line in whole_text(requests[decided.approved.request_id]).splitlines():
        if line:
            console.print(Text(f"  {line}"), soft_wrap=True)
    _title(console, "Decided")
    if decided.refused is not None:
        person, request, message = decided.refused
        _tell(
            console,
            "✗",
            f"{request.action} ({_id(request)}): {person.id} tried to approve it. Refused: {message}",
            "red",
        )
    for request in (decided.approved, decided.denied):
        verdict = haul.verdicts()[request.request_id]
        by = ", ".join(f"{vote.subject}: {plain(vote.reason)}" for vote in verdict.votes)
        repeats = sum(one.folded_into == request.request_id for one in haul.verdicts().values())
        tail = f"; its {repeats} repeats end with it, unreleased" if repeats else ""
        good = verdict.verdict is VerdictKind.APPROVED
        words = f"{request.action} ({_id(request)}): {verdict.verdict} by {by}{tail}"
        _tell(console, "✓" if good else "✗", words, "green" if good else "red")
    left = len(requests) - len(haul.verdicts())
    _tell(console, "…", f"{left} more wait for a person; silence denies what has not happened yet", "yellow")
    for record in haul.released():
        _title(console, "Released into the clean stream")
        for name, value in record.headers:
            _tell(console, " ", f"{name}: {(value or b'').decode('utf-8', 'replace')}", "")
        _block(console, "", Text(plain((record.value or b"").decode("utf-8", "replace"))))


def _id(request: ReviewRequest) -> str:
    return request.request_id[:ID_SHOWN]


def _title(console: Console, words: str) -> None:
    console.print(Text(f"\n{words}", style="bold"))


def _tell(console: Console, mark: str, words: str, style: str) -> None:
    """A line with a mark before it; where it is too long, the rest is set in."""
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row(Text(f"  {mark}", style=style), Text(words))
    console.print(line)
