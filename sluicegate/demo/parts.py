"""The processes of the demo: started, watched, asked to stop, and never left behind."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from detectors.errors import ConfigError
from sluicegate.demo import DemoError

GRACE = 10.0  # seconds to finish the work in hand
_LAST_LINES = 8


class Part:
    """A `sluicegate` command in a process of its own, which writes what it says to the file ``log``.

    It ends with us whatever happens to us, and Ctrl-C does not reach it: we stop it, in our order.
    """

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as sink:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter, our own command)
                [sys.executable, "-m", "sluicegate.demo.child", *arguments],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ended(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int | None:
        """The exit code, waited for up to ``timeout`` seconds; None if it still runs."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout)
        return None

    def ask_to_stop(self) -> None:
        """Sends SIGTERM, once."""
        if self.ended() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it now."""
        if self.ended() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def complaint(self) -> DemoError:
        """What to say if it ended by itself: its name, its exit code and the end of its log."""
        code = self.ended()
        with suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
            said = "".join(f"\n  {line}" for line in lines) or "\n  (nothing)"
            return DemoError(f"the {self.name} ended with exit code {code}; the last it said ({self.log}):{said}")
        return DemoError(f"the {self.name} ended with exit code {code}")


def stop_all(parts: Sequence[Part], grace: float = GRACE) -> None:
    """Asks all to stop and waits; what still runs after ``grace`` seconds, or at a second Ctrl-C, is killed."""
    end = time.monotonic() + grace
    try:
        for part in parts:
            part.ask_to_stop()
        for part in parts:
            part.wait(max(0.0, end - time.monotonic()))
    except KeyboardInterrupt:
        pass
    finally:
        for part in parts:
            part.kill()


def check_port(port: int) -> None:
    """Raises ConfigError if nothing can be served there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: an old connection is no harm
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else "cannot be used"
            raise ConfigError(f"port {port} {reason}; name another with --port") from None
