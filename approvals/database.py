"""Opens the reviewer's database, SQLite or PostgreSQL, and brings an older one up to date.

The shape of the database is a number of steps, `approvals.migrations`; its own record of how far they were taken is
Alembic's. A database of a newer program is not touched.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, OperationalError

from approvals.rows import StoreError
from approvals.tables import metadata, writing
from detectors.errors import ConfigError

FIRST = "0001"
"""What a database has that was made before steps were counted."""

_IDLE_SECONDS = 1.0


def open_engine(database: Path | str) -> Engine:
    """An engine on the SQLite file at a path, or on a PostgreSQL by its URL (``postgresql://user@host/name``).

    A new file is readable by its owner only. Raises ConfigError for a URL that cannot be used, StoreError for a
    database of a newer program or one that cannot be reached; neither says a password.
    """
    engine = _sqlite(database) if isinstance(database, Path) else _postgresql(database)
    with ExitStack() as opened:
        opened.callback(engine.dispose)
        try:
            with writing(engine) as connection:
                bring_up_to_date(connection)
        except OperationalError:
            message = "the reviewer's database cannot be opened; is it there, and may this user use it?"
            raise StoreError(message) from None
        opened.pop_all()
    return engine


def _sqlite(path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, so that a write locks from its start
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("sluicegate_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(text: str) -> Engine:
    try:
        url: URL = make_url(text)
    except ArgumentError:
        raise ConfigError("is neither a path nor a URL like 'postgresql://user@host/name'", key="database") from None
    if url.get_backend_name() != "postgresql":
        raise ConfigError(f"'{url.get_backend_name()}' is not supported: SQLite or postgresql://", key="database")
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",  # of what only reads, which then costs no BEGIN and no COMMIT
            pool_size=10,
            max_overflow=30,
        )
    except ImportError:
        message = "PostgreSQL needs a driver: pip install 'sluicegate[postgres]'"
        raise ConfigError(message, key="database") from None
    _ask_the_idle(engine)
    return engine


def _ask_the_idle(engine: Engine) -> None:
    """Has connections that were not used for a while asked whether they still stand; not all, it is a round trip."""

    @event.listens_for(engine, "checkin")
    def _used(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _asked(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used", -_IDLE_SECONDS) < _IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise DisconnectionError from None


def bring_up_to_date(connection: Connection) -> None:
    """Takes the steps that the database lacks, in the transaction of ``connection``. Raises StoreError if it is newer.

    The tables of a new one are made at once.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(files("approvals") / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(connection)
    head, there = str(script.get_current_head()), context.get_current_revision()
    if there == head:
        return
    if there is None:
        if not inspect(connection).has_table("requests"):
            metadata.create_all(connection)
            append_only(connection)
            context.stamp(script, head)
            return
        context.stamp(script, FIRST)
    else:
        try:
            script.get_revision(there)
        except CommandError:
            raise StoreError(
                f"the database is of a newer program: it has step '{there}', this one knows steps up to '{head}'; "
                "use the newer program"
            ) from None
    command.upgrade(config, "head")


def append_only(connection: Connection) -> None:
    """Makes the database itself refuse to change or to take away events."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
            "FOR EACH STATEMENT EXECUTE FUNCTION events_stay()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER IF NOT EXISTS events_no_{verb.lower()} BEFORE {verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )
