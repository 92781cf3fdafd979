"""The configuration file of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.errors import ConfigError
from engine.config import Config, load_config

KEY = "ab" * 32
LEAST = """\
broker: embedded:./log.db
topics:
  - activity: agents
binding_key: {env: KEY}
"""


def load(directory: Path, text: str) -> Config:
    path = directory / "sluicegate.yaml"
    path.write_text(text)
    return load_config(path)


def fails(directory: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(directory, text)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(directory / "sluicegate.yaml"))


def test_defaults(tmp_path: Path) -> None:
    """Four lines are a configuration: everything else has a default."""
    config = load(tmp_path, LEAST)
    assert config.file.group == "sluicegate"
    assert config.file.worker == "0"
    assert config.policy is None
    assert config.state_dir == tmp_path / ".sluicegate"
    assert config.file.decisions_format == "avro"
    assert config.file.create_topics is False
    assert (config.file.batch.records, config.file.batch.bytes) == (5000, 16 * 1024 * 1024)
    assert config.file.batch.interval_ms == 100


def test_topics_are_derived(tmp_path: Path) -> None:
    """The topics that are left out get their names from the activity topic."""
    [agents, audit] = load(
        tmp_path,
        LEAST.replace("agents\n", "agents\n    sanitized: clean\n  - {activity: audit}\n"),
    ).file.topics
    assert agents.outputs() == ("clean", "agents.approvals", "agents.decisions", "agents.quarantine")
    assert audit.outputs() == ("audit.sanitized", "audit.approvals", "audit.decisions", "audit.quarantine")


def test_everything(tmp_path: Path) -> None:
    """All keys at once; paths are relative to the file, sizes may have units, an ordinal may be a number."""
    config = load(
        tmp_path,
        LEAST
        + """\
