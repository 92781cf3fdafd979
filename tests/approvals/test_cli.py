"""`sluicegate approvals`, against a service in a process of its own, which is also killed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from approval_makers import APPROVALS, DECISIONS, NOW, SANITIZED, principal, request
from click.testing import CliRunner

from approvals.people import hash_token, new_token
from approvals.server import now_ms
from engine.brokers import open_broker
from engine.brokers.base import TopicSpec
from engine.ledger.codec import decode, encode
from engine.ledger.model import Verdict, VerdictKind
from engine.records import OutputRecord
from sluicegate.commands.approvals import approvals

TOKENS = {name: new_token() for name in ("ada", "grace")}
PEOPLE = f"""
people:
  - {{id: ada, name: Ada, groups: ["local:security"], token_hash: "{hash_token(TOKENS["ada"])}"}}
  - {{id: grace, name: Grace, groups: ["local:security"], token_hash: "{hash_token(TOKENS["grace"])}"}}
"""
CONFIG = """
broker: embedded:log.db
topics: [{activity: activity}]
binding_key: {env: SLUICEGATE_TEST_KEY}
"""


class Deployment:
    """A service on files in a folder, in its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "people.yaml").write_text(PEOPLE)
        (folder / "sluicegate.yaml").write_text(CONFIG)
        self.broker = open_broker(f"embedded:{folder / 'log.db'}")
        self.broker.create_topics([TopicSpec(topic, 1) for topic in (APPROVALS, DECISIONS, SANITIZED)])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "sluicegate", "approvals", "serve", "-c", "sluicegate.yaml"]
        command += ["--people", "people.yaml", "--port", str(self.port)]
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stderr=log, stdout=log, env={**os.environ, "SLUICEGATE_TEST_KEY": "ab" * 32}
            )
        self.until(self.healthy)

    def healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "service.log").read_text()
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def until(self, condition: Callable[[], bool], seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.folder / "service.log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def put(self, *requests) -> None:
        shift = now_ms() - NOW
        self.broker.append(
            OutputRecord(APPROVALS, 0, None, encode(replace(r, created=r.created + shift, expires=r.expires + shift)))
            for r in requests
        )

    def waiting(self) -> list[str]:
        headers = {"authorization": f"Bearer {TOKENS['ada']}"}
        answer = httpx.get(f"{self.url}/v1/requests", headers=headers, timeout=5, trust_env=False)
        return [one["request_id"] for one in answer.json()["requests"]]

    def records(self, topic: str):
        reader = self.broker.reader([topic])
        found = []
        while batch := reader.poll(1000, 0):
            found += batch
        reader.close()
        return found

    def verdicts(self) -> list[Verdict]:
        decoded = [decode(record.value or b"") for record in self.records(DECISIONS)]
        return [one for one in decoded if isinstance(one, Verdict)]


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("service"))
    deployment.start()
    yield deployment
    assert deployment.process is not None
    deployment.process.terminate()
    assert deployment.process.wait(15) == 0
    assert "Traceback" not in (deployment.folder / "service.log").read_text()
    deployment.broker.close()


@pytest.fixture
def run(service):
    def invoke(*arguments: str, who: str | None = "ada"):
        environment = {"SLUICEGATE_URL": service.url, "SLUICEGATE_TOKEN": TOKENS[who] if who else ""}
        return CliRunner().invoke(approvals, list(arguments), env=environment)

    return invoke


def arrive(service, *requests):
    service.put(*requests)
    service.until(lambda: {r.request_id for r in requests} <= set(service.waiting()))


def test_list_show_approve(service, run):
    """From the list to the verdict in the log, with the beginning of an id."""
    arrive(service, request("11aa22bb33cc"))
    listed = run("list")
    assert re.search(r"11aa22bb33cc  medium    1[45]:\d\d you can +pending, 0 of 1 approvals", listed.stdout)
    assert "agent:etl-7 wants to run export_table on customers in production" in listed.stdout
    assert json.loads(run("list", "--json").stdout.splitlines()[0])["request_id"] == "11aa22bb33cc"
    shown = run("show", "11aa").stdout
    assert "rows = 41000" in shown
    assert "silence is a denial" in shown
    assert json.loads(run("show", "11aa", "--json").stdout)["version"] == 1
    assert run("approve", "11aa").stdout == "11aa22bb33cc  approved by ada\n"
    service.until(lambda: "11aa22bb33cc" in {v.request_id for v in service.verdicts()})
    (verdict,) = [v for v in service.verdicts() if v.request_id == "11aa22bb33cc"]
    assert (verdict.verdict, verdict.votes[0].channel) == (VerdictKind.APPROVED, "cli")
    again = run("deny", "11aa", "--reason", "late", who="grace")
    assert (again.exit_code, again.stderr) == (1, "sluicegate: it was approved already\n")


