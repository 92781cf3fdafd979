"""`sluicegate gate exec` and the client's own `sluicegate-gate exec`: commands that run as they were approved."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from gate_site import GateSite, until

UMBRELLA = [sys.executable, "-m", "sluicegate", "gate", "exec"]
ALONE = [sys.executable, "-m", "sluicegate_client.command", "exec"]


class Run:
    """One of the two commands, running."""

    def __init__(self, site: GateSite, arguments: Sequence[str], program: Sequence[str] = ALONE) -> None:
        token = site.folder / "agent.token"
        if not token.exists():
            token.write_text(site.token("ci") + "\n")
        env = {"PATH": os.environ["PATH"], "SLUICEGATE_URL": site.http, "SLUICEGATE_TOKEN_FILE": str(token)}
        self._process = subprocess.Popen(
            [*program, *arguments], cwd=site.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def ended(self) -> tuple[int, str, str]:
        """Its exit code, and what it said."""
        out, err = self._process.communicate(timeout=60)
        return self._process.returncode, out, err


@pytest.mark.parametrize("program", [UMBRELLA, ALONE], ids=["umbrella", "alone"])
def test_a_command_runs_as_it_was_approved(site: GateSite, program: list[str]) -> None:
    """The command line, the program and the directory are what the reviewer sees; its exit code is the command's own."""
    arguments = ["--action", "db.export", "--resource", "orders", "--param", "rows=10", "--reason", "CHG-1042"]
    run = Run(site, [*arguments, "--", "sh", "-c", "echo ran; exit 7"], program)
    request_id = site.one_waits()
    params = json.loads(site.request(request_id).params)
    assert params["command"] == ["sh", "-c", "echo ran; exit 7"]
    assert Path(params["program"]).is_absolute()
    assert (params["directory"], params["rows"]) == (str(site.folder), "10")
    site.vote(request_id)
    code, out, _ = run.ended()
    assert (code, out) == (7, "ran\n")
    assert site.events()[-1][0] == "redeemed"


def test_a_command_that_is_denied_does_not_run(site: GateSite) -> None:
    """By a person, by the policy, or since the gate is away: exit code 1, and why."""
    run = Run(site, ["--action", "db.export", "--resource", "orders", "--", "touch", "ran"])
    site.vote(site.one_waits(), "deny")
    code, _, err = run.ended()
    assert code == 1
    assert "was denied: as agreed; nothing ran" in err
    assert Run(site, ["--action", "db.wipe", "--resource", "orders", "--", "touch", "ran"]).ended()[0] == 1
    away = Run(
        site,
        ["--url", "http://127.0.0.1:9", "--timeout", "0.2", "--action", "a", "--resource", "r", "--", "touch", "ran"],
    )
    code, _, err = away.ended()
    assert (code, "does not answer" in err) == (1, True)
    assert not (site.folder / "ran").exists()


def test_signals_take_the_request_back_while_it_waits_and_reach_the_command_afterwards(site: GateSite) -> None:
    """Nothing is left behind that could be approved later."""
    arguments = ["--action", "db.export", "--resource", "orders", "--"]
    run = Run(site, [*arguments, "sh", "-c", "trap 'exit 9' TERM; touch started; while :; do sleep 0.05; done"])
    request_id = site.one_waits()
    site.vote(request_id)
    until((site.folder / "started").exists)
    run.signal(signal.SIGTERM)
    assert run.ended()[0] == 9
    waiting = Run(site, [*arguments, "touch", "ran"])
    request_id = site.one_waits()
    waiting.signal(signal.SIGTERM)
    assert waiting.ended()[0] == 128 + signal.SIGTERM
    assert site.vote(request_id).status_code == 409
    assert not (site.folder / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--", "no-such-program"], "no such program"),
        (["--param", "command=x", "--", "true"], "that of the command"),
        (["--param", "x", "--", "true"], "NAME=VALUE"),
        (["--on-behalf-of", "jane", "--", "true"], "issuer:subject"),
        (["--token-file", "nowhere", "--", "true"], "nowhere"),
        (["--url", "http://example.com", "--", "true"], "https"),
        ([], "what to run"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_is_a_usage_error(shared: GateSite, arguments: list[str], words: str) -> None:
    """Exit code 2, before anything is asked."""
    code, _, err = Run(shared, ["--action", "a", "--resource", "r", *arguments]).ended()
    assert code == 2
    assert words in err
