"""Services of a compose file as processes of this machine: the same commands, environment, files and order.

What a container has for itself is mapped: its volumes and /tmp to folders, the addresses of its services to free
ports of 127.0.0.1, ``sluicegate`` and ``python`` to ours, Kafka's scripts to the Java classes that they run.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dockerfile import read_dockerfile
from kafka_cluster import jars
from kafka_cluster.cluster import die_with_parent, free_port
from kafka_cluster.jars import java

PATIENCE = 90.0
_SCRIPTS = {"kafka-configs.sh": "kafka.admin.ConfigCommand"}


class System:
    """The services of ``compose`` (a parsed compose file in ``root``), with what they keep below ``folder``.

    ``swaps`` are changes to words of commands, in the manner of an override file: ``{("sample", "10"): "200"}``.
    """

    def __init__(self, root: Path, compose: Mapping[str, Any], folder: Path, swaps: Mapping[tuple[str, str], str]):
        self.root, self.folder, self.swaps = root, folder, swaps
        self.services: Mapping[str, Any] = compose["services"]
        self.kafka_port, self.controller_port, self.page_port = free_port(), free_port(), free_port()
        self.addresses = {
            "PLAINTEXT://:9092": f"PLAINTEXT://127.0.0.1:{self.kafka_port}",
            "kafka:9092": f"127.0.0.1:{self.kafka_port}",
            "localhost:9093": f"localhost:{self.controller_port}",
            "8787": str(self.page_port),
        }
        self.image = read_dockerfile(root / "Dockerfile")[-1]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.started: list[str] = []

    def up(self) -> None:
        """Starts everything, each service when the conditions of its ``depends_on`` hold."""
        waiting = dict(self.services)
        while waiting:
            name = next(name for name, one in waiting.items() if set(one.get("depends_on", ())) <= set(self.started))
            for other, how in waiting.pop(name).get("depends_on", {}).items():
                self.await_condition(other, how["condition"])
            self.start(name)

    def await_condition(self, name: str, condition: str) -> None:
        """Returns when service ``name`` is ``service_healthy``, or has ended well."""
        if condition == "service_completed_successfully":
            assert self.running[name].wait(PATIENCE) == 0, self.log(name)
            return
        assert condition == "service_healthy"
        end = time.monotonic() + PATIENCE
        while self.health(name) != 0:
            assert self.running[name].poll() is None, self.log(name)
            assert time.monotonic() < end, self.log(name)
            time.sleep(0.2)

    def start(self, name: str) -> None:
        """Starts the container's command."""
        service = self.services[name]
        environment = self.environment(name)
        if service["image"].startswith("apache/kafka"):
            command = self._kafka(name, environment)
        else:
            entrypoint = service.get("entrypoint") or self.image.command("ENTRYPOINT")
            command = self._mapped(name, [*entrypoint, *(service.get("command") or self.image.command("CMD"))])
        self.place(name, "/tmp").mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=self.place(name, "/tmp"),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )
        self.started.append(name)

    def health(self, name: str) -> int:
        """The exit code of the service's health check, run as it is written."""
        check = self.services[name]["healthcheck"]
        assert check["test"][0] == "CMD"
        command = self._mapped(name, check["test"][1:])
        if command[0].startswith("/opt/kafka/bin/"):
            command = [*self._java(), _SCRIPTS[Path(command[0]).name], *command[1:]]
        done = subprocess.run(
            command,
            env=self.environment(name),
            capture_output=True,
            timeout=int(check["timeout"].removesuffix("s")),
            check=False,
        )
        return done.returncode

    def stop(self, name: str, signum: signal.Signals = signal.SIGTERM) -> int:
        """Stops a service, and gives its exit code."""
        self.running[name].send_signal(signum)
        return self.running[name].wait(30)

    def down(self) -> None:
        """Ends what still runs, the last that was started first."""
        for name in reversed(self.started):
            if self.running[name].poll() is None:
                self.stop(name, signal.SIGKILL)

    def log(self, name: str) -> str:
        """What a service printed."""
        return f"{name}: {(self.folder / f'{name}.log').read_text(errors='replace')[-4000:]}"

    def environment(self, name: str) -> dict[str, str]:
        """The image's and the service's, and nothing of ours but where programs are."""
        service = self.services[name]
        own = {} if service["image"].startswith("apache/kafka") else self.image.environment()
        given = {key: str(value) for key, value in service.get("environment", {}).items()}
        mapped = {key: self._map(name, value) for key, value in (own | given).items()}
        home = self._map(name, "/var/lib/sluicegate")
        return mapped | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": home, "LANG": "C.UTF-8"}

    def place(self, name: str, path: str) -> Path:
        """Where a folder of the container is."""
        return self._places(name)[path]

    def _places(self, name: str) -> dict[str, Path]:
        places = {"/tmp": self.folder / name / "tmp", "/var/lib/sluicegate": self.folder / name / "lib"}
        for volume in self.services[name].get("volumes", ()):
            source, target = volume.split(":")[:2]
            named = not source.startswith(".")
            places[target] = self.folder / ("volumes" if named else name) / source.removeprefix("./")
        for volume in self.services[name].get("volumes", ()):
            source, target = volume.split(":")[:2]
            if not source.startswith(".") or places[target].exists():
                places[target].mkdir(parents=True, exist_ok=True)
                continue
            shutil.copytree(self.root / source, places[target])
            for file in places[target].iterdir():
                file.write_text(self._replace(file.read_text(), places))
        return places

    def _mapped(self, name: str, command: list[str]) -> list[str]:
        words = [self.swaps.get((name, word), word) for word in command]
        return [sys.executable if word == "python" else self._map(name, word.replace("$$", "$")) for word in words]

    def _map(self, name: str, text: str) -> str:
        return self._replace(text, self._places(name))

    def _replace(self, text: str, places: Mapping[str, Path]) -> str:
        table = {**{path: str(place) for path, place in places.items()}, **self.addresses}
        found = "|".join(map(re.escape, sorted(table, key=len, reverse=True)))
        return re.sub(rf"(?<![\w.-])({found})(?![\w-])", lambda match: table[match[1]], text)

    def _kafka(self, name: str, environment: Mapping[str, str]) -> list[str]:
        """What the image's ``run`` script does: properties from the environment, a formatted folder, the broker."""
        folders = {kind: self.folder / name / kind for kind in ("default", "mounted", "final")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        for file in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (folders["default"] / file).touch()
        arguments = [word for kind, folder in folders.items() for word in (f"--{kind}-configs-dir", str(folder))]
        set_up = [*self._java(), "kafka.docker.KafkaDockerWrapper", "setup", *arguments]
        done = subprocess.run(set_up, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        options = self.services[name]["environment"]["KAFKA_HEAP_OPTS"].split()
        return [*self._java(*options), "kafka.Kafka", str(folders["final"] / "server.properties")]

    def _java(self, *options: str) -> list[str]:
        quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        return [java(), *options, *quick, "-cp", f"{jars()}/*"]
