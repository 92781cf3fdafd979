"""The client as it is installed: a small wheel, in an environment of its own."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import sluicegate_client

CLIENT = Path(__file__).parents[2] / "clients" / "python"
FAILS_CLOSED = """
import sluicegate_client as s
try:
    with s.Gate("http://127.0.0.1:9", "sgm_x", timeout=0.2).require("a", "r"):
        raise SystemExit("it ran")
except s.Unavailable as error:
    print(error)
"""


def test_the_wheel_works_alone(tmp_path: Path) -> None:
    """Installed into a fresh environment with nothing of Sluicegate beside it, it imports, asks, and fails closed."""
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", tmp_path, CLIENT], check=True, timeout=300)
    (wheel,) = tmp_path.glob("sluicegate_client-*-py3-none-any.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert "sluicegate_client/py.typed" in held
    assert {name.partition("/")[0] for name in held if ".dist-info" not in name} == {"sluicegate_client"}
    fresh = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", fresh], check=True, timeout=120)
    python = fresh / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "-q", wheel], check=True, timeout=300)
    done = subprocess.run(
        [python, "-c", FAILS_CLOSED], check=True, capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert "nothing was approved" in done.stdout
    told = subprocess.run([python, "-c", "import engine"], check=False, capture_output=True, timeout=60, cwd=tmp_path)
    assert told.returncode == 1
    helped = subprocess.run(
        [fresh / "bin" / "sluicegate-gate", "exec", "--help"], check=True, capture_output=True, text=True
    )
    assert "exit codes" in helped.stdout


def test_the_public_names_are_these() -> None:
    """A name more or less is a decision, not an accident."""
    assert sorted(sluicegate_client.__all__) == [
        *("Approval", "AsyncGate", "AsyncPending", "ClarificationAsked", "Denied", "Expired", "Gate", "GateError"),
        *("Grant", "Intent", "JsonValue", "Misconfigured", "NotApproved", "Pending", "Principal", "Question"),
        *("Refused", "Repeated", "TokenRejected", "Unavailable", "Undecided", "Waiting", "Withdrawn"),
        *("digest", "verify"),
    ]
    assert all(hasattr(sluicegate_client, name) for name in sluicegate_client.__all__)


@pytest.mark.parametrize("kind", ["Gate", "Pending"])
def test_both_gates_have_the_same_calls(kind: str) -> None:
    """With the same parameters, in the same order, and the same words about them."""

    def calls(file: str, name: str) -> dict[str, str]:
        tree = ast.parse((CLIENT / "sluicegate_client" / file).read_text())
        (found,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
        functions = [n for n in found.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        arguments = {n.name: [a.arg for a in (*n.args.args, *n.args.kwonlyargs)] for n in functions}
        return {name: str(some) for name, some in arguments.items() if not name.startswith("_")}

    assert calls("gate.py", kind) == calls("aio.py", f"Async{kind}")
