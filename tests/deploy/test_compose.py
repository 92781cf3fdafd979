"""docker-compose.yml: against the published schema, and its services started by hand in their order.

No Docker engine runs here. The commands, environments, files, health checks and conditions are those of the
file (see `containers` for what is mapped); Kafka is configured as its image does it, by the class in Kafka that
turns the image's environment into properties. Not checked: images, networks, users and capabilities as such.
"""

from __future__ import annotations

import html
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import yaml
from containers import System
from kafka_cluster import Missing

from approvals.people import load_people
from engine.brokers import open_broker
from engine.config import load_config
from engine.records import ActivityRecord

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("sluicegate:")]
ONCE = ["keys", "topics"]
STAYING = [name for name in SERVICES if name not in ONCE]


def test_the_file_keeps_to_the_published_schema() -> None:
    """The JSON Schema of the Compose specification, as the check-jsonschema package brings it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_may_do_little(name: str) -> None:
    """It is not root, gains no privileges, and writes to its volumes and a small /tmp only."""
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "env_file", "network_mode"} & service.keys() or name == "keys"


def test_what_stays_is_watched_and_started_again() -> None:
    """Each service that stays has a health check and a restart policy; what runs once has neither."""
    for name in STAYING:
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert {"test", "interval", "timeout", "retries", "start_period"} <= SERVICES[name]["healthcheck"].keys()
    for name in ONCE:
        assert SERVICES[name]["restart"] == "no"
        assert SERVICES[name]["healthcheck"] == {"disable": True}


def test_the_engine_waits_for_what_runs_once() -> None:
    """Which is also how `docker compose up --wait` knows that those are meant to end."""
    assert {n: SERVICES["engine"]["depends_on"][n]["condition"] for n in ONCE} == dict.fromkeys(
        ONCE, "service_completed_successfully"
    )


def test_what_is_kept_is_in_named_volumes() -> None:
    """All that a service writes outside /tmp; what comes from the tree is read-only."""
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source, *rest = volume.split(":")
            assert rest[-1] == "ro" if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_page_is_for_this_machine_only() -> None:
    """The one port is published on 127.0.0.1, as the reviewer's option says, and only Kafka shares its network."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"reviewer": ["127.0.0.1:8787:8787"]}
    assert "--published-on-loopback" in SERVICES["reviewer"]["command"]
    [network] = SERVICES["reviewer"]["networks"]
    assert [n for n, service in SERVICES.items() if network in service.get("networks", ())] == ["kafka", "reviewer"]


def test_the_engine_has_no_way_out() -> None:
    """It reads raw records, and its network leads nowhere but to Kafka."""
    assert SERVICES["engine"]["networks"] == ["streams"]
    assert COMPOSE["networks"]["streams"] == {"internal": True}


def test_no_secret_is_in_the_files() -> None:
    """The binding key is in a volume that the engine may read, and that the service that makes it may write."""
    config = load_config(ROOT / "deploy" / "compose" / "sluicegate.yaml")
    assert config.file.binding_key.file == "/keys/binding.key"
    mounts = {name: volume for name, s in SERVICES.items() for volume in s.get("volumes", ()) if "keys:" in volume}
    assert mounts == {"keys": "keys:/keys", "engine": "keys:/keys:ro"}
    people = load_people(ROOT / "deploy" / "compose" / "people.yaml")
    assert [(p.id, p.demo, p.token_hash) for p in people.values()] == [("ada", True, None), ("grace", True, None)]
    assert not re.search(r"password|secret|token", FILE.read_text(), re.IGNORECASE)


# --- Up and running -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All services up; the sample agents work faster than they do there, so that nobody waits for them."""
    try:
        system = System(ROOT, COMPOSE, tmp_path_factory.mktemp("compose"), {("sample", "10"): "200"})
        try:
            system.up()
            yield system
        finally:
            system.down()
    except Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"KAFKA TESTS NOT RUN: {missing}")
        pytest.skip(f"KAFKA TESTS NOT RUN: {missing}")


def until(found: Callable[[], T | None], what: str, seconds: float = 60) -> T:
    end = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < end, what
        time.sleep(0.2)
    return result


