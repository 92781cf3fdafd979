"""A PreToolUse hook of Claude Code: a tool runs only if exactly its input was approved.

In ``.claude/settings.json``, with ``timeout`` above ``--wait``::

    {"hooks": {"PreToolUse": [{"matcher": "Bash|Write|Edit|mcp__.*", "hooks": [{"type": "command", "timeout": 600,
      "command": "python -m sluicegate_client.claude_code --wait 540 || exit 2"}]}]}}

It reads the call as JSON from stdin. Approved, it says so on stdout and gives back the input that was approved, so that
no other hook's change of it runs. Everything else denies: by the decision on stdout, by exit code 2, and by the reason
on stderr, each of which is enough. Claude Code takes any other exit code, and a hook that ran out of time, for a hook
that has nothing against it: so this one ends by itself, in time, and no error of its own ends it otherwise. ``|| exit
2`` is for a Python that cannot even start it. Address and credential come from ``SLUICEGATE_URL`` and
``SLUICEGATE_TOKEN_FILE``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sluicegate_client.errors import ClarificationAsked, GateError, Refused, Undecided
from sluicegate_client.gate import Gate, Pending
from sluicegate_client.tools import ToolCall, refusal

_DENIED = 2  # of the exit codes of a hook, the one that blocks the tool
_GRACE = 5.0  # seconds beyond the wait, for the service to answer the last question


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 for a call that may run, 2 for one that may not."""
    parser = argparse.ArgumentParser(
        prog="python -m sluicegate_client.claude_code",
        description="A PreToolUse hook of Claude Code that asks Sluicegate's gate.",
        epilog="example: python -m sluicegate_client.claude_code --wait 540 < call.json",
    )
    parser.add_argument("--wait", type=float, default=50.0, metavar="SECONDS", help="for people (default: %(default)s)")
    parser.add_argument("--environment", default="", help="where it would run, as the policy calls it")
    asked = parser.parse_args(arguments)  # a wrong option exits with 2, which denies
    signal.signal(signal.SIGTERM, lambda *_: _ended("the hook was stopped"))
    last = threading.Timer(asked.wait + _GRACE, _ended, ["the hook ran out of time"])
    last.daemon = True
    last.start()
    try:
        return _allow(_approved(_read(sys.stdin.buffer.read()), asked.wait, asked.environment))
    except GateError as error:
        return _deny(refusal(error))
    except BaseException as error:  # whatever it is, the tool must not run
        return _deny(f"This call was NOT run: the hook failed ({type(error).__name__}).")
    finally:
        last.cancel()


def _read(given: bytes) -> Mapping[str, Any]:
    """Raises Refused for what is no call before a tool's use."""
    try:
        call = json.loads(given)
    except ValueError:  # the error carries what was read
        call = None
    if not isinstance(call, dict) or call.get("hook_event_name") != "PreToolUse":
        raise Refused("that is no PreToolUse event", code="event", status=400)
    if not isinstance(call.get("tool_name"), str) or not isinstance(call.get("tool_input"), dict):
        raise Refused("the event names no tool, or no input of it", code="event", status=400)
    return call


def _approved(event: Mapping[str, Any], wait: float, environment: str) -> Mapping[str, Any]:
    """The input that may run now: its approval is used up. Raises GateError."""
    name, given = event["tool_name"], event["tool_input"]
    call = ToolCall(name, f"claude-code/{name}", given, environment=environment)
    with Gate(timeout=min(wait, 30.0)) as gate:
        pending: Pending = gate.submit(**call.asked)
        try:
            gate.redeem(**call.redeemed(pending.approval(wait)))
        except (Undecided, ClarificationAsked):
            with suppress(GateError):
                pending.withdraw("the agent has stopped waiting")
            raise
    return call.params


def _allow(approved: Mapping[str, Any]) -> int:
    _say("allow", "approved at the gate", updatedInput=approved)
    return 0


def _deny(reason: str) -> int:
    _say("deny", reason)
    print(reason, file=sys.stderr)
    return _DENIED


def _say(decision: str, reason: str, **more: Any) -> None:
    """Writes the decision, and nothing else, to stdout."""
    told = {"hookEventName": "PreToolUse", "permissionDecision": decision, "permissionDecisionReason": reason, **more}
    print(json.dumps({"hookSpecificOutput": told}), flush=True)


def _ended(reason: str) -> None:
    """Denies at once, whatever the rest of the program is doing."""
    with suppress(Exception):
        _deny(f"This call was NOT run: {reason}.")
    os._exit(_DENIED)


if __name__ == "__main__":
    sys.exit(main())
