"""The heartbeat: a file that says that a process gets on with its work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sluicegate.heartbeat import EVERY, Heartbeat

CONFIG = """
broker: embedded:log.db
topics: [{activity: activity}]
binding_key: {env: SLUICEGATE_TEST_KEY}
create_topics: {partitions: 1}
"""


def test_an_old_heartbeat_is_taken_away(tmp_path: Path) -> None:
    """A file that is there was touched by the process that runs now."""
    path = tmp_path / "alive"
    path.touch()
    heartbeat = Heartbeat(path)
    assert not path.exists()
    heartbeat.beat()
    assert path.exists()


def test_it_beats_once_in_a_while(tmp_path: Path) -> None:
    """However often it is told to, so that it costs nothing."""
    path, now = tmp_path / "alive", [0.0]
    heartbeat = Heartbeat(path, clock=lambda: now[0])
    heartbeat.beat()
    os.utime(path, (1, 1))
    now[0] = EVERY / 2
    heartbeat.beat()
    assert path.stat().st_mtime == 1
    now[0] = EVERY
    heartbeat.beat()
    assert path.stat().st_mtime > 1


def test_the_engine_beats_while_it_reads(tmp_path: Path) -> None:
    """Once its broker has answered; with no broker to be had there is no beat."""
    config, alive = tmp_path / "sluicegate.yaml", tmp_path / "alive"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "sluicegate", "run", "-c", str(config), "--drain", "--heartbeat", str(alive)]
    environment = os.environ | {"SLUICEGATE_TEST_KEY": "ab" * 32}
    subprocess.run(command, env=environment, capture_output=True, check=True)
    assert alive.exists()
    config.write_text(CONFIG.replace("{partitions: 1}", "false").replace("activity: activity", "activity: other"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert not alive.exists()
