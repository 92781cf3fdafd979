"""Finding the text behind a policy digest again, where decisions are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.config import load_config
from engine.connect import connect
from engine.ledger.codec import decode
from engine.ledger.model import PolicySnapshot


def find_snapshot(digest: str, snapshots: Iterable[PolicySnapshot]) -> PolicySnapshot | None:
    """The first snapshot whose digest begins with ``digest``, its ``sha256:`` may be left out."""
    wanted = digest.removeprefix("sha256:")
    return next((one for one in snapshots if one.digest.removeprefix("sha256:").startswith(wanted)), None)


def in_file(path: Path) -> Iterator[PolicySnapshot]:
    """The snapshots in a decisions file, one JSON record a line."""
    with path.open("rb") as lines:
        for line in lines:
            if b'"PolicySnapshot"' in line:
                found = decode(line.strip())
                if isinstance(found, PolicySnapshot):
                    yield found


def in_topics(config: Path) -> Iterator[PolicySnapshot]:
    """The snapshots in the decisions topics of a configuration."""
    loaded = load_config(config)
    topics = sorted({topic.decisions for topic in loaded.file.topics})
    with connect(loaded) as broker:
        reader = broker.reader(topics)
        while records := reader.poll(1000, 0.2):
            for record in records:
                found = decode(record.value) if record.value else None
                if isinstance(found, PolicySnapshot):
                    yield found
        reader.close()
