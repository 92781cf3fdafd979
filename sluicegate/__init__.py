"""Sluicegate: redact before it lands; ask before it runs.

What is listed in ``__all__`` is the public surface; everything else may change with any version. Whatever needs
the engine is loaded when it is asked for, so that ``import sluicegate`` costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detectors.errors import ConfigError, SluicegateError
    from engine.ledger.model import Redaction
    from sluicegate.library import Cleaned, Sanitizer, Unreadable

__version__ = version("sluicegate")

_HOMES = {
    "Cleaned": "sluicegate.library",
    "ConfigError": "detectors.errors",
    "Redaction": "engine.ledger.model",
    "Sanitizer": "sluicegate.library",
    "SluicegateError": "detectors.errors",
    "Unreadable": "sluicegate.library",
}

__all__ = ["Cleaned", "ConfigError", "Redaction", "Sanitizer", "SluicegateError", "Unreadable", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sluicegate' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