def test_ask_answer_withdraw(service, run):
    """A question waits for its answer, which makes a new version; whoever takes part may take it back."""
    arrive(service, request("77aa", principals=(principal("agent:x"), principal("local:grace"))))
    assert "clarification asked" in run("clarify", "77aa", "which customers?").stdout
    assert "it can only be denied meanwhile" in run("approve", "77aa").stderr
    assert run("answer", "77aa", "of 2019", who="ada").exit_code == 1
    assert "pending, 0 of 1" in run("answer", "77aa", "those of 2019", who="grace").stdout
    assert run("approve", "77aa").exit_code == 2
    assert (
        "not among those who may break the glass"
        not in run("approve", "77aa", "--version", "2", "--break-glass").stdout
    )
    assert run("withdraw", "77aa", who="grace").stdout == "77aa  withdrawn\n"
    assert run("approve", "77aa", "--version", "2").exit_code == 1


def test_who_takes_part_is_told_so(service, run):
    """One line on stderr with the reason, and exit code 1."""
    arrive(service, request("22mine", principals=(principal("email:x@y.z"), principal("k8s:ADA"))))
    result = run("approve", "22mine", "--reason", "please")
    assert result.exit_code == 1
    assert result.stderr == "sluicegate: you initiated this action, so you cannot decide on it\n"
    assert result.stdout == ""
    able = run("who-can", "22mine").stdout
    assert able.splitlines() == [
        "can     grace            is in local:security",
        "cannot  ada              initiated this action",
    ]


def test_a_right_is_lent_and_taken_back(service, run):
    """By whoever has it, until a day to come; listed with its end; what cannot be is refused in one line."""
    lent = run("delegate", "to", "grace", "--until", f"{datetime.now(UTC).date() + timedelta(days=3)}")
    assert lent.exit_code == 0, lent.stderr
    delegation_id = lent.stdout.split()[0]
    assert "local:ada to local:grace until" in lent.stdout
    assert delegation_id in run("delegate", "list", who="grace").stdout
    assert run("delegate", "to", "grace", "--until", "soon").exit_code == 2
    assert run("delegate", "to", "nobody", "--until", "2030-01-01").exit_code == 1
    assert run("delegate", "revoke", "dlg_none").stderr == "sluicegate: there is no such delegation of yours\n"
    assert run("delegate", "revoke", delegation_id).stdout == f"{delegation_id} is revoked\n"
    assert run("delegate", "list").stderr == "nobody has lent anything\n"


def test_deny_is_scrubbed(service, run):
    """A reason with a secret in it reaches the log without the secret."""
    arrive(service, request("33deny"))
    result = run("deny", "33deny", "--reason", "mail jane.doe@example.com about it")
    assert result.exit_code == 0, result.output
    service.until(lambda: "33deny" in {v.request_id for v in service.verdicts()})
    (verdict,) = [v for v in service.verdicts() if v.request_id == "33deny"]
    assert "jane.doe" not in verdict.reason
    assert "about it" in verdict.reason


def test_a_changed_request_wants_its_version_said(service, run):
    """Nobody approves a second version without having looked at it."""
    arrive(service, request("44new", version=2))
    result = run("approve", "44new")
    assert result.exit_code == 2
    assert "now version 2" in result.stderr
    assert run("approve", "44new", "--version", "1").exit_code == 1
    assert run("approve", "44new", "--version", "2").exit_code == 0


