"""The shape of the database: made at once or step by step, on SQLite and on PostgreSQL, the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from approval_makers import ADA, APPROVALS, DECISIONS, NOW, PEOPLE, request
from postgres import fresh
from sqlalchemy import func, inspect, select

import approvals.database as database_module
from approvals.database import open_engine
from approvals.lifecycle import Review, State
from approvals.rows import StoreError
from approvals.store import Arrival, Store
from approvals.tables import metadata, writing
from approvals.votes import Ballot
from detectors.errors import ConfigError
from engine.ledger.model import Decision
from engine.records import Position

GOLDEN = Path(__file__).parents[1] / "engine" / "ledger" / "golden" / "ReviewRequest.1.avro"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "sqlite":
        return tmp_path / "approvals.db"
    return fresh(request.getfixturevalue("postgres_server"))


def at_first_step(database: Path | str):
    """An engine on a database as programs made it before steps were counted."""
    engine = open_engine(database)
    with writing(engine) as c:
        metadata.drop_all(c)
        c.exec_driver_sql("DROP TABLE alembic_version")
        config = Config()
        config.set_main_option("script_location", "approvals:migrations")
        config.attributes["connection"] = c
        command.upgrade(config, "0001")
        c.exec_driver_sql("DROP TABLE alembic_version")
    return engine


def test_a_connection_that_broke_while_nobody_used_it(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was started anew, or a firewall that forgets, is not noticed by who asks next."""
    monkeypatch.setattr(database_module, "_IDLE_SECONDS", 0.0)
    url = fresh(postgres_server)
    engine, other = open_engine(url), open_engine(url)
    with engine.connect() as c:
        mine = c.execute(select(func.pg_backend_pid())).scalar_one()
    with other.begin() as c:
        c.execute(select(func.pg_terminate_backend(mine, 5_000))).scalar_one()
    with engine.connect() as c:
        assert c.execute(select(func.pg_backend_pid())).scalar_one() != mine
    engine.dispose()
    other.dispose()


def test_steps_lead_to_what_is_made_at_once(database):
    """A database of the first step, brought up to date, has the tables, columns and indices of a new one."""
    at_first_step(database).dispose()
    engine = open_engine(database)
    with engine.begin() as c:
        assert compare_metadata(MigrationContext.configure(c), metadata) == []
        for table in metadata.sorted_tables:  # what is compared above leaves out whether null is allowed in SQLite
            for column in inspect(c).get_columns(table.name):
                assert column["nullable"] == table.c[column["name"]].nullable, (table.name, column["name"])
    engine.dispose()


def test_an_older_database_keeps_what_it_knows(database):
    """A request that an older program stored is listed, found by its facets, and can be decided."""
    engine = at_first_step(database)
    with writing(engine) as c:
        old = GOLDEN.read_bytes()
        row = {"id": "r-1", "t": APPROVALS, "b": old}
        c.exec_driver_sql(
            "INSERT INTO requests VALUES (%(id)s,'proposal','pending',1,'hmac:0d0d',NULL,%(t)s,0,0,1,9,NULL,%(b)s,%(b)s,NULL)"
            if c.dialect.name == "postgresql"
            else "INSERT INTO requests VALUES (:id,'proposal','pending',1,'hmac:0d0d',NULL,:t,0,0,1,9,NULL,:b,:b,NULL)",
            row,
        )
    engine.dispose()
    store = Store(database, decisions={APPROVALS: DECISIONS})
    (waits,) = store.waiting()
    assert waits.review.request.rule_id == "export"
    assert store.lookups.counts_waiting() == [("high", "export", 1)]
    store.ingest([Arrival(Position(APPROVALS, 0, 1), request("new"))], at=NOW)
    voted = store.vote("new", ADA, Ballot(Decision.APPROVE, 1), PEOPLE, at=NOW, channel="page")
    assert isinstance(voted, Review)
    assert voted.state is State.APPROVED
    store.close()


def test_a_newer_database_is_not_touched(database):
    """A program that does not know the last step refuses, and says which steps there are."""
    engine = open_engine(database)
    with writing(engine) as c:
        c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match=r"has step '9999', this one knows steps up to '0\d+'"):
        open_engine(database)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://root:hunter2@host/db", "'mysql' is not supported"),
        ("hunter2", "neither a path nor a URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_named_without_its_password(url, message):
    """What is wrong is said; what may be a password is not."""
    with pytest.raises(ConfigError, match=message) as caught:
        open_engine(url)
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_away_is_one_line(tmp_path):
    """No traceback, no password."""
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        open_engine(f"postgresql://u:hunter2@/db?host={tmp_path}&connect_timeout=1")
    assert "hunter2" not in str(caught.value)


def test_no_sqlite_file_is_readable_by_others(tmp_path):
    """It holds who decided what."""
    open_engine(tmp_path / "a" / "approvals.db").dispose()
    assert (tmp_path / "a" / "approvals.db").stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(tmp_path / "a" / "approvals.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
