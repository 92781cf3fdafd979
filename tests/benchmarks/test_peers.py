"""Peers: the form in which one talks to them, the rules they are given, and what is said of those that are missing."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora import Corpus
from benchmarks.peers.build import build, packages
from benchmarks.peers.known import PEERS, NotInstalled, Peer
from benchmarks.peers.program import PeerFailed, Program, read_corpus, write_corpus
from benchmarks.peers.published import PeerRule, dozen, portable, write_peer_rules, write_policy
from benchmarks.peers.python.harness import replaced
from benchmarks.peers.rates import Effect, json_records
from benchmarks.quality.labels import Labels
from benchmarks.quality.rows import read
from engine.policy import load_policy

ROOT = Path(__file__).parents[2]

FAKE = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from benchmarks.peers.program import read_corpus
behaviour = {behaviour!r}
rules, corpus, form = sys.argv[1:]
if behaviour == "dies at once":
    sys.exit("no such rule")
records = read_corpus(Path(corpus))
print(json.dumps(dict(tool="fake 1.0", rules=len(json.loads(Path(rules).read_text())), refused=["x: why"])), flush=True)
for line in sys.stdin:
    what, count, rest = line.split(" ", 2)
    some = records[: int(count)]
    if behaviour == "dies later":
        sys.exit(repr(some))
    if behaviour == "is silent":
        time.sleep(60)
    if behaviour == "babbles":
        print("what?", flush=True)
    elif what == "run":
        print(json.dumps(dict(records=len(some), bytes=1, seconds=0.25 * int(rest), failed=1)), flush=True)
    else:
        with open(rest.strip(), "wb") as file:
            for record in some:
                value = record.replace(b"secret", b"[redacted]")
                file.write(b"\\xff" * 4 if b"bad" in record else len(value).to_bytes(4, "little") + value)
        print("{{}}", flush=True)
"""


@pytest.fixture
def start(tmp_path: Path):
    """Starts a program of a few lines that speaks like a peer, over three records."""
    write_peer_rules(tmp_path / "rules.json", dozen())
    write_corpus(tmp_path / "corpus", [b'{"a": "secret"}', b"bad", b"\n"])

    def started(behaviour: str = "", **limits: float) -> Program:
        (tmp_path / "fake.py").write_text(FAKE.format(root=str(ROOT), behaviour=behaviour))
        command = [sys.executable, tmp_path / "fake.py"]
        return Program(command, tmp_path / "rules.json", tmp_path / "corpus", "json", **limits)

    return started


@given(st.lists(st.binary(max_size=50)))
def test_a_corpus_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    """Whatever bytes its records hold."""
    path = tmp_path_factory.mktemp("corpus") / "corpus"
    write_corpus(path, records)
    assert read_corpus(path) == records


@pytest.mark.parametrize("data", [b"\x01", b"\x03\0\0\0ab"])
def test_a_corpus_cut_short_is_none(tmp_path: Path, data: bytes) -> None:
    """Half a length, half a record."""
    (tmp_path / "corpus").write_bytes(data)
    with pytest.raises(ValueError, match="cut short"):
        read_corpus(tmp_path / "corpus")


def test_a_peer_tells_its_name_its_time_and_what_it_made(start, tmp_path: Path) -> None:
    """And which records it failed on."""
    with start() as program:
        assert (program.tool, program.rules, program.refused) == ("fake 1.0", 12, ["x: why"])
        worked = program.run(2, passes=4)
        assert (worked.seconds, worked.failed) == (1.0, 1)
        assert worked.cpu is None or 0 <= worked.cpu < 60
        assert program.write(3, tmp_path / "out") == [b'{"a": "[redacted]"}', None, b"\n"]
        assert program.write(1, tmp_path / "out") == [b'{"a": "[redacted]"}']


def test_a_peer_that_cannot_load_says_why(start) -> None:
    """With the last line that it wrote to stderr."""
    with pytest.raises(PeerFailed, match=r"ended \(1\): no such rule"):
        start("dies at once")


def test_what_a_dying_peer_says_of_records_is_not_repeated(start) -> None:
    """It may hold one."""
    with start("dies later") as program, pytest.raises(PeerFailed) as raised:
        program.run(1)
    assert "ended (1)" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_silent_peer_is_given_up(start) -> None:
    """After its time."""
    with start("is silent", answer=0.2) as program, pytest.raises(PeerFailed, match="not answered"):
        program.run(1)


