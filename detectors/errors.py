"""The exception tree of Sluicegate.

::

    SluicegateError
    ├── ConfigError           a rule, policy or configuration file cannot be used: names file, line and key
    ├── BudgetExceeded        a record needs more bytes, layers or candidates than it may have
    ├── Unreadable            (sluicegate.library) a value could not be read safely, and is not given back
    ├── LedgerError           (engine.ledger.codec) what should be a message of the ledger is none
    ├── CrashLoop             (engine.supervisor) a worker died again and again without getting on
    ├── WorkerFailed          (engine.supervisor) a worker did not end in order
    ├── EngineError           (engine.worker) the engine would break a promise, and stopped before it did
    └── BrokerError           (engine.brokers.base) the log that records travel on
        ├── BrokerUnavailable     not reachable now; retrying may help
        ├── TransactionAborted    nothing of the batch was committed; read it again
        ├── MessageTooLarge       (engine.brokers.limits) one record is above the broker's limit
        └── Fenced                another worker took over this identity; stop

No message of these ever carries a value from a record.
"""

from __future__ import annotations

from pathlib import Path


class SluicegateError(Exception):
    """The root: whatever Sluicegate raises on purpose."""


class ConfigError(SluicegateError):
    """A file that configures Sluicegate cannot be used.

    ``str(error)`` is one readable line: ``FILE:LINE: KEY: what is wrong (a suggestion)``.
    """

    def __init__(self, message: str, *, file: Path | str | None = None, line: int | None = None, key: str = "") -> None:
        self.message, self.file, self.line, self.key = message, file, line, key
        where = "" if file is None else f"{file}:{line}: " if line is not None else f"{file}: "
        super().__init__(f"{where}{key + ': ' if key else ''}{message}")


class BudgetExceeded(SluicegateError):
    """A record needs more than it may have. ``budget`` names which: bytes, depth, layers, names, …"""

    def __init__(self, budget: str, limit: int) -> None:
        self.budget, self.limit = budget, limit
        super().__init__(f"over the {budget} budget of {limit:,}")
