"""`sluicegate run`: the stream processor."""

from __future__ import annotations

import logging
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType

import click

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Stop:
    """Remembers a signal, so that the batch in hand is finished. A second signal is not caught."""

    def __init__(self) -> None:
        self._asked = False
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def __call__(self) -> bool:
        return self._asked

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


@click.command()
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False, path_type=Path), help="sluicegate.yaml.")
@click.option("--drain", is_flag=True, help="Stop once all that is there now has been processed.")
@click.option(
    "--heartbeat", type=click.Path(dir_okay=False, path_type=Path), help="A file to touch while it reads and commits."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many processes; they share the partitions, and one that dies is started again.",
)
@click.option("--ordinal", type=click.IntRange(0), hidden=True, help="Which of several workers this process is.")
def run(config: Path, *, drain: bool, heartbeat: Path | None, workers: int, ordinal: int | None) -> None:
    """Read activity, write it sanitized, hold privileged actions: the stream processor.

    SIGTERM and SIGINT finish the batch in hand and leave the group. Exit codes: 0 fine, 1 failed,
    2 bad configuration.

    \b
    Examples:
      sluicegate run -c sluicegate.yaml
      sluicegate run -c sluicegate.yaml --drain
      sluicegate run -c sluicegate.yaml --workers 4
    """
    from engine.brokers.base import Fenced
    from engine.config import load_config
    from engine.lifeline import Lifeline
    from engine.progress import Progress
    from engine.startup import run_worker
    from sluicegate.heartbeat import BeatingSession, Heartbeat

    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    stop, loaded = _Stop(), load_config(config)
    if workers > 1:
        from engine.supervisor import Supervisor

        names = [loaded.member(one).file.worker for one in range(workers)]
        command = partial(_command, config, drain=drain, heartbeat=heartbeat)
        Supervisor(names, command).run(stop=stop, drain=drain)
        return
    beats = Heartbeat(heartbeat)
    mine = loaded if ordinal is None else loaded.member(ordinal)
    progress = Progress(mine.file.worker)
    lifeline = None if ordinal is None else Lifeline(progress)
    try:
        run_worker(
            mine,
            stop=lambda: stop() or (lifeline is not None and lifeline()),
            drain=drain,
            wrap=lambda session: BeatingSession(session, beats),
            progress=progress,
        )
    except Fenced:
        if lifeline is not None:
            lifeline.fenced()
        raise


def _command(config: Path, ordinal: int, *, drain: bool, heartbeat: Path | None) -> list[str]:
    """What starts one of several workers. ``-P``: nothing is imported from the directory that we happen to be in."""
    command = [sys.executable, "-P", "-m", "sluicegate", "run", "-c", str(config), "--ordinal", str(ordinal)]
    if heartbeat is not None:  # one for all: it says that some of them get on, the supervisor minds the others
        command += ["--heartbeat", str(heartbeat)]
    return [*command, "--drain"] if drain else command
