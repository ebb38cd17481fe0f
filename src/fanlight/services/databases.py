"""Databases as their servers and pools describe them: what `dashboard.mongo` and `dashboard.sql` show."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fanlight.clock import Clock
from fanlight.core.context import own_work
from fanlight.errors import FanlightError

SERVER_MS: Final = 4_000
"""How long a MongoDB may work on one question, in milliseconds."""

TOP: Final = 10
"""Groups that are listed."""

UNAUTHORIZED: Final = 13
"""MongoDB's code for what a user may not ask."""


class MongoStatistics:
    """Figures of a MongoDB collection: documents, those of the last 24 hours, the largest groups, the server.

    `time` is the field that holds when a document was made (a date), `group` the one documents are grouped by; "" for
    none. The collection is one of pymongo, sync or async.
    """

    def __init__(self, collection: Any, time: str, group: str, clock: Clock) -> None:
        if not hasattr(collection, "estimated_document_count") or not hasattr(collection, "aggregate"):
            raise FanlightError(
                f"mongo() got a {type(collection).__name__}; expected a collection of pymongo: "
                "dashboard.mongo(client.database.collection)"
            )
        self._collection = collection
        self._time = time
        self._group = group
        self._clock = clock

    def function(self) -> Callable[[], Any]:
        """What asks the database: a coroutine function for an async collection."""
        later = inspect.iscoroutinefunction(self._collection.estimated_document_count)
        return self.ask_async if later else self.ask

    def ask(self) -> dict[str, Any]:
        """The figures now; raises what pymongo raises."""
        with own_work():
            collection, recent, grouped = self._collection, self._recent(), self._grouped()
            found: dict[str, Any] = {"documents": collection.estimated_document_count(maxTimeMS=SERVER_MS)}
            if recent:
                found["last_24_h"] = collection.count_documents(recent, maxTimeMS=SERVER_MS)
            try:
                found["server"] = server(collection.database.client.admin.command("serverStatus", maxTimeMS=SERVER_MS))
            except Exception as error:
                found["server"] = refused(error)
            if grouped:
                found["top_groups"] = rows(list(collection.aggregate(grouped, maxTimeMS=SERVER_MS)), self._group)
            return found

    async def ask_async(self) -> dict[str, Any]:
        """The same of an async collection."""
        with own_work():
            collection, recent, grouped = self._collection, self._recent(), self._grouped()
            found: dict[str, Any] = {"documents": await collection.estimated_document_count(maxTimeMS=SERVER_MS)}
            if recent:
                found["last_24_h"] = await collection.count_documents(recent, maxTimeMS=SERVER_MS)
            try:
                status = await collection.database.client.admin.command("serverStatus", maxTimeMS=SERVER_MS)
                found["server"] = server(status)
            except Exception as error:
                found["server"] = refused(error)
            if grouped:
                cursor = await collection.aggregate(grouped, maxTimeMS=SERVER_MS)
                found["top_groups"] = rows(await cursor.to_list(TOP), self._group)
            return found

    def _recent(self) -> dict[str, Any]:
        if not self._time:
            return {}
        now = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
        return {self._time: {"$gte": now - timedelta(days=1)}}

    def _grouped(self) -> list[dict[str, Any]]:
        if not self._group:
            return []
        return [
            {"$group": {"_id": f"${self._group}", "documents": {"$sum": 1}}},
            {"$sort": {"documents": -1}},
            {"$limit": TOP},
        ]


def server(status: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown of a MongoDB's `serverStatus`."""
    connections, memory = status.get("connections") or {}, status.get("mem") or {}
    known = {
        "version": status.get("version"),
        "uptime_seconds": status.get("uptime"),
        "connections": connections.get("current"),
        "connections_left": connections.get("available"),
        "memory_mb": memory.get("resident"),
    }
    return {name: value for name, value in known.items() if value is not None}


def refused(error: Exception) -> str:
    """What stands for the server's status where the user may not ask for it; any other error is raised."""
    if getattr(error, "code", None) != UNAUTHORIZED:
        raise error
    return "this user may not ask for serverStatus"


def rows(found: list[Mapping[str, Any]], group: str) -> list[dict[str, Any]]:
    """The largest groups as rows of a table."""
    return [{group: str(row.get("_id")), "documents": row.get("documents")} for row in found[:TOP]]


def pool_of(engine: Any) -> Callable[[], dict[str, Any]]:
    """What tells how the pool of a SQLAlchemy engine (sync or async) stands; it asks the database nothing."""
    engine = getattr(engine, "sync_engine", engine)
    if not hasattr(engine, "pool") or not hasattr(engine, "url"):
        raise FanlightError(f"sql() got a {type(engine).__name__}; expected an engine of SQLAlchemy")

    def ask() -> dict[str, Any]:
        pool = engine.pool
        figures = {"size": "size", "in use": "checkedout", "idle": "checkedin", "beyond its size": "overflow"}
        known = {name: getattr(pool, method)() for name, method in figures.items() if hasattr(pool, method)}
        if "beyond its size" in known:
            known["beyond its size"] = max(known["beyond its size"], 0)  # negative until the pool is full
        database = str(engine.url.database or "").replace("\\", "/").rpartition("/")[2]
        return {"system": engine.url.get_backend_name(), "database": database, "pool": type(pool).__name__, **known}

    return ask
