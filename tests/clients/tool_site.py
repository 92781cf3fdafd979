"""A service whose policy asks people about a few tools, people who decide, and the examples of the documentation."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from gate_site import Aside, GateSite, until

from engine.policy.compiled import Policy
from engine.policy.load import load_policy
from sluicegate import Sanitizer

__all__ = ["EXAMPLES", "Aside", "ToolSite", "example", "sanitizer"]

EXAMPLES = Path(__file__).parents[2] / "docs" / "integrations"
_ASKED = ("user.delete", "delete_user", "Bash")


@cache
def _policy() -> Policy:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(
            "gate: {unlisted: allow}\nactions:\n"
            + "".join(
                f"  - {{id: ask-{number}, effect: review, match: {{action: {action}}}, risk: low, reason: Not undone., "
                "approvers: {groups: ['local:security'], quorum: 1}, expires: 15m}\n"
                for number, action in enumerate(_ASKED)
            )
        )
        return load_policy(path)


@cache
def sanitizer() -> Sanitizer:
    """The shipped policy's, compiled once."""
    return Sanitizer()


class ToolSite(GateSite):
    """The service, with reviewers who decide by the resource."""

    def start(self) -> None:
        self.policy = _policy()
        self._names = count()
        super().start()

    def new_token(self) -> str:
        """The credential of an agent that has not asked for anything yet."""
        return self.token(f"agent-{next(self._names)}")

    def waiting(self) -> dict[str, str]:
        """The requests that wait, by resource."""
        listed = self.server.service.store.waiting()
        return {one.review.request.resource: one.review.request.request_id for one in listed}

    def until_waiting(self, *resources: str) -> dict[str, str]:
        """The same, once these are among them."""
        until(lambda: set(resources) <= set(self.waiting()))
        return self.waiting()

    def clear(self) -> None:
        """Denies what still waits, so that the next test begins with nothing."""
        for one in self.server.service.store.waiting():
            request = one.review.request
            self.vote(request.request_id, "deny", version=request.version)
        assert self.waiting() == {}

    def until(self, condition: Callable[[], object]) -> None:
        """Returns when it has come to that."""
        until(condition)

    @contextmanager
    def reviewer(self, decisions: Mapping[str, str]) -> Iterator[None]:
        """Somebody who decides on what waits, by its resource."""
        stop = threading.Event()
        thread = threading.Thread(target=self._decide, args=(decisions, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

    def _decide(self, decisions: Mapping[str, str], stop: threading.Event) -> None:
        while not stop.wait(0.02):
            for resource, request_id in self.waiting().items():
                if (decision := decisions.get(resource)) is not None:
                    self.vote(request_id, decision)


def example(name: str) -> ModuleType:
    """A module of docs/integrations, loaded anew."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
