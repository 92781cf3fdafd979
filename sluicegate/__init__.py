"""Sluicegate: redact before it lands; ask before it runs."""

from importlib.metadata import version

__version__ = version("sluicegate")