def test_hostile_content_does_nothing_to_a_terminal(service, run):
    """Escape sequences and bidi overrides are named, in the list and in the details."""
    hostile = "rm\x1b[2J\u202egnp\r\n"
    arrive(service, request("55evil", action=hostile, reason=hostile, params={hostile: hostile}, rule_id=hostile))
    for command in (("list",), ("show", "55evil")):
        output = run(*command).stdout
        assert "⟨ESC⟩" in output
        assert not set("\x1b\u202e\r") & set(output)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nothing-like-it"), 1, "there is no such request"),
        (("approve",), 2, "Missing argument 'ID'"),
        (("deny", "11aa"), 2, "Missing option '--reason'"),
        (("list", "--url", "http://127.0.0.1:9"), 1, "no reviewer service answers at http://127.0.0.1:9"),
        (("list", "--url", "nonsense"), 2, "is not the URL of a service"),
        (("list", "--token-file", "/does/not/exist"), 2, "/does/not/exist: No such file or directory"),
    ],
)
def test_errors_are_one_line_that_says_what_to_change(run, arguments, code, said):
    """Exit code 1 for what was refused or failed, 2 for what was asked wrongly."""
    result = run(*arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_token_is_needed(run):
    """Without a token, or with a wrong one, nothing is said."""
    assert run("list", who=None).exit_code == 2
    result = CliRunner().invoke(
        approvals, ["list"], env={"SLUICEGATE_TOKEN": "sgr_wrong", "SLUICEGATE_URL": "http://x"}
    )
    assert result.exit_code == 1


def test_a_new_token_comes_with_its_hash():
    """The token goes to stdout alone, so that it can be sent to a file."""
    result = CliRunner().invoke(approvals, ["token"])
    token = result.stdout.strip()
    assert result.stderr == f"token_hash: {hash_token(token)}\n"


@pytest.mark.parametrize("command", sorted(approvals.commands))
def test_help_shows_an_example(command):
    """Each command's help has an example that begins with its own name."""
    result = CliRunner().invoke(approvals, [command, "--help"])
    assert f"  sluicegate approvals {command}" in result.stdout


def test_one_topic_of_requests_has_one_topic_of_verdicts(tmp_path):
    """Where two topics share their requests and not their verdicts, the start stops with the line."""
    config = tmp_path / "sluicegate.yaml"
    config.write_text(
        "broker: embedded:log.db\nbinding_key: {env: X}\ntopics:\n"
        "  - {activity: a, approvals: shared}\n  - {activity: b, approvals: shared}\n"
    )
    (tmp_path / "people.yaml").write_text(PEOPLE)
    result = CliRunner().invoke(
        approvals, ["serve", "-c", str(config), "--people", str(tmp_path / "people.yaml")], standalone_mode=False
    )
    assert "the verdicts of 'shared' already go to 'a.decisions'" in str(result.exception)
    assert f"{config}:5:" in str(result.exception)


def test_other_addresses_than_loopback_are_refused(service):
    """Without a real sign-in the page is for this machine only."""
    folder = service.folder
    result = subprocess.run(
        [
            *(sys.executable, "-m", "sluicegate", "approvals", "serve", "-c", str(folder / "sluicegate.yaml")),
            *("--people", str(folder / "people.yaml"), "--host", "0.0.0.0"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert "can be reached from other machines" in result.stderr


def test_sigkill_loses_and_doubles_nothing(tmp_path):
    """Killed again and again right after votes, the service has in the end published each verdict once."""
    deployment = Deployment(tmp_path)
    headers = {"authorization": f"Bearer {TOKENS['ada']}"}
    chance = random.Random(7)
    names: list[str] = []
    try:
        deployment.start()
        early = 0
        while len(names) < 9 or (not early and len(names) < 30):  # a kill that comes too late proves nothing
            batch = [f"kill-{len(names) + n:02}" for n in range(3)]
            names += batch
            arrive(deployment, *(request(name) for name in batch))
            for name in batch:
                answer = httpx.post(
                    f"{deployment.url}/v1/requests/{name}/votes",
                    headers=headers,
                    json={"decision": "approve", "version": 1},
                    timeout=5,
                    trust_env=False,
                )
                assert answer.status_code == 200, answer.text
            time.sleep(chance.choice([0, 0, 0.1, 0.25]))
            deployment.kill()
            early += len(deployment.verdicts()) < len(names)
            deployment.start()
        deployment.until(lambda: len(deployment.verdicts()) >= len(names))
        assert early, "no kill came between a vote and its publication, so this proved nothing"
    finally:
        deployment.kill()
    assert sorted(v.request_id for v in deployment.verdicts()) == names
    released = [dict(r.headers)["sluicegate-request"].decode() for r in deployment.records(SANITIZED)]
    assert sorted(released) == names
    deployment.broker.close()
