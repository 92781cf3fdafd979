"""``python -m sluicegate.demo.child ARGUMENTS``: the `sluicegate` command, for as long as its parent lives.

The parent holds the other end of our standard input. However the parent ends, killed or not, that end closes,
and we stop as if by SIGTERM: no demo leaves processes behind.
"""

from __future__ import annotations

import os
import signal
import threading

from sluicegate.cli import main


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    main(prog_name="sluicegate")
