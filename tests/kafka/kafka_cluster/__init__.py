"""A real Apache Kafka for the tests: found or resolved, formatted, started, stopped, killed."""

from kafka_cluster.cluster import Cluster, ClusterError
from kafka_cluster.jars import Missing, jars

__all__ = ["Cluster", "ClusterError", "Missing", "jars"]
