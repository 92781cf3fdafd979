"""The model for names as a process has it."""

from __future__ import annotations

import subprocess
import sys

import pytest

READS = """
import os
from detectors.ner.model import load_model
model = load_model("sluicegate")
model.find(["My name is Jane Doe, and I live in Berlin with Omar Rossi."] * 500)
import numpy
square = numpy.ones((600, 600), "f")
square @ square
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads by /proc")
def test_it_reads_in_one_thread() -> None:
    """Workers are processes: threads of each for the products of matrices would fight for the same cores."""
    done = subprocess.run([sys.executable, "-c", READS], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "1\n"
