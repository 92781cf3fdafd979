"""The demo: what it plays, what it shows, what it proves of itself, and that it leaves nothing behind."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import quote

import pytest
from rich.console import Console

from approvals.outputs import REQUEST_HEADER
from approvals.people import by_token, load_people
from benchmarks.activity import Activity, generate
from detectors.errors import ConfigError
from engine.brokers.base import BrokerUnavailable
from engine.config import load_config
from engine.ledger.codec import decode, encode
from engine.ledger.model import (
    ActionKind,
    DecisionBatch,
    DecisionEntry,
    HeldRecord,
    OutcomeKind,
    Principal,
    PrincipalRole,
    Redaction,
    Requirement,
    ReviewRequest,
    Risk,
    Verdict,
    VerdictKind,
)
from engine.records import ActivityRecord, OutputRecord, Position
from sluicegate.demo import checks
from sluicegate.demo.agents import ASK_EVERY, OPENING, Agents, Writer, partition_of
from sluicegate.demo.checks import Haul
from sluicegate.demo.folder import ACTIVITY, APPROVALS, DECISIONS, SANITIZED, Folder
from sluicegate.demo.pairs import Pair, align, excerpt
from sluicegate.demo.parts import Part, check_port, stop_all
from sluicegate.demo.screen import Guide, View, farewell, render, status_line
from sluicegate.demo.watch import Flow, Tally

SLUICEGATE = [sys.executable, "-m", "sluicegate"]
PATIENCE = 60.0  # seconds, on a machine that is busy with other tests


# --- Before and after


def shown(pair: Pair | None) -> list[tuple[str, str]]:
    assert pair is not None
    return [
        (pair.before[a:b], pair.after[c:d]) for (a, b), (c, d) in zip(pair.before_spans, pair.after_spans, strict=True)
    ]


def test_spans_of_a_pair_are_what_was_redacted_and_what_stands_there_now():
    """Each value stands beside its placeholder, in strings, within escaped JSON, and where a number was."""
    before = r'{"to":"a@b.example","args":"{\"card\":4111111111111111}","n":4111111111111111,"z":1}'
    after = r'{"to":"[EMAIL_ADDRESS]","args":"{\"card\":\"[CREDIT_CARD]\"}","n":"[CREDIT_CARD]","z":1}'
    assert shown(align(before.replace(r"\"card\":4", r"\"card\":\"4").replace('1}"', r'1\"}"'), after)) == [
        ("a@b.example", "[EMAIL_ADDRESS]"),
        ("4111111111111111", "[CREDIT_CARD]"),
        ("4111111111111111", "[CREDIT_CARD]"),
    ]


def test_a_placeholder_in_a_url_is_one():
    """Within a URL its brackets are percent-encoded."""
    assert shown(align("/c?email=a%40b.example&x=1", "/c?email=%5BEMAIL_ADDRESS%5D&x=1")) == [
        ("a%40b.example", "%5BEMAIL_ADDRESS%5D")
    ]


def test_a_placeholder_that_was_there_before_is_no_redaction():
    """What already read like a placeholder is left out of the spans."""
    assert shown(align("[NAME] wrote a@b.example", "[NAME] wrote [EMAIL_ADDRESS]")) == [
        ("a@b.example", "[EMAIL_ADDRESS]")
    ]
    assert align("[NAME] wrote", "[NAME] wrote") is None


def test_records_that_do_not_fit_are_no_pair():
    """Other records, and records without redactions, are not laid side by side."""
    assert align("one", "another [EMAIL_ADDRESS]") is None
    assert align("same", "same") is None


@pytest.mark.parametrize("width", [10, 30, 60, 500])
def test_an_excerpt_shows_the_first_redaction_within_its_width(width):
    """Whatever the width, the first span begins within it, and ellipses say where text is left out."""
    text = "x" * 100 + "SECRET" + "y" * 100
    pieces = excerpt(text, [(100, 106)], width=width, lead=4)
    inner = [p for p in pieces if p.text != "…"]
    assert "".join(p.text for p in inner) in text
    assert sum(len(p.text) for p in inner) == min(width, len(text))
    assert "SECRET".startswith(next(p.text for p in pieces if p.redacted))
    assert (pieces[0].text == "…") == (width < 206)


# --- The agents


def played(seconds: float, *, rate: float = 100.0, seed: int = 3) -> list[tuple[float, Activity]]:
    agents = Agents(seed=seed, rate=rate, start=0)
    return [(tick / 10, one) for tick in range(int(seconds * 10)) for one in agents.due(tick / 10)]


def test_agents_keep_their_rate_with_pauses():
    """Over minutes the rate is as asked for within a tenth; there are seconds of more, and of none at all."""
    when = [at for at, _ in played(900)]
    assert 90 <= len(when) / 900 <= 110
    seconds = [sum(int(at) == second for at in when) for second in range(120)]
    assert min(seconds) < 40
    assert max(seconds) > 140


def test_the_first_requests_come_at_once_and_both_reviewers_have_something_to_decide():
    """Within four seconds four requests are there; ada takes part in one of them, grace in another."""
    first = [one for at, one in played(4) if one.privileged]
    assert len(first) == len(OPENING)
    assert "grace@example.com" in first[0].identities
    assert "ada@example.com" in first[1].identities
    assert not any({"ada@example.com", "grace@example.com"} <= set(one.identities) for one in first)


def test_later_requests_come_now_and_then():
    """After the first few, different requests are some ten seconds apart; only an agent that loops is faster."""
    asks = [(at, one) for at, one in played(600) if one.privileged and at > 5]
    bodies: dict[bytes, float] = {}
    for at, one in asks:
        bodies.setdefault(one.key + one.value[31:], at)
    gaps = [b - a for a, b in zip(list(bodies.values()), list(bodies.values())[1:], strict=False)]
    assert min(gaps) >= ASK_EVERY[0] - 0.2
    assert 25 <= len(bodies) <= 70
    assert len(asks) > len(bodies)


def test_a_seed_plays_the_same_records():
    """Two runs with one seed do not differ; another seed does."""
    assert played(20) == played(20)
    assert played(20) != played(20, seed=4)


def test_sleep_is_not_made_up_for():
    """After a minute in which the machine slept no flood comes."""
    agents = Agents(seed=3, rate=100, start=0)
    agents.due(0.0)
    assert len(agents.due(60.0)) < 200


class Log:
    """A broker that only takes records, and not while it is ``busy``."""

    def __init__(self) -> None:
        self.records: list[OutputRecord] = []
        self.busy = False

    def append(self, records: list[OutputRecord]) -> None:
        if self.busy:
            raise BrokerUnavailable("locked")
        self.records += records


def test_writer_waits_for_a_busy_log_and_loses_nothing():
    """What could not be written goes with the next records, in order and once."""
    log = Log()
    writer = Writer(log)  # type: ignore[arg-type]
    activities = list(generate(1, 30))
    log.busy = True
    writer.write(activities[:10], 1_000)
    assert not log.records
    log.busy = False
    writer.write(activities[10:], 1_000)
    assert [record.key for record in log.records] == [one.key for one in activities]


def test_writer_gives_each_record_of_a_partition_a_time_of_its_own():
    """Records written in one millisecond can still be told apart, and found again."""
    log = Log()
    writer = Writer(log)  # type: ignore[arg-type]
    writer.write(list(generate(1, 200)), 1_700_000_000_000)
    assert len({(record.partition, record.timestamp) for record in log.records}) == 200
    for record in log.records:
        assert writer.raw(record.partition, record.timestamp or 0) == record.value
        assert record.partition == partition_of(record.key or b"")
        document = json.loads(record.value or b"")
        assert document.get("ts", "2023-11-14T22:13:20").startswith("2023-11-14T22:13:20")


# --- What is counted and shown

PEOPLE_YAML = """
people:
  - {id: ada, name: Ada L, groups: [local:approvers], identities: ['local:ada@example.com']}
  - {id: grace, name: Grace O, groups: [local:approvers], identities: ['local:grace@example.com']}
