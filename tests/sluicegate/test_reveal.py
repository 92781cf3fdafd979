"""`sluicegate reveal`, run as a process: values for holders of the key, and a line in the log for each use."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from engine.tokens import KeyRing, SecretKey

SECRET = "0123456789abcdef0123456789abcdef"
VALUE = b"jane@corp.example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two keys, and a policy that lists both."""
    (tmp_path / "k1.key").write_text(SECRET + "\n")
    (tmp_path / "k2.key").write_text(SECRET[::-1] + "\n")
    (tmp_path / "policy.yaml").write_text(
        "redaction: {default: tokenize}\nkeys: [{id: k2, file: k2.key}, {id: k1, file: k1.key}]\n"
    )
    return tmp_path


def token(tenant: str = "", value: bytes = VALUE, key: str = "k1") -> str:
    """As the key in k1.key writes it, whatever its name in the token."""
    writing = KeyRing([SecretKey(key, SECRET.encode())]).writing(tenant)
    assert writing is not None
    return writing.tokenize("EMAIL_ADDRESS", value).decode()


def run(folder: Path, *arguments: str, given: bytes = b"", code: int = 0) -> tuple[bytes, str]:
    """What comes out, on stdout and on stderr."""
    command = [sys.executable, "-m", "sluicegate", "reveal", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60, cwd=folder)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout, done.stderr.decode()


def test_an_older_key_of_the_policy_reveals(folder: Path) -> None:
    """And the log says who, when, which key, what kind and how many, not what."""
    out, err = run(folder, "--policy", "policy.yaml", token(), token(value=b"x"), token())
    assert out == VALUE + b"\nx\n" + VALUE + b"\n"
    [line] = map(json.loads, err.splitlines())
    assert line.pop("time").endswith("+00:00")
    user = pwd.getpwuid(os.getuid()).pw_name
    assert line == {"user": user, "tenant": "", "key": "k1", "entity": "EMAIL_ADDRESS", "count": 3, "revealed": True}


def test_the_user_is_not_taken_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can set that."""
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    _, err = run(folder, "--key-file", "k1.key", token())
    assert "somebody-else" not in err


def test_a_stream_is_copied_with_the_values_in_it(folder: Path) -> None:
    """JSON in JSON stays valid; what is no token, a hash among it, stays byte for byte; the log is appended to."""
    text = token("acme", b'a "b" \\').encode()
    given = b'{"n":1.0,"a":"{\\"b\\":\\"%b\\"}"}\r\n[EMAIL_ADDRESS:k1:%b]\n\xff no end %b' % (text, b"0" * 32, text)
    for count in (1, 2):
        out, err = run(folder, "--key-file", "k1.key", "--tenant", "acme", "--log", "log", given=given)
        first, second, third = out.split(b"\n")
        assert json.loads(json.loads(first)["a"])["b"] == 'a "b" \\'
        assert first.endswith(b"\r")
        assert second == b"[EMAIL_ADDRESS:k1:" + b"0" * 32 + b"]"
        assert third == b'\xff no end a "b" \\'
        assert err == ""
        lines = list(map(json.loads, (folder / "log").read_text().splitlines()))
        assert sum(line["count"] for line in lines) == 2 * count
    assert (folder / "log").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (token(key="k9"), "1 token not revealed: the key 'k9' is unknown; known: k2, k1"),
        (token("acme"), "1 token not revealed: changed, of another tenant, or written by another key than this 'k1'"),
        (token(key="k2"), "1 token not revealed: changed, of another tenant, or written by another key than this 'k2'"),
        (token()[:-3] + "A]", "1 token not revealed: changed, of another tenant"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(folder: Path, bad: str, says: str) -> None:
    """Exit code 1; the others come out, and in a stream such a token stays as it is. It is logged, too."""
    for arguments, given, expected in (
        ([bad, token()], b"", VALUE + b"\n"),
        ([], f"{bad} {token()}\n".encode(), bad.encode() + b" " + VALUE + b"\n"),
    ):
        out, err = run(folder, "--policy", "policy.yaml", "--log", "log", *arguments, given=given, code=1)
        assert out == expected
        assert err.startswith(f"sluicegate: {says}")
        assert err.count("\n") == 1
    log = (folder / "log").read_text()
    assert [json.loads(line)["revealed"] for line in log.splitlines()].count(False) == 2
    assert "jane" not in log + err


def test_a_word_that_is_no_token_is_not_repeated(folder: Path) -> None:
    """It may be the value itself, pasted by mistake."""
    out, err = run(folder, "--key-file", "k1.key", "jane@corp.example.com", code=1)
    assert out == b""
    assert "not a token that can be revealed" in err
    assert "jane" not in err


def test_nothing_is_revealed_that_cannot_be_logged(folder: Path) -> None:
    """The log comes first."""
    for log, code in (("/dev/full", 1), ("no/such/folder", 2)):
        out, err = run(folder, "--key-file", "k1.key", "--log", log, token(), code=code)
        assert out == b""
        assert err.startswith("sluicegate: ")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say where the key is"),
        (["--policy", "policy.yaml", "--key-file", "k1.key"], "say where the key is"),
        (["--key-file", "none"], "none: no such file or directory"),
        (["--key-file", "short"], "a key needs at least 16 bytes"),
        (["--key-file", "k1.key", "--key-id", "a b"], "--key-id"),
        (["--policy", "keyless.yaml"], "keyless.yaml: names no key"),
        (["--policy", "broken.yaml"], "broken.yaml:2: keys[1]: no.key: no such file"),
    ],
)
def test_without_a_key_nothing_is_read(folder: Path, arguments: list[str], says: str) -> None:
    """Exit code 2, and what to change."""
    (folder / "short").write_text("short")
    (folder / "keyless.yaml").write_text("name: x\n")
    (folder / "broken.yaml").write_text("keys: [{id: k2, file: k2.key},\n  {id: k1, file: no.key}]\n")
    out, err = run(folder, *arguments, given=b"x", code=2)
    assert out == b""
    assert says in err
