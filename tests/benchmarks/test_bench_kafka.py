"""`sluicegate bench` on a real Kafka: it measures there, and leaves nothing behind."""

from __future__ import annotations

from bench_command import bench_json
from confluent_kafka.admin import AdminClient

QUICK = ("--records", "200", "--rules", "1")


def left_over(servers: str) -> list[str]:
    found = AdminClient({"bootstrap.servers": servers}).list_topics(timeout=30).topics
    return [name for name in found if name.startswith("sluicegate-bench")]


def test_throughput_on_kafka(kafka_servers: str) -> None:
    """The engine and the relay move the same records through it, exactly once; the topics are gone afterwards."""
    broker = f"kafka://{kafka_servers}"
    found = bench_json("throughput", *QUICK, "--repetitions", "1", "--stream-records", "2000", "--broker", broker)
    assert found["relay"]["records"] == found["engine"]["records"] == 2000
    assert found["ratios"]["engine/relay"] > 0
    assert left_over(kafka_servers) == []


def test_latency_on_kafka(kafka_servers: str) -> None:
    """Direct and through the engine; the engine adds its commits."""
    found = bench_json(
        *("latency", *QUICK, "--rate", "100", "--seconds", "1", "--repetitions", "1", "--commit-interval", "300"),
        *("--broker", f"kafka://{kafka_servers}"),
    )
    direct, engine = found["latency"]
    assert direct["p50_ms"] > 0
    assert engine["p50_ms"] > 100, "half of them wait half of 300 ms and more for a commit"
    assert left_over(kafka_servers) == []


def test_workers_and_memory_on_kafka(kafka_servers: str) -> None:
    """One worker, and two of a group; a worker's memory is watched while its topic is filled."""
    broker = ("--rules", "1", "--broker", f"kafka://{kafka_servers}")
    found = bench_json(
        *("scaling", "workers", "--workers", "2", "--volume", "0.1", "--repetitions", "1", "--stream-records", "1500"),
        *broker,
    )
    _, group = found["series"]
    one, two = group["points"]
    assert one["records_per_s"] > 0
    assert "records_per_s" in two or "more records" in two["skipped"]  # so few may be done before the second joins
    soaked = bench_json("soak", "--records", "2000", *broker)["soak"]
    assert soaked["records"] == 2000
    assert left_over(kafka_servers) == []