def records(system: System, topic: str) -> list[ActivityRecord]:
    """What a read-committed reader finds in ``topic`` in a moment: more comes all the time."""
    with open_broker(f"kafka://127.0.0.1:{system.kafka_port}") as broker:
        reader = broker.reader([topic])
        try:
            found: list[ActivityRecord] = []
            end = time.monotonic() + 2
            while (left := end - time.monotonic()) > 0:
                found += reader.poll(5000, left)
            return found
        finally:
            reader.close()


def values(system: System, topic: str) -> list[bytes]:
    """The same, without what is around it."""
    return [record.value or b"" for record in records(system, topic)]


@pytest.mark.parametrize("name", STAYING)
def test_each_service_becomes_healthy(system: System, name: str) -> None:
    """By its own check."""
    system.await_condition(name, "service_healthy")


def test_the_key_is_made_once(system: System) -> None:
    """It is for its owner only, the engine takes it, and another start leaves it as it is."""
    key = system.place("keys", "/keys") / "binding.key"
    before = key.read_text()
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    system.start("keys")
    system.await_condition("keys", "service_completed_successfully")
    assert key.read_text() == before


def test_topics_that_are_there_are_fine(system: System) -> None:
    """So that a second start comes up like the first."""
    system.start("topics")
    system.await_condition("topics", "service_completed_successfully")
    assert "all topics are there" in system.log("topics")


def test_records_flow_from_the_agents_to_the_clean_topic(system: System) -> None:
    """Raw e-mail addresses that agents wrote are not in it, what replaced them is."""
    clean = until(lambda: len(found := values(system, "activity.sanitized")) > 300 and found, system.log("engine"))
    assert any(b"[EMAIL_ADDRESS]" in value for value in clean)
    raw = values(system, "activity")
    address = re.compile(rb"[a-z.]+@example\.(?:com|net|org)")
    assert any(address.search(value) for value in raw)
    assert not any(address.search(value) for value in clean)


def test_a_person_decides_on_the_page(system: System) -> None:
    """Through the published port: signs in by name, approves, and the record is released to the clean topic."""
    csrf = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
    target = re.compile(r"To approve, type <code>([^<]*)</code>")
    with httpx.Client(base_url=f"http://127.0.0.1:{system.page_port}", trust_env=False, timeout=10) as page:

        def form(path: str) -> dict[str, str]:
            text = page.get(path).text
            found, wanted = csrf.search(text), target.search(text)
            assert found is not None
            return {"csrf": found[1], "typed": html.unescape(wanted[1]) if wanted else ""}

        def approve_all() -> None:
            for person in ("ada", "grace"):  # whoever is no party to it
                assert page.post("/sign-in", data={**form("/sign-in"), "person": person}).status_code == 303
                for request in set(re.findall(r"/requests/(req_\w+)", page.get("/").text)):
                    more = {"decision": "approve", "version": "1", "reason": "expected"}
                    page.post(f"/requests/{request}/vote", data={**form(f"/requests/{request}"), **more})

        def released() -> list[ActivityRecord]:
            approve_all()
            clean = records(system, "activity.sanitized")
            return [one for one in clean if any(name == "sluicegate-released" for name, _ in one.headers)]

        until(released, system.log("reviewer"))


def test_only_this_machines_names_are_served(system: System) -> None:
    """A page elsewhere that makes a browser believe it is this one gets nothing, although all addresses are open."""
    answer = httpx.get(
        f"http://127.0.0.1:{system.page_port}/sign-in", headers={"host": "reviewer.example.com"}, trust_env=False
    )
    assert answer.status_code == 421


@pytest.mark.parametrize("name", ["sample", "reviewer", "engine", "kafka"])
def test_what_stops_ends_well_and_is_no_longer_healthy(system: System, name: str) -> None:
    """Each stops on SIGTERM with exit code 0 (Java: 143), and its check says so at once, or when it is a minute old."""
    assert system.health(name) == 0
    assert system.stop(name) == (143 if name == "kafka" else 0), system.log(name)
    assert "Traceback" not in system.log(name)
    heartbeat = system.place(name, "/tmp") / "sluicegate.alive"
    if heartbeat.exists():
        os.utime(heartbeat, (time.time() - 61, time.time() - 61))
    with pytest.raises((AssertionError, subprocess.TimeoutExpired)):
        assert system.health(name) == 0