def test_a_peer_that_babbles_fails(start) -> None:
    """A line that is not JSON."""
    with start("babbles") as program, pytest.raises(PeerFailed, match="nobody can read"):
        program.run(1)


def test_a_program_that_is_not_there_fails(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(PeerFailed, match="no such file"):
        Program([tmp_path / "none"], tmp_path, tmp_path, "json")


# -- rules

FOUND = {
    "email": "to <jane.doe@mail.example.co.uk>",
    "card": "card 4111 1111 1111 1111.",
    "us-ssn": "ssn 536-22-6780",
    "ip-address": "from 203.0.113.250:80",
    "phone": "call (212) 555-0134 now",
    "iban": "iban GB29 NWBK 6016 1331 9268 19",
    "aws-access-key": "AKIAIOSFODNN7EXAMPLE",
    "github-token": "ghp_" + "a1B2" * 9,
    "bearer": "Authorization: Bearer abcdefghijklmnop.qrs",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
    "secret-assignment": '"api_key": "abcdefgh12345"',
    "url-userinfo": "postgres://user:pa55word@db/x",
}


@pytest.mark.parametrize("rule", dozen(), ids=lambda rule: rule.id)
def test_each_rule_of_the_dozen_finds_what_it_names(rule: PeerRule) -> None:
    """And nothing in a plain line."""
    assert re2.search(rule.pattern, FOUND[rule.id])
    assert not re2.search(rule.pattern, "2024-05-01T12:30:11Z worker 7 moved 1234 rows to shard-12, no token needed")


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?i)b",
        "x|a(?i)b|c",
        r"(x(?i)[a)]|y)z",
        r"(?i)q\(w(?:e(?i)r)t",
        r"p-(?i)[a-z0-9]{3}\b(?:[\x60'\"\s;]|$)",
        r"[[:alnum:]]{2}\z",
        r"[^]a](?i)b",
    ],
)
def test_flags_within_a_pattern_are_spelled_for_all(pattern: str) -> None:
    """The same matches as where they may stand anywhere, in an engine that reads both."""
    other = portable(pattern)
    assert "(?i)" not in other
    for size in range(5):
        for letters in itertools.product("aBbcXzq(", repeat=size):
            text = "".join(letters)
            assert [m.span() for m in re2.finditer(pattern, text)] == [m.span() for m in re2.finditer(other, text)]


def test_the_same_rules_make_a_policy_of_ours(tmp_path: Path) -> None:
    """What we cannot read is named."""
    path, refused = write_policy(tmp_path, [*dozen(), PeerRule("odd", "a(?=b)")])
    assert refused == ["odd"]
    assert len(load_policy(path, prove=False).detector.rules) == 12


# -- the page on peers


def test_each_peer_is_documented() -> None:
    """What it is given, and how it reads a record."""
    text = (ROOT / "docs" / "peers.md").read_text()
    assert [peer.name for peer in PEERS if not re.search(rf"^\|[^|]*\b{peer.name}\b", text, re.MULTILINE)] == []