"""


def a_request(name: str, *, likeness: str = "", owner: str = "linus@example.com", created: int = 1) -> ReviewRequest:
    position = Position(ACTIVITY, 0, created)
    return ReviewRequest(
        request_id=f"req_{name}",
        version=1,
        kind=ActionKind.PROPOSAL,
        position=position,
        created=created,
        expires=10_000,
        action="db.export",
        resource="postgres://prod/\x1b[31mcustomers",
        environment="prod",
        reason="",
        params="{}",
        principals=(
            Principal(PrincipalRole.INITIATOR, "local", "etl-7"),
            Principal(PrincipalRole.OWNER, "local", owner),
        ),
        rule_id="data-export",
        rule_reason="Data leaves in bulk.",
        risk=Risk.HIGH,
        requirement=Requirement(("local:approvers",), (), 1),
        policy="sha256:0",
        nonce="n",
        binding="b",
        view_digest="v",
        likeness=likeness or name,
        redactions=(),
        held=HeldRecord(SANITIZED, 0, b"k", b'{"held":true}', (), 1),
    )


def a_verdict(request: ReviewRequest, kind: VerdictKind) -> Verdict:
    return Verdict(
        request_id=request.request_id,
        version=1,
        verdict=kind,
        position=request.position,
        decided=2,
        reason="",
        votes=(),
        policy="sha256:0",
        binding="b",
        view_digest="v",
        released=kind is VerdictKind.APPROVED,
    )


def a_record(topic: str, value: bytes, *, offset: int = 0, timestamp: int = 0, headers: tuple = ()) -> ActivityRecord:
    return ActivityRecord(Position(topic, 0, offset), b"k", value, headers, timestamp)


def entry(outcome: OutcomeKind, first: int, last: int, redactions: tuple[Redaction, ...] = ()) -> DecisionEntry:
    return DecisionEntry(outcome, ACTIVITY, 0, first, last, last - first + 1, redactions)


def a_batch(*entries: DecisionEntry) -> ActivityRecord:
    return a_record(DECISIONS, encode(DecisionBatch("sha256:0", "demo", 1, entries)))


EMAIL = Redaction("to", 0, 5, "email-address", "EMAIL_ADDRESS", "replace", 0.9)


def a_tally() -> Tally:
    tally = Tally()
    first, again, other, mine = (
        a_request("aaaaaaaa", likeness="x", created=1),
        a_request("bbbbbbbb", likeness="x", created=2),
        a_request("cccccccc", created=3),
        a_request("dddddddd", owner="ada@example.com", created=4),
    )
    for request in (other, again, first, mine):
        tally.add(a_record(APPROVALS, encode(request)))
    tally.add(a_batch(entry(OutcomeKind.CLEAN, 0, 9), entry(OutcomeKind.REDACTED, 10, 10, (EMAIL, EMAIL))))
    return tally


def test_repeats_wait_as_one():
    """A request that is asked again waits once, as the first of its kind; once decided it waits no longer."""
    tally = a_tally()
    assert [request.request_id for request in tally.waiting()] == ["req_aaaaaaaa", "req_cccccccc", "req_dddddddd"]
    assert tally.repeats() == 1
    for name, kind in (("aaaaaaaa", VerdictKind.APPROVED), ("bbbbbbbb", VerdictKind.FOLDED)):
        tally.add(a_record(DECISIONS, encode(a_verdict(tally.requests[f"req_{name}"], kind))))
    assert [request.request_id for request in tally.waiting()] == ["req_cccccccc", "req_dddddddd"]
    assert tally.repeats() == 0
    assert tally.count_verdicts(VerdictKind.APPROVED) == 1
    assert tally.accounted == 11
    assert tally.entities == {"EMAIL_ADDRESS": 2}


@pytest.fixture
def view(tmp_path) -> View:
    (tmp_path / "people.yaml").write_text(PEOPLE_YAML)
    return View(
        tally=a_tally(),
        flow=Flow(12, 300.0, 1),
        rates=(100.0, 300.0, 0.0),
        pair=align("mail to a@b.example, \x1b]0;x\x07 please", "mail to [EMAIL_ADDRESS], \x1b]0;x\x07 please"),
        people=list(load_people(tmp_path / "people.yaml").values()),
        guide=Guide(
            "http://127.0.0.1:8787", ".venv/bin/sluicegate", ("export SLUICEGATE_TOKEN=$(cat .demo/ada.token)",)
        ),
        seconds=75.0,
    )


def drawn(view: View, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, highlight=False, emoji=False)
    console.print(render(view, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n").splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (120, 30), (200, 60)])
def test_the_screen_fits(view, width, height):
    """At 80 by 24 and above, nothing is beyond the edge and every command is there in full."""
    lines = drawn(view, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert '.venv/bin/sluicegate approvals approve req_aaaaaa --reason "checked"' in text
    assert "export SLUICEGATE_TOKEN=$(cat .demo/ada.token)" in text
    assert "Ctrl-C stops everything" in text
    assert "made up" in text


def test_a_command_that_is_too_long_is_wrapped_and_not_cut(view):
    """Whoever calls the program by a long path still finds all of it on the screen."""
    command = f"/home/{'somebody/' * 6}sluicegate"
    lines = drawn(replace(view, guide=view.guide._replace(command=command)), 80, 24)
    assert len(lines) <= 24
    assert f'{command} approvals approve req_aaaaaa --reason "checked"' in " ".join(" ".join(lines).split())


def test_the_screen_shows_what_is_known(view):
    """Counts, who may decide on what waits, and the last record before and after, without what moves a cursor."""
    lines = drawn(view, 80, 24)
    assert any(re.match(r"clean +10 +90\.9 %", line) for line in lines)
    assert any("3 waiting for a person (+1 repeats)" in line for line in lines)
    assert any(
        line.startswith("  req_dddddd  etl-7 wants db.export") and line.endswith("Ada ✗  Grace ✓") for line in lines
    )
    assert any(line.startswith("came in   mail to a@b.example") for line in lines)
    assert any(line.startswith("went out  mail to [EMAIL_ADDRESS]") for line in lines)
    assert "\x1b" not in "".join(lines)


def test_a_small_screen_gives_up_the_list_first(view):
    """Where there is hardly room, nothing fails and a request is still shown."""
    assert any("req_" in line for line in drawn(view, 50, 12))


def test_without_a_screen_all_stands_in_one_line(view):
    """One line holds the counts; so do the last words."""
    line = status_line(view)
    assert "\n" not in line
    for part in ("1:15", "12 records", "10 clean", "1 redacted", "3 waiting", "EMAIL_ADDRESS 2", "1 behind"):
        assert part in line
    assert "12 records in 1:15" in farewell(view)[0]


# --- What it proves of itself


def a_haul() -> tuple[Haul, list[Activity]]:
    """Three records: one clean, one redacted, one held, approved and released; and one that is denied."""
    texts = (b'{"a":1}', b'{"to":"ann@example.org"}', b'{"held":"bob@example.org"}', b'{"denied":2}')
    activities = [
        Activity(text, b"k", number, "chat", "ticket", number > 1, planted, ("email",) * len(planted), ())
        for number, (text, planted) in enumerate(
            zip(texts, ((), ("ann@example.org",), ("bob@example.org",), ()), strict=True)
        )
    ]
    good, bad = a_request("good"), a_request("bad", created=3)
    held = replace(good, held=HeldRecord(SANITIZED, 0, b"k", b'{"held":"[EMAIL_ADDRESS]"}', (), 2))
    released = a_record(
        SANITIZED,
        b'{"held":"[EMAIL_ADDRESS]"}',
        timestamp=2,
        headers=((REQUEST_HEADER, b"req_good"), ("sluicegate-released", b"approved")),
    )
    entries = [
        entry(OutcomeKind.CLEAN, 0, 0),
        entry(OutcomeKind.REDACTED, 1, 1, (EMAIL,)),
        entry(OutcomeKind.HELD, 2, 2),
        entry(OutcomeKind.HELD, 3, 3),
    ]
    verdicts = [a_verdict(good, VerdictKind.APPROVED), a_verdict(bad, VerdictKind.DENIED)]
    return Haul(
        activity=[a_record(ACTIVITY, text, offset=n, timestamp=n) for n, text in enumerate(texts)],
        sanitized=[
            a_record(SANITIZED, texts[0]),
            a_record(SANITIZED, b'{"to":"[EMAIL_ADDRESS]"}', timestamp=1),
            released,
        ],
        approvals=[a_record(APPROVALS, encode(held)), a_record(APPROVALS, encode(bad))],
        decisions=[a_batch(*entries), *(a_record(DECISIONS, encode(v, "json")) for v in verdicts)],
        quarantine=[],
    ), activities


def failures(haul: Haul, activities: list[Activity]) -> list[int]:
    return [number for number, check in enumerate(checks.check_all(haul, activities)) if not check.holds]


def test_a_stream_that_is_right_passes_every_check():
    """Nothing is found wrong where nothing is."""
    assert failures(*a_haul()) == []


def without(haul: Haul, topic: str, index: int) -> Haul:
    records = list(getattr(haul, topic))
    del records[index]
    return haul._replace(**{topic: records})


def with_value(haul: Haul, topic: str, index: int, value: bytes) -> Haul:
    records = list(getattr(haul, topic))
    records[index] = records[index]._replace(value=value)
    return haul._replace(**{topic: records})


ANN = "ann@example.org"
FAULTS: dict[str, tuple[int, Callable[[Haul], Haul]]] = {
    "a record without an outcome": (0, lambda haul: haul._replace(activity=[*haul.activity, a_record(ACTIVITY, b"{}", offset=4)])),
    "a record that is missing": (1, lambda haul: without(haul, "sanitized", 0)),
    "a clean record that changed": (1, lambda haul: with_value(haul, "sanitized", 0, b'{"a":2}')),
    "a record that is no JSON any more": (1, lambda haul: with_value(haul, "sanitized", 1, b'{"to":[EMAIL_ADDRESS]}')),
    "a value that came out": (2, lambda haul: with_value(haul, "sanitized", 1, b'{"to":"%s"}' % ANN.encode())),
    "a value that came out escaped": (
        2,
        lambda haul: with_value(haul, "sanitized", 1, b'{"to":"%s"}' % ANN.replace("@", "\\u0040").encode()),
    ),
    "a value that came out percent-encoded": (
        2,
        lambda haul: with_value(haul, "sanitized", 1, b'{"to":"/?q=%s"}' % quote(ANN).encode()),
    ),
    "a value that came out in base64": (
        2,
        lambda haul: with_value(haul, "sanitized", 1, b'{"to":"%s"}' % base64.b64encode(b"to: " + ANN.encode())),
    ),
    "a value in a request": (2, lambda haul: with_value(haul, "approvals", 1, encode(replace(a_request("bad"), reason=ANN)))),
    "an approved record that is not there": (3, lambda haul: without(haul, "sanitized", 2)),
    "a denied record that went out": (3, lambda haul: haul._replace(decisions=[
        haul.decisions[0],
        *(a_record(DECISIONS, encode(a_verdict(a_request(name), VerdictKind.DENIED))) for name in ("good", "bad")),
    ])),
    "a release that is not what was reviewed": (3, lambda haul: with_value(haul, "sanitized", 2, b'{"held":"other"}')),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_by_its_check(fault):
    """Whatever is wrong with the stream, the check that is there for it fails."""
    check, spoil = FAULTS[fault]
    haul, activities = a_haul()
    assert check in failures(spoil(haul), activities)


# --- The folder


def test_the_folder_holds_what_the_parts_need_and_nobody_else_can_read_it(tmp_path):
    """Configuration and people are valid; tokens are those of the people; all is for the owner alone."""
    folder = Folder(tmp_path / "demo")
    with folder.opened(keep=False):
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        for file in folder.path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        config = load_config(folder.config)
        assert len(config.binding_key()) == 32
        assert config.file.topics[0].activity == ACTIVITY
        people = load_people(folder.people)
        for person in people.values():
            assert by_token(people.values(), folder.token(person.id).read_text().strip()) is person
        assert (folder.path / ".gitignore").read_text() == "*\n"


def test_a_start_empties_the_folder_unless_it_is_to_be_kept(tmp_path):
    """A new start has new keys and no old log; with ``keep`` both stay."""
    folder = Folder(tmp_path / "demo")
    with folder.opened(keep=False):
        key = (folder.path / "binding.key").read_text()
        (folder.path / "state").mkdir()
        (folder.path / "state" / "old").touch()
    with folder.opened(keep=True):
        assert (folder.path / "binding.key").read_text() == key
        assert (folder.path / "state" / "old").exists()
    with folder.opened(keep=False):
        assert (folder.path / "binding.key").read_text() != key
        assert not (folder.path / "state").exists()


def test_only_a_folder_of_a_demo_is_emptied(tmp_path):
    """A folder with other files, a file and a link are refused, and nothing in them is touched."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("years of work")
    (tmp_path / "link").symlink_to(theirs)
    for path in (theirs, tmp_path / "link", theirs / "thesis.tex"):
        with pytest.raises(ConfigError, match="--dir"), Folder(path).opened(keep=False):
            pass
    assert [file.name for file in theirs.iterdir()] == ["thesis.tex"]


