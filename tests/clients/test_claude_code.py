"""The hook of Claude Code, run as a process on recorded events: whatever happens to it, only an approval lets a tool run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tool_site import EXAMPLES, Aside, ToolSite

HOOK = [sys.executable, "-m", "sluicegate_client.claude_code"]
BASH = {"command": "rm -rf build", "description": "Clean up", "timeout": 1500}
BLOCKS = 2
"""The exit code that blocks a tool; Claude Code lets it run after any other."""


def event(tool: str = "Bash", given: Any = None, **more: Any) -> str:
    """What Claude Code writes to a hook's stdin before it uses a tool."""
    return json.dumps(
        {
            "session_id": "00893aaf-19fa-41d2-8238-13269b9b3ca0",
            "transcript_path": "/home/ada/.claude/projects/p/00893aaf.jsonl",
            "cwd": "/home/ada/p",
            "permission_mode": "default",
            "hook_event_name": "PreToolUse",
            "tool_name": tool,
            "tool_input": BASH if given is None else given,
            "tool_use_id": "toolu_01ABC123",
        }
        | more
    )


def settings() -> dict[str, Any]:
    """The hook in the settings of the example."""
    [entry] = json.loads((EXAMPLES / "claude_code_settings.json").read_text())["hooks"]["PreToolUse"][0]["hooks"]
    assert isinstance(entry, dict)
    return entry


def hook(
    given: str | bytes, *options: str, environment: dict[str, str] | None = None, command: Sequence[str] = HOOK
) -> tuple[int, Any, str]:
    """Its exit code, what it decided, and what it wrote to stderr."""
    done = subprocess.run(
        [*command, *options],
        input=given if isinstance(given, bytes) else given.encode(),
        capture_output=True,
        check=False,
        timeout=60,
        env=os.environ | (environment or {}),
    )
    assert b"Traceback" not in done.stderr
    decided = json.loads(done.stdout)["hookSpecificOutput"] if done.stdout else None
    return done.returncode, decided, done.stderr.decode()


def test_the_example_approved(site: ToolSite) -> None:
    """The command of the settings: it says so, and pins the input to what was approved."""
    command = ["/bin/sh", "-c", settings()["command"].replace("python", sys.executable, 1)]
    with site.reviewer({"claude-code/Bash": "approve"}):
        code, decided, said = hook(event(), command=command)
    assert (code, said) == (0, "")
    assert decided == {
        "hookEventName": "PreToolUse",
        "permissionDecision": "allow",
        "permissionDecisionReason": "approved at the gate",
        "updatedInput": BASH,
    }


def assert_denied(code: int, decided: Any, said: str) -> None:
    """By all three ways that a version of Claude Code may look at."""
    assert code == BLOCKS
    assert decided["hookEventName"] == "PreToolUse"
    assert decided["permissionDecision"] == "deny"
    assert "updatedInput" not in decided
    assert "NOT run" in decided["permissionDecisionReason"]
    assert "NOT run" in said


def test_denied(site: ToolSite) -> None:
    """The decision, the exit code and stderr agree; a version that looks at one of them alone does not run it."""
    with site.reviewer({"claude-code/Bash": "deny"}):
        code, decided, said = hook(event())
    assert_denied(code, decided, said)
    assert "as agreed" in said


def test_each_use_is_asked_for(site: ToolSite) -> None:
    """An approval is for one use: the same command again waits for people again."""
    with site.reviewer({"claude-code/Bash": "approve"}):
        assert hook(event())[0] == 0
    with site.reviewer({"claude-code/Bash": "deny"}):
        assert hook(event())[0] == BLOCKS


@pytest.mark.parametrize(
    "given",
    [
        "",
        b"\xff\xfe",
        "[]",
        event(hook_event_name="PostToolUse"),
        event(tool_input="rm -rf /"),
        event(given={"command": float("nan")}),
    ],
)  # fmt: skip
def test_what_it_cannot_read_is_denied(site: ToolSite, given: str | bytes) -> None:
    """An event of another kind or shape, or none."""
    assert_denied(*hook(given))
    assert site.waiting() == {}


@pytest.mark.parametrize(
    "environment",
    [
        {"SLUICEGATE_URL": ""},
        {"SLUICEGATE_TOKEN": "", "SLUICEGATE_TOKEN_FILE": "/nowhere"},
        {"SLUICEGATE_TOKEN": "wrong"},
        {"SLUICEGATE_URL": "http://127.0.0.1:9"},
    ],
)  # fmt: skip
def test_without_the_service_it_is_denied(site: ToolSite, environment: dict[str, str]) -> None:
    """No address, no credential, a wrong one, nobody there."""
    assert_denied(*hook(event(), "--wait", "0.2", environment=environment))


def test_nobody_decides(site: ToolSite) -> None:
    """It denies before Claude Code would give up on it, and takes the request back: no late approval is left over."""
    assert_denied(*hook(event(), "--wait", "0.2"))
    assert site.waiting() == {}


def test_stopped_from_outside(site: ToolSite) -> None:
    """A signal denies, too."""
    with subprocess.Popen(HOOK, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        waiting = Aside(lambda: running.communicate(event().encode(), timeout=60))
        site.until_waiting("claude-code/Bash")
        running.send_signal(signal.SIGTERM)
        out, _ = waiting.result()
    assert running.returncode == BLOCKS
    assert json.loads(out)["hookSpecificOutput"]["permissionDecision"] == "deny"


def test_a_wrong_option_blocks() -> None:
    """A mistake in the settings does not open the gate."""
    assert hook(event(), "--wayt", "1")[0] == BLOCKS


def test_the_hook_that_cannot_start_blocks(tmp_path: Path) -> None:
    """The command of the example, where Python does not find the client, or there is no Python."""
    entry = settings()
    waits = float(entry["command"].split("--wait ")[1].split()[0])
    assert waits + 10 < entry["timeout"], "it ends before Claude Code gives up on it"
    (tmp_path / "python").symlink_to("/bin/false")
    for path in (str(tmp_path), str(tmp_path / "empty")):
        done = subprocess.run(
            ["/bin/sh", "-c", entry["command"]],
            input=event().encode(),
            capture_output=True,
            check=False,
            timeout=60,
            env={"PATH": path},
        )
        assert done.returncode == BLOCKS
