"""`sluicegate bench`: the benchmark tools, which live in `benchmarks`."""

from benchmarks.cli import bench

__all__ = ["bench"]