def test_two_demos_do_not_share_a_folder(tmp_path):
    """The second is told so; the first goes on."""
    folder = Folder(tmp_path / "demo")
    with folder.opened(keep=False):
        with pytest.raises(ConfigError, match="another demo runs in"), Folder(folder.path).opened(keep=False):
            pass
        assert folder.config.exists()


# --- The processes


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_part_that_fails_says_why(tmp_path):
    """Its exit code and the end of what it said are in the message."""
    part = Part("engine", ["run", "-c", str(tmp_path / "none.yaml")], tmp_path / "engine.log")
    try:
        assert part.wait(PATIENCE) == 2
        assert "the engine ended with exit code 2" in str(part.complaint())
        assert "none.yaml" in str(part.complaint())
    finally:
        stop_all([part])


def test_a_port_in_use_is_named():
    """Before anything is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} is in use; name another with --port"):
            check_port(port)
    check_port(port)


class Running:
    """A live demo without a terminal."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[str], out: IO[str]) -> None:
        self.folder, self.port, self.process, self._out = folder, port, process, out

    def said(self) -> str:
        self._out.seek(0)
        return self._out.read()

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def approvals(self, *arguments: str, person: str = "ada") -> subprocess.CompletedProcess[str]:
        more = ["--url", f"http://127.0.0.1:{self.port}", "--token-file", str(self.folder / f"{person}.token")]
        return subprocess.run(
            [*SLUICEGATE, "approvals", *arguments, *more], capture_output=True, text=True, check=False
        )


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """A demo that plays, with something that waits for a person."""
    port = a_port()
    command = [*SLUICEGATE, "demo", "--port", str(port), "--rate", "50", "--dir", str(folder)]
    with (folder.parent / "out.txt").open("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True)
        demo = Running(folder, port, process, out)
        try:
            until(lambda: re.search(r"[1-9]\d* waiting", demo.said()) or process.poll() is not None, demo.said())
            assert process.poll() is None, demo.said()
            yield demo
        finally:
            process.kill()
            process.wait()


def test_people_decide_while_it_plays_and_ctrl_c_ends_all_of_it(tmp_path):
    """What waits can be approved from a terminal, not by whoever takes part; Ctrl-C then leaves no process."""
    with running(tmp_path / "demo") as demo:
        listed = demo.approvals("list", "--json").stdout.splitlines()
        requests = [json.loads(line) for line in listed]
        mine = next(request for request in requests if not request["can_decide"])
        refused = demo.approvals("approve", mine["request_id"], "--reason", "it is mine")
        assert refused.returncode == 1
        assert "cannot decide" in refused.stderr
        theirs = next(request for request in requests if request["can_decide"])
        approved = demo.approvals("approve", theirs["request_id"], "--reason", "checked")
        assert approved.returncode == 0, approved.stderr
        until(lambda: "1 approved" in demo.said(), "the verdict is counted")

        children = demo.children()
        assert len(children) == 2
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(PATIENCE) == 0
        assert not any(alive(pid) for pid in children)
        assert "Traceback" not in demo.said()
        assert "goes on from here" in demo.said()
        assert "Traceback" not in (demo.folder / "engine.log").read_text()


@pytest.mark.parametrize("how", ["terminated", "engine killed", "killed"])
def test_however_it_ends_nothing_stays_behind(tmp_path, how):
    """SIGTERM is a normal end; a part that dies is named, with exit code 1; a killed demo takes its parts along."""
    with running(tmp_path / "demo") as demo:
        children = demo.children()
        if how == "engine killed":
            os.kill(children[0], signal.SIGKILL)
        else:
            demo.process.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGKILL)
        code = demo.process.wait(PATIENCE)
        assert code == {"terminated": 0, "engine killed": 1, "killed": -signal.SIGKILL}[how], demo.said()
        until(lambda: not any(alive(pid) for pid in children), "the parts are gone")
        if how == "engine killed":
            assert "the engine ended with exit code -9; the last it said" in demo.said()
            assert "Traceback" not in demo.said()


