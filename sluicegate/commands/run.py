"""`sluicegate run`: the stream processor."""

from __future__ import annotations

import logging
import signal
import sys
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
def run(config: Path, *, drain: bool) -> None:
    """Read activity, write it sanitized, hold privileged actions: the stream processor.

    SIGTERM and SIGINT finish the batch in hand and leave the group. Exit codes: 0 fine, 1 failed,
    2 bad configuration.

    \b
    Examples:
      sluicegate run -c sluicegate.yaml
      sluicegate run -c sluicegate.yaml --drain
    """
    from engine.config import load_config
    from engine.startup import run_worker

    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    run_worker(load_config(config), stop=_Stop(), drain=drain)