group: gate
worker: 3
policy: policies/strict.yaml
state_dir: /var/lib/sluicegate
batch: {records: 10, bytes: 900 kB, interval_ms: 0}
decisions_format: json
create_topics: {partitions: 6}
""",
    )
    assert config.policy == tmp_path / "policies/strict.yaml"
    assert config.state_dir == Path("/var/lib/sluicegate")
    assert (config.file.group, config.file.worker) == ("gate", "3")
    assert (config.file.batch.records, config.file.batch.bytes) == (10, 900_000)
    assert config.file.create_topics.partitions == 6


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("embedded:./log.db?session_timeout=5", "embedded:BASE/log.db?session_timeout=5"),
        ("embedded:/var/log.db", "embedded:/var/log.db"),
        ("kafka://a:9092", "kafka://a:9092"),
    ],
)
def test_broker_path(tmp_path: Path, written: str, read: str) -> None:
    """The path of an embedded broker is relative to the file too, whatever the working directory."""
    config = load(tmp_path, LEAST.replace("embedded:./log.db", written))
    assert config.file.broker == read.replace("BASE", str(tmp_path))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("5", 5),
        ("'5'", 5),
        ("2 KiB", 2048),
        ("2KB", 2000),
        ("1 GiB", 1024**3),
        ("3b", 3),
        ("7 mb", 7_000_000),
    ],
)
def test_sizes(tmp_path: Path, size: str, expected: int) -> None:
    """A size is a number of bytes, with or without a unit."""
    assert load(tmp_path, f"{LEAST}batch: {{bytes: {size}}}\n").file.batch.bytes == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LEAST + "polcy: x\n", ":5: polcy: unknown key 'polcy' (did you mean 'policy'?)"),
        (LEAST + "batch: {record: 5}\n", ":5: batch.record: unknown key 'record' (did you mean 'records'?)"),
        (LEAST + "batch: {records: 0}\n", ":5: batch.records: "),
        (LEAST + "batch: {bytes: much}\n", ":5: batch.bytes: must be a number of bytes"),
        (LEAST + "batch: {bytes: 5 parsecs}\n", ":5: batch.bytes: must be a number of bytes"),
        (LEAST + "worker: a/b\n", ":5: worker: "),
        (LEAST + "worker: true\n", ":5: worker: "),
        (LEAST + "decisions_format: xml\n", ":5: decisions_format: "),
        (LEAST + "create_topics: true\n", ":5: create_topics"),
        (LEAST + "create_topics: {partitions: 0}\n", ":5: create_topics"),
        (LEAST.replace("binding_key: {env: KEY}\n", ""), ": binding_key: is required"),
        (LEAST.replace("{env: KEY}", "{}"), ":4: binding_key: give either env or file"),
        (LEAST.replace("{env: KEY}", "{env: A, file: b}"), ":4: binding_key: give either env or file"),
        (LEAST.replace("{env: KEY}", KEY), ":4: binding_key: "),
        (LEAST.replace("broker: embedded:./log.db\n", ""), "broker: is required"),
        (LEAST.replace("  - activity: agents\n", "  []\n"), ": topics: "),
        (LEAST.replace("activity: agents", "sanitized: agents"), ": topics[0].activity: is required"),
        (LEAST.replace("agents", "a b"), ":3: topics[0].activity: "),
        (LEAST.replace("agents", "'*'"), ":3: topics[0].activity: "),
        (LEAST + "broker: again\n", ":5: "),
        ("", ""),
        ("- a\n", ""),
    ],
)
def test_mistakes(tmp_path: Path, text: str, says: str) -> None:
    """A mistake names line and key, what is wrong, and the key that was meant. No secret is repeated."""
    message = fails(tmp_path, text)
    assert says in message
    assert KEY not in message


@pytest.mark.parametrize(
    ("topics", "says"),
    [
        (["{activity: a, sanitized: a}"], "topics[0].sanitized: 'a' is already the topic of activity"),
        (
            ["{activity: a, approvals: a.decisions}"],
            "topics[0].decisions: 'a.decisions' is already the topic of a",
        ),
        (["{activity: a}", "{activity: a}"], "topics[1].activity: 'a' is listed twice"),
        (
            ["{activity: a}", "{activity: a.sanitized}"],
            "topics[1].activity: 'a.sanitized' is already the topic of s",
        ),
        (
            ["{activity: a}", "{activity: b, quarantine: a}"],
            "topics[1].quarantine: 'a' is already the topic of act",
        ),
    ],
)
def test_topics_that_would_mix(tmp_path: Path, topics: list[str], says: str) -> None:
    """A topic has one role: nothing written is read again, nothing raw is taken for sanitized."""
    text = LEAST.replace("  - activity: agents\n", "".join(f"  - {topic}\n" for topic in topics))
    assert says in fails(tmp_path, text)


def test_several_topics_may_share_outputs(tmp_path: Path) -> None:
    """Two activity topics may go to one sanitized topic."""
    load(
        tmp_path,
        LEAST.replace("agents\n", "agents\n    sanitized: clean\n  - {activity: audit, sanitized: clean}\n"),
    )


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """A configuration that cannot be read is a ConfigError."""
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "nowhere.yaml")


# --- the binding key


def test_key_from_environment(tmp_path: Path) -> None:
    """The key is read from the environment variable that is named."""
    config = load(tmp_path, LEAST)
    assert config.binding_key({"KEY": KEY}) == b"\xab" * 32
    with pytest.raises(ConfigError, match=r":4: binding_key.env: .*KEY is not set.*openssl rand -hex 32$"):
        config.binding_key({})


def test_key_from_file(tmp_path: Path) -> None:
    """The key is read from a file beside the configuration; the error gives the command that makes one."""
    config = load(tmp_path, LEAST.replace("{env: KEY}", "{file: binding.key}"))
    with pytest.raises(ConfigError) as caught:
        config.binding_key({})
    assert str(caught.value).endswith(f"openssl rand -hex 32 > {tmp_path}/binding.key")
    (tmp_path / "binding.key").write_text(KEY + "\n")
    assert config.binding_key({}) == b"\xab" * 32


@pytest.mark.parametrize("key", ["", "short", KEY[:-2], KEY[:-1], "hunter2" * 20, KEY + " " + KEY])
def test_weak_keys(tmp_path: Path, key: str) -> None:
    """A key that is short or not hexadecimal is refused, and not repeated."""
    with pytest.raises(ConfigError, match="at least 32 bytes in hexadecimal") as caught:
        load(tmp_path, LEAST).binding_key({"KEY": key})
    assert not key or key not in caught.value.message