def test_a_port_in_use_stops_the_start_before_it_began(tmp_path):
    """One line, exit code 2, and no folder."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [*SLUICEGATE, "demo", "--port", str(taken.getsockname()[1]), "--dir", str(tmp_path / "demo")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"sluicegate: port \d+ is in use; name another with --port\n", done.stderr)
    assert not (tmp_path / "demo").exists()


# --- The finite demo


def test_the_finite_demo_decides_checks_and_sums_up(tmp_path):
    """It exits with 0, shows a release, a denial and a refusal, and what it says holds in its log."""
    command = [*SLUICEGATE, "demo", "--once", "--dir", str(tmp_path / "demo")]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "80"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert time.monotonic() - started < PATIENCE
    assert "4,000 records in, 4,000 outcomes, one for each" in done.stdout
    assert "1 approved and released, once; 1 denied and not released" in done.stdout
    assert "Refused:" in done.stdout
    assert "sluicegate-released: approved" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    from engine.brokers import open_broker
    from sluicegate.demo.once import read_all

    with open_broker(Folder(tmp_path / "demo").broker_url) as broker:
        haul = read_all(broker)
    assert [r.value for r in haul.activity if r.position.partition == 0] == [
        one.value for one in generate(3, 4000) if partition_of(one.key) == 0
    ]
    assert sorted(v.verdict for v in haul.verdicts().values() if v.verdict is not VerdictKind.FOLDED) == [
        "approved",
        "denied",
    ]
    assert all(isinstance(decode(record.value or b""), ReviewRequest) for record in haul.approvals)


def test_once_does_not_go_on_with_an_old_log(tmp_path):
    """``--once --keep`` is refused, since its sums would not be its own."""
    command = [*SLUICEGATE, "demo", "--once", "--keep", "--dir", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--keep" in done.stderr
