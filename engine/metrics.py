"""What a worker shows to Prometheus, and the small server that does it.

The worker knows nothing of this: a scrape reads its `engine.progress.Progress`. Labels are names from the
configuration, the policy and the rules, never anything that stood in a record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from time import time

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from engine.ledger.model import OutcomeKind
from engine.progress import BUCKETS, Progress

log = logging.getLogger(__name__)

METRICS = {
    # -- what was done: counted when it is committed, from the start of the process
    "sluicegate_records_total": "Records read.",
    "sluicegate_bytes_total": "Bytes of the values read.",
    "sluicegate_outcomes_total": "Records by what became of them. Label: outcome.",
    "sluicegate_redactions_total": "Redactions by what was found. Label: entity.",
    "sluicegate_batches_total": "Batches, one transaction each.",
    "sluicegate_aborted_batches_total": "Batches of which nothing was committed, to be read again.",
    "sluicegate_batch_seconds": "Histogram: seconds from having read a batch to having committed it.",
    # -- how far behind: measured every few seconds, for the partitions that this worker owns
    "sluicegate_lag_records": "Offsets from what the group committed to the partition's end. Labels: topic, partition.",
    "sluicegate_lag_measured_timestamp_seconds": "When the lag was last measured: not while no broker answers.",
    # -- who
    "sluicegate_worker_info": "Always 1. Labels: worker, group, policy (its digest).",
    "sluicegate_worker_start_timestamp_seconds": "When this process began; a change tells of a restart.",
}
"""All names, with what they say."""


class WorkerMetrics(Collector):
    """One worker's progress, as it is at the moment of a scrape."""

    def __init__(self, progress: Progress, *, group: str, policy: str) -> None:
        self._progress, self._group, self._policy = progress, group, policy
        self._started = time()

    def collect(self) -> Iterator[Metric]:
        """Each of `METRICS`; the lag once it is known."""
        counters, lag = self._progress.counters, self._progress.lag
        yield _counter("sluicegate_records_total", counters.records)
        yield _counter("sluicegate_bytes_total", counters.bytes)
        outcomes, redactions = dict(counters.outcomes), dict(counters.redactions)
        yield _counters("sluicegate_outcomes_total", "outcome", {str(one): outcomes.get(one, 0) for one in OutcomeKind})
        yield _counters("sluicegate_redactions_total", "entity", redactions)
        yield _counter("sluicegate_batches_total", counters.batches)
        yield _counter("sluicegate_aborted_batches_total", counters.aborted)
        name = "sluicegate_batch_seconds"
        ends = [*map(str, BUCKETS), "+Inf"]
        buckets = list(zip(ends, accumulate(counters.buckets), strict=True))
        yield HistogramMetricFamily(name, METRICS[name], buckets=buckets, sum_value=counters.batch_seconds)
        if lag is not None:
            name = "sluicegate_lag_records"
            family = GaugeMetricFamily(name, METRICS[name], labels=["topic", "partition"])
            for (topic, partition), records in lag.partitions.items():
                family.add_metric([topic, str(partition)], records)
            yield family
            yield _gauge("sluicegate_lag_measured_timestamp_seconds", lag.measured)
        name = "sluicegate_worker_info"
        info = GaugeMetricFamily(name, METRICS[name], labels=["worker", "group", "policy"])
        info.add_metric([self._progress.name, self._group, self._policy], 1)
        yield info
        yield _gauge("sluicegate_worker_start_timestamp_seconds", self._started)


def _counter(name: str, value: float) -> Metric:
    return CounterMetricFamily(name, METRICS[name], value=value)


def _counters(name: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, METRICS[name], labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, METRICS[name], value=value)


@contextmanager
def serving(metrics: WorkerMetrics, host: str, port: int) -> Iterator[None]:
    """``metrics`` on ``http://HOST:PORT/metrics``, from a thread of its own. Raises OSError if it cannot listen."""
    registry = CollectorRegistry()
    registry.register(metrics)
    server, thread = start_http_server(port, host, registry)
    log.info("metrics on http://%s:%d/metrics", f"[{host}]" if ":" in host else host, server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
