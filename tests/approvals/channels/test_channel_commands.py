"""`sluicegate approvals channels`: what is wrong with a channel, and what did not arrive."""

from __future__ import annotations

from pathlib import Path

import pytest
from channel_world import siem
from chat_servers import Reply
from click.testing import CliRunner

from approvals.channels.settings import Channel
from sluicegate.cli import main

POLICY = """\
actions:
  - {id: all, effect: review, match: {action: '*'}, reason: Everything., approvers: {people: ['local:ada'], channels: NAME}}
"""
CONFIG = """\
broker: embedded:log.db
topics: [{activity: activity}]
binding_key: {env: NO_SUCH_KEY}
"""


def run(*arguments: str, environ: dict[str, str] | None = None):
    return CliRunner().invoke(main, ["approvals", "channels", *arguments], env=environ)


@pytest.fixture
def broken(world, hook, tmp_path: Path):
    """One dead letter in the database, and the options that name it."""
    (tmp_path / "sluicegate.yaml").write_text(CONFIG)
    told = world(siem(hook), Channel("idle", "webhook", hook.url, allowed=()))
    hook.faults.append(Reply(410))
    told.ask()
    return told, ["-c", str(tmp_path / "sluicegate.yaml"), "--database", str(tmp_path / "approvals.db")]


def test_dead_letters_are_listed_and_sent_again(broken, hook):
    """By the beginning of an id; what is sent again has the id that it had."""
    told, where = broken
    listed = run("dead-letters", "list", *where, "--channel", "siem")
    assert listed.exit_code == 0, listed.output
    (line,) = listed.stdout.splitlines()
    assert "request.created" in line
    assert "410" in line
    replayed = run("dead-letters", "replay", *where, line.split()[0][:12])
    assert (replayed.exit_code, replayed.stdout) == (0, "1 will be sent again\n"), replayed.output
    told.step()
    assert line.split()[0] in hook.events


def test_status_says_what_is_wrong_and_exits_with_1(broken):
    """Each channel, how much waits and is dead, and since when what is wrong."""
    _, where = broken
    said = run("status", *where)
    assert said.exit_code == 1, said.output
    assert "siem  0 waiting, 1 dead  it answered 410" in said.stdout
    assert "idle" in said.stdout


WRONG = [
    ["dead-letters", "list", "--channel", "nope"],
    ["dead-letters", "replay", "msg_nope"],
    ["dead-letters", "replay"],
    ["dead-letters", "replay", "--all", "msg_x"],
    ["dead-letters", "replay", "--channel", "siem", "msg_x"],
]


def test_what_is_not_there_is_a_usage_error(broken):
    """An unknown channel, an unknown id, nothing named, too much named."""
    _, where = broken
    said = [run(*wrong, *where) for wrong in WRONG]
    assert [one.exit_code for one in said] == [2] * len(WRONG)
    assert all(isinstance(one.exception, SystemExit) for one in said)


def test_check_says_which_requests_go_where(tmp_path):
    """And what is wrong, by file, line and key, without starting anything."""
    path = tmp_path / "channels.yaml"
    path.write_text("channels:\n  - {name: siem, webhook: https://a.example/, secret: {env: K}, risks: [high, low]}\n")
    key = {"K": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    said = run("check", str(path), environ=key)
    assert (said.exit_code, said.stdout) == (0, "siem: webhook, risk high or low\n"), said.output
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.replace("NAME", "siem"))
    assert run("check", str(path), "-p", str(policy), environ=key).exit_code == 0
    policy.write_text(POLICY.replace("NAME", "sime"))
    unknown = run("check", str(path), "--policy", str(policy), environ=key)
    assert unknown.exit_code == 2
    assert "channels.yaml: channels: has no channel 'sime', which" in unknown.stderr
    wrong = run("check", str(path))
    assert wrong.exit_code == 2
    assert "channels.yaml:2" in wrong.stderr
