"""The jars of Kafka, as `pom.xml` beside this package names them: resolved by Maven once, then kept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).parents[1] / "pom.xml"
JAVA = 17  # the oldest Java that runs a Kafka 4 broker
TIMEOUT = 600.0  # seconds for Maven, on a slow line


class Missing(Exception):
    """Something that has to be installed is not there; the message says what."""


def java() -> str:
    """The path of a Java that is new enough."""
    found = shutil.which("java")
    if found is None:
        raise Missing("no java found. Install it: apt-get install openjdk-17-jre-headless maven")
    version = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', version)
    if match is None or int(match[1]) < JAVA:
        raise Missing(f"java is older than {JAVA}. Install it: apt-get install openjdk-17-jre-headless")
    return found


def jars() -> Path:
    """The directory of the jars. A change of the pom makes a new one; several processes may ask at once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluicegate"
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    there = cache / f"kafka-{digest}"
    if there.is_dir():
        return there
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("no mvn found. Install it: apt-get install maven")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="kafka-") as directory:
        ready = Path(directory) / "jars"
        command = [maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={ready}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if done.returncode:
            raise Missing(f"Maven could not resolve Kafka:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        try:
            ready.rename(there)
        except OSError:
            if not there.is_dir():  # else another process was first
                raise
    return there