def test_the_labels_file_in_the_docs_is_one(tmp_path: Path) -> None:
    """As shown; and so is the row."""
    text = (ROOT / "docs" / "peers.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "labels.yaml").write_text(example)
    assert Labels.read(tmp_path / "labels.yaml").family("iban") == "financial"
    [row] = re.findall(r'`(\{"text".*?\})`', text)
    (tmp_path / "rows.ndjson").write_text(row)
    [labelled] = read(tmp_path / "rows.ndjson").rows
    assert [labelled.text[start:end] for start, end, _ in labelled.spans or ()] == ["ann@example.org"]


# -- what is compared


def test_records_are_made_json_and_shuffled() -> None:
    """The same way for a seed; nothing is lost."""
    corpus = Corpus("c", tuple([b'{"n": %d}' % n for n in range(20)] + [b"plain \xff"]), "")
    made = json_records(corpus, 1)
    assert made == json_records(corpus, 1)
    assert sorted(made.records) == sorted([*corpus.records[:20], '{"message":"plain \ufffd"}'.encode()])
    assert made.records[:20] != corpus.records[:20]


def test_how_json_is_written_is_no_change() -> None:
    """Key order, spaces and escapes are not; a value is."""
    before = [b'{"a": 1, "b": "\\u0041"}', b'{"a": 1}', b"[1]", b"[2]"]
    effect = Effect.of(before, [b'{"b":"A","a":1}', b'{"a":"[x]"}', None, b"not json"])
    assert effect == Effect(4, 2, 1)
    assert str(effect) == "changes 50.0%, fails on 25.0%"


def test_overlapping_findings_are_replaced_once() -> None:
    """By the kind of the first."""
    assert replaced("abcdefgh", [(1, 3, "x"), (2, 5, "long kind"), (6, 7, "y")]) == "a[X]f[Y]h"


# -- what is not there


def test_each_missing_peer_says_how_to_have_it(tmp_path: Path) -> None:
    """In its row; the rest is measured."""
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    only = [argument for peer in PEERS if peer.language != "python" for argument in ("--only", peer.name)]
    command = [sys.executable, "-m", "sluicegate", "bench", "peers", "--records", "40", "--repetitions", "1", "--json"]
    done = subprocess.run([*command, *only], env=environ, capture_output=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    assert found["core"]["records_per_s"] > 0
    assert found["peers"].keys() == {peer.name for peer in PEERS if peer.language != "python"}
    assert all("sluicegate bench peers --build" in row["skipped"] for row in found["peers"].values())


def test_a_missing_package_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And names both ways to have it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(NotInstalled, match=r"--build.*sluicegate\[peers\]"):
        Peer("none", "", "python", "none", "", "no_such_package").command()


def test_without_compilers_each_part_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None keeps the others from being tried."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    parts = dict(itertools.islice(build(), 5))  # what comes after needs no compiler, but a network
    assert parts.keys() == {"sds (rust)", "vrl (rust)", "otel (go)", "gitleaks (go)", "gitleaks' rules"}
    assert all("is not installed: install" in str(error) for error in parts.values())


def test_python_peers_are_those_of_the_extra() -> None:
    """Each that is run is asked for, in an exact version."""
    asked = {one.partition("==")[0] for one in packages() if "==" in one}
    assert asked >= {"datafog", "detect-secrets", "presidio-analyzer", "pyvrl", "scrubadub", "sentry-relay"}


def test_a_build_that_fails_tells_where_to_read_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the first error that the compiler named."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "go").write_text("#!/bin/sh\necho 'go: downloading' >&2; echo 'main.go:3: an error' >&2; exit 1\n")
    (tmp_path / "go").chmod(0o755)
    _, error = next(build())
    log = tmp_path / "cache" / "sluicegate" / "peers" / "go-gitleaks.log"
    assert error == f"go failed: main.go:3: an error; see {log}"
    assert "downloading" in log.read_text()


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_peer_that_is_here_works(peer: Peer, tmp_path: Path) -> None:
    """It redacts an e-mail address in JSON and in text; gitleaks, which looks for secrets, a token."""
    try:
        command = peer.command()
    except NotInstalled as error:
        pytest.skip(f"{peer.name} is {error}")
    token = "ghp_" + "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=36))
    secret = token if peer.rules != "12 rules" else "jane.doe@example.org"
    if peer.package in {"presidio_analyzer", "datafog", "scrubadub", "sentry_relay"}:
        secret = "jane.doe@example.org"
    rules = [PeerRule("github-pat", r"ghp_[0-9a-zA-Z]{36}")] if peer.rules == "published rules" else dozen()
    write_peer_rules(tmp_path / "rules.json", rules)
    texts = [f"token: '{secret}' sent", "nothing here"]
    for form in ("json", "text"):
        records = [json.dumps({"message": text}).encode() if form == "json" else text.encode() for text in texts]
        write_corpus(tmp_path / "corpus", records)
        with Program(command, tmp_path / "rules.json", tmp_path / "corpus", form) as program:
            changed, same = program.write(2, tmp_path / "out")
            assert program.run(2, 3).failed == 0
        assert changed is not None
        assert secret.encode() not in changed
        assert b"nothing here" in (same or b"")
