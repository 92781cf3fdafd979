"""Ours and peers, as functions from texts to results.

Ours gets each text as the ``message`` of a JSON record, as logs carry it, and gives it back in the same place. Peers
get the text alone, which is what suits most of them best.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measurement import MeasuringFailed
from benchmarks.peers.known import DOZEN, OWN, PEERS, Peer
from benchmarks.peers.program import Program, write_corpus
from benchmarks.peers.rates import peer_rules
from benchmarks.quality.scoring import Result
from engine.outcomes import Outcome, Sanitized
from engine.policy.compiled import Policy
from engine.records import ActivityRecord, Position
from engine.sanitizer import Sanitizer

OURS = "sluicegate"
KEY = bytes(32)  # binds decisions, of which there are none here
HOUR = 3600.0  # seconds that a peer may take for a file


@dataclass(frozen=True)
class Tool:
    """Something that redacts texts. ``run`` gives a result for each, in order, and the seconds that it took."""

    name: str
    what: str
    run: Callable[[Sequence[str]], tuple[list[Result], float]]


def ours(policy: Policy) -> Tool:
    """The engine's core by ``policy``; nothing is held back."""
    sanitizer = Sanitizer(policy, secret=KEY, form="json", privileged=False)

    def run(texts: Sequence[str]) -> tuple[list[Result], float]:
        records = [ActivityRecord(Position("quality", 0, n), None, _record(t), (), 0) for n, t in enumerate(texts)]
        started = time.perf_counter()
        outcomes = sanitizer.sanitize(records, 0)
        seconds = time.perf_counter() - started
        return [_result(outcome) for outcome in outcomes], seconds

    return Tool(OURS, f"Sluicegate, {len(policy.detector.rules)} rules", run)


def peers() -> list[Peer]:
    """Those that redact or tell what they found, once each, with the rules that they are used with."""
    return [peer for peer in PEERS if peer.rules in (OWN, DOZEN)]


def tool_of(peer: Peer) -> Tool:
    """A peer that is here. Raises NotInstalled; its ``run`` raises PeerFailed."""
    command = peer.command()

    def run(texts: Sequence[str]) -> tuple[list[Result], float]:
        with TemporaryDirectory(prefix="sluicegate-bench-") as name, ExitStack() as stack:
            folder = Path(name)
            write_corpus(folder / "corpus", (text.encode("utf-8", "surrogatepass") for text in texts))
            rules = peer_rules(folder)[DOZEN]
            if not isinstance(rules, Path):
                raise rules
            program = stack.enter_context(Program(command, rules, folder / "corpus", "text", answer=HOUR))
            started = time.perf_counter()
            wrote = program.write(len(texts), folder / "out")
            seconds = time.perf_counter() - started
        return [Result(None if one is None else one.decode("utf-8", "replace")) for one in wrote], seconds

    return Tool(peer.name, f"{peer.what}, {peer.rules}", run)


def _record(text: str) -> bytes:
    record = {"message": text}
    try:
        return json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair stands in JSON as an escape
        return json.dumps(record).encode()


def _result(outcome: Outcome) -> Result:
    if not isinstance(outcome, Sanitized):
        return Result(None)
    rules = tuple(dict.fromkeys(one.rule_id for one in outcome.redactions))
    try:
        message = json.loads(outcome.record.value or b"")["message"]
    except (ValueError, KeyError, TypeError):
        return Result(None, rules)
    return Result(message if isinstance(message, str) else None, rules)


__all__ = ["OURS", "MeasuringFailed", "Tool", "ours", "peers", "tool_of"]
