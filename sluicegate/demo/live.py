"""The demo that goes on until it is stopped: agents, engine, reviewer's page and what to see of them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console
from rich.live import Live

from approvals.people import load_people
from engine.brokers import open_broker
from engine.brokers.base import Broker
from sluicegate.demo import DemoError
from sluicegate.demo.agents import Agents, Writer
from sluicegate.demo.folder import PEOPLE, Folder, create_topics
from sluicegate.demo.parts import Part, check_port, stop_all
from sluicegate.demo.screen import Guide, View, farewell, next_steps, render, status_line
from sluicegate.demo.watch import Watch

DEFAULT_PORT = 8787
TICK = 0.1  # seconds between two looks at everything
REDRAW = 0.25
PAIR_EVERY = 2.5  # seconds that a before and after stays, to be read
STATUS_EVERY = 5.0  # seconds between two lines, where there is no screen
START_TIMEOUT = 90.0
RATES = 20  # seconds that the little curve shows
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_live(folder: Folder, console: Console, *, port: int, rate: float, seed: int) -> None:
    """Runs until Ctrl-C, SIGTERM or the end of the terminal. Raises DemoError if a part ends by itself."""
    with _stopping() as stopped, ExitStack() as resources:
        check_port(port)
        broker = resources.enter_context(open_broker(folder.broker_url))
        create_topics(broker)
        parts: list[Part] = []
        resources.callback(_stop, parts, console)
        serve = ["approvals", "serve", "-c", str(folder.config), "--people", str(folder.people), "--port", str(port)]
        parts.append(Part("engine", ["run", "-c", str(folder.config)], folder.path / "engine.log"))
        parts.append(Part("reviewer service", serve, folder.path / "reviewer.log"))
        writer = Writer(broker)
        watch = resources.enter_context(closing(Watch(broker, writer.raw)))
        guide = _guide(folder, port)
        if _wait_until_ready(parts, watch, guide.url, console, stopped):
            _play(_Stage(folder, broker, parts, writer, watch, guide), console, stopped, rate=rate, seed=seed)


class _Stage:
    """What is on while the demo plays."""

    def __init__(
        self, folder: Folder, broker: Broker, parts: list[Part], writer: Writer, watch: Watch, guide: Guide
    ) -> None:
        self.folder, self.broker, self.parts = folder, broker, parts
        self.writer, self.watch, self.guide = writer, watch, guide
        self.people = list(load_people(folder.people).values())
        self.started = time.monotonic()
        self._rates: deque[float] = deque(maxlen=RATES)
        self._second = (self.started, watch.look(self.started).records)
        self._pair_until, self._pair = 0.0, watch.next_pair()

    def step(self, agents: Agents, now: float) -> View:
        """Writes what is due, and gives what is known then."""
        self.writer.write(agents.due(now), time.time_ns() // 1_000_000)
        return self.view(now)

    def view(self, now: float) -> View:
        """What is known at ``now``."""
        flow = self.watch.look(now)
        since, before = self._second
        if now - since >= 1:
            self._rates.append((flow.records - before) / (now - since))
            self._second = (now, flow.records)
        if now >= self._pair_until:
            self._pair, self._pair_until = self.watch.next_pair() or self._pair, now + PAIR_EVERY
        return View(
            tally=self.watch.tally,
            flow=flow,
            rates=tuple(self._rates),
            pair=self._pair,
            people=self.people,
            guide=self.guide,
            seconds=now - self.started,
        )


def _play(stage: _Stage, console: Console, stopped: Callable[[], bool], *, rate: float, seed: int) -> None:
    agents = Agents(
        seed=seed + stage.watch.look(time.monotonic()).records, rate=rate, start=time.time_ns() // 1_000_000
    )
    with ExitStack() as screen:
        live = (
            screen.enter_context(Live(console=console, screen=True, auto_refresh=False))
            if console.is_terminal
            else None
        )
        next_draw = 0.0
        while not stopped():
            now = time.monotonic()
            view = stage.step(agents, now)
            for part in stage.parts:
                if part.ended() is not None:
                    raise part.complaint()
            if live is not None and now >= next_draw:
                live.update(render(view, console.width, console.height), refresh=True)
                next_draw = now + REDRAW
            elif live is None and now >= next_draw:
                if not next_draw:
                    for step in next_steps(view):
                        print(step.plain)
                print(status_line(view), flush=True)
                next_draw = now + STATUS_EVERY
            time.sleep(max(0.0, TICK - (time.monotonic() - now)))
    _stop(stage.parts, console)
    for line in farewell(stage.view(time.monotonic())):
        console.print(line)


def _wait_until_ready(parts: list[Part], watch: Watch, url: str, console: Console, stopped: Callable[[], bool]) -> bool:
    """Whether all parts have come up; False if it was stopped before that."""
    give_up = time.monotonic() + START_TIMEOUT
    engine, reviewer = parts
    with console.status("starting the engine and the reviewer's page …") if console.is_terminal else ExitStack():
        while not stopped():
            for part in parts:
                if part.ended() is not None:
                    raise part.complaint()
            watch.look(time.monotonic())
            # The engine has written down under which policy it works, and the page says that all is well.
            if watch.tally.policy and _answers(url):
                return True
            if time.monotonic() > give_up:
                late = reviewer if watch.tally.policy else engine
                raise DemoError(f"the {late.name} did not come up in {START_TIMEOUT:.0f} s; see {late.log}")
            time.sleep(TICK)
    return False


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether we were told to stop. A second time is not caught here: it ends the waiting for the others."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(parts: list[Part], console: Console) -> None:
    if console.is_terminal and any(part.ended() is None for part in parts):
        console.print("stopping …", style="dim")
    stop_all(parts)


def _guide(folder: Folder, port: int) -> Guide:
    url = f"http://127.0.0.1:{port}"
    exports = [f"export SLUICEGATE_TOKEN=$(cat {shlex.quote(_short(folder.token(next(iter(PEOPLE)))))})"]
    if port != DEFAULT_PORT:
        exports.append(f"export SLUICEGATE_URL={url}")
    return Guide(url, command_name(), tuple(exports))


def command_name() -> str:
    """How to call `sluicegate` from the directory that we were started in."""
    called = Path(sys.argv[0])
    if called.name != "sluicegate" or not called.is_file():
        return f"{shlex.quote(_short(Path(sys.executable)))} -m sluicegate"
    found = shutil.which("sluicegate")
    return "sluicegate" if found and os.path.samefile(found, called) else shlex.quote(_short(called))


def _short(path: Path) -> str:
    """``path`` from the present directory, if it lies below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
