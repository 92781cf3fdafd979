"""What is measured on: files as they are, and made-up records that are the same each time."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from benchmarks.corpora import corpora, generated, read, sized
from detectors.errors import ConfigError


def test_lines_are_records(tmp_path: Path) -> None:
    """Byte for byte; labelled rows stand for their text; empty lines are passed over."""
    path = tmp_path / "some.ndjson"
    labelled = orjson.dumps({"text": "Zürich 1", "spans": [[0, 1, "X"]]})
    row = orjson.dumps({"source": "s", "kind": "raw", "text": '{"a": 1}'})
    path.write_bytes(b'{"a":  1.0}\n\n"text"\n' + labelled + b"\n" + row + b'\n{"text": "kept", "level": "info"}\n')
    corpus = read(path)
    assert corpus.name == "some"
    assert corpus.records == (
        b'{"a":  1.0}',
        b'"text"',
        "Zürich 1".encode(),
        b'{"a": 1}',
        b'{"text": "kept", "level": "info"}',
    )
    assert read(path, 2).records == corpus.records[:2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: no such file"),
        (b"\n \n", "is empty"),
        (b'{"a": 1}\nsecret here\n', "line 2 is not JSON"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """One line with the file and what is wrong, and nothing of its content."""
    path = tmp_path / "some.ndjson"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret here" not in str(caught.value)


def test_files_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    """By their paths then."""
    paths = [tmp_path / folder / "same.ndjson" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("1\n")
    assert [one.name for one in corpora(paths, seed=1, records=None)] == [str(path) for path in paths]


def test_generated_is_the_same_for_a_seed() -> None:
    """And another one for another seed."""
    assert generated(3, 50).records == generated(3, 50).records
    assert generated(3, 50).records != generated(4, 50).records


@pytest.mark.parametrize("size", [100, 300, 1_000, 10_000, 100_000])
def test_sized_records_have_about_their_size(size: int) -> None:
    """Each is JSON, and on average as large as it was asked for."""
    corpus = sized(1, size, 200_000)
    for record in corpus.records:
        orjson.loads(record)
    mean = corpus.size / len(corpus.records)
    assert 0.8 * size <= mean <= 1.6 * size
