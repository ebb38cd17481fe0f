"""SQLAlchemy against SQLite: statements by kind and table, never their values."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from tests.capture.clients.conftest import Watched

from fanlight.capture.clients.statements import operation


def test_statements_are_named_by_kind_and_table(watched: Watched, tmp_path: Path) -> None:
    """X-4: the service is the database, the operation a statement's kind and table; values are not kept."""
    watched.watch("sqlalchemy")
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)"))
        rows = [{"email": f"value-secret-{number}"} for number in range(3)]
        connection.execute(text("INSERT INTO users (email) VALUES (:email)"), rows)
        assert connection.execute(text("SELECT count(*) FROM users WHERE email <> 'value-secret'")).scalar() == 3
    engine.dispose()
    calls = watched.calls()
    assert [call["operation"] for call in calls] == ["CREATE users", "INSERT users", "SELECT users"]
    assert {(call["service"], call["kind"], call["outcome"]) for call in calls} == {("shop.db", "database", "ok")}
    assert calls[1]["attributes"] == {"system": "sqlite", "rows_sent": 3}
    assert "secret" not in str(calls)


def test_an_error_passes_and_quotes_nothing(watched: Watched) -> None:
    """X-4: the driver's error class is the type; its message may hold values, and is not kept."""
    watched.watch("sqlalchemy", names={"": "memory"})
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE users (email TEXT UNIQUE)"))
        connection.execute(text("INSERT INTO users VALUES ('value-secret')"))
        with pytest.raises(IntegrityError):
            connection.execute(text("INSERT INTO users VALUES ('value-secret')"))
    engine.dispose()
    failed = watched.calls()[-1]
    assert (failed["service"], failed["outcome"], failed["error_type"]) == ("memory", "error", "IntegrityError")
    assert "secret" not in str(failed)


def test_an_asyncio_engine_is_watched_alike(watched: Watched) -> None:
    """X-4: its statements are children of the call around them; one that is cancelled ends as such."""
    watched.watch("sqlalchemy")

    async def act() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.connect() as connection:
            with watched.dashboard.call("users", "count"):
                await connection.execute(text("SELECT 1"))
            numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000)"
            task = asyncio.ensure_future(connection.execute(text(f"{numbers} SELECT max(x) FROM n")))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await engine.dispose()

    asyncio.run(act())
    gc.collect()
    calls = {call["operation"]: call for call in watched.calls()}
    assert calls["SELECT"]["parent"] == calls["count"]["call"]
    assert calls["SELECT n"]["outcome"] == "cancelled"


def test_the_events_go_when_nobody_watches(watched: Watched) -> None:
    """X-4: SQLAlchemy is left as it was."""
    watched.watch("sqlalchemy")
    watched.dashboard.close()
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert not list(engine.dispatch.before_cursor_execute)
    assert not list(engine.dispatch.after_cursor_execute)
    assert not list(engine.dialect.dispatch.handle_error)
    engine.dispose()
    assert watched.calls() == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("select users.id from users where name = 'x from y'", "SELECT users"),
        ("SELECT 1", "SELECT"),
        ("WITH a AS (SELECT * FROM t WHERE x IN (1)) SELECT * FROM a JOIN b", "SELECT a"),
        ('UPDATE "Orders" SET a = 1', "UPDATE Orders"),
        ("-- a comment\nSELECT a FROM public.users", "SELECT users"),
        ("SELECT * FROM (SELECT * FROM inside) AS q", "SELECT"),
        ("INSERT OR REPLACE INTO x VALUES ('secret')", "INSERT x"),
        ("(SELECT a FROM t) UNION SELECT b FROM u", "SELECT u"),
        ("DELETE FROM ONLY audit", "DELETE audit"),
        ("DROP TABLE IF EXISTS old", "DROP old"),
        ("PRAGMA table_info('secret')", "PRAGMA"),
        ("SELECT EXTRACT(YEAR FROM made) FROM events", "SELECT events"),
        ("TRUNCATE users", "TRUNCATE users"),
        ("'secret'; secret", "OTHER"),
        ("SELECT 'never closed FROM secret", "SELECT"),
        ("", "OTHER"),
    ],
)
def test_a_statement_is_named_without_values(statement: str, named: str) -> None:
    """X-4: kind and first table, whatever the dialect's quotes, comments and subqueries."""
    assert operation(statement) == named


def test_a_long_statement_is_read_in_no_time() -> None:
    """X-4: what is looked at is bounded, and patterns are linear in it."""
    for piece in ("(", "'", "a.", "/*", "[a", "--", '"'):
        named: Any = operation("SELECT " + piece * 100_000)
        assert len(named) < 300
