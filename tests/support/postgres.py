"""A real PostgreSQL for tests, started once on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

MISSING = "POSTGRESQL TESTS NOT RUN: no initdb found. Install it: apt-get install postgresql"
_numbers = count(1)


def binaries() -> Path | None:
    """The folder of PostgreSQL's server programs, the newest if there are several."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if path.parts[-3].isdigit()]
    return max(versions, key=lambda path: int(path.parts[-3])).parent if versions else None


@contextmanager
def running() -> Iterator[str]:
    """A server for the time of the block: the URL of its database ``postgres``. It listens on no network."""
    folder = binaries()
    if folder is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        print(f"\n*** {MISSING} ***", file=sys.stderr)
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as name:  # a socket's path must be short
        home = Path(name)
        data = home / "data"
        as_user: list[str] = []
        if os.getuid() == 0:  # the server refuses to run as root
            shutil.chown(home, "postgres")
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

        def run(*command: object) -> None:
            subprocess.run([*as_user, *map(str, command)], check=True, timeout=60, cwd=home, stdout=subprocess.DEVNULL)

        run(folder / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        settings = f"-c listen_addresses='' -c unix_socket_directories={home} -c max_connections=200 -c fsync=off"
        run(folder / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", settings, "start")
        try:
            yield f"postgresql://tester@/postgres?host={home}"
        finally:
            run(folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def fresh(server: str) -> str:
    """The URL of a new, empty database on ``server``."""
    import psycopg

    name = f"t{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return server.replace("/postgres?", f"/{name}?")
