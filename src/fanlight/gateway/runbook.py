"""Runs of pipelines, kept in a SQLite file beside the store, so that all workers know them and a restart does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, Literal

import msgspec

from fanlight.gateway.shelf import opened

KEPT: Final = 100
"""Runs of one pipeline that are kept, the newest."""

STALE_SECONDS: Final = 15.0
"""A running run of which nothing was heard for longer is over: its worker ended."""

LOST: Final = "its worker ended in the middle"
Status = Literal["waiting", "running", "success", "error"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, began REAL NOT NULL, seen REAL NOT NULL, running INTEGER NOT NULL,
    cause TEXT NOT NULL, document BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_pipeline ON runs (pipeline, began);
"""
_PRUNE: Final = """
DELETE FROM runs WHERE id IN (
    SELECT id FROM runs WHERE pipeline = ? ORDER BY began DESC, rowid DESC LIMIT -1 OFFSET ?
)
"""


class StepRun(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run: what it does, and what it gave or why it failed."""

    name: str
    does: str
    status: Status = "waiting"
    seconds: float | None = None
    said: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run; times are Unix seconds. `cause` is "schedule", "dashboard" or "api"."""

    run: str
    pipeline: str
    cause: str
    status: Status
    began: float
    ended: float | None = None
    input: dict[str, str] = {}
    steps: tuple[StepRun, ...] = ()
    result: str = ""


class Runbook:
    """Thread-safe; blocks; raises sqlite3.Error. Without a path it is of this process alone."""

    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = Lock()
        self._rows = opened(path, _SCHEMA)

    def begin(self, run: Run) -> bool:
        """Keep a run that begins; False, and nothing kept, while another one of its pipeline runs."""
        now = self._now()
        with self._lock, self._rows:
            self._rows.execute("BEGIN IMMEDIATE")
            live = "SELECT 1 FROM runs WHERE pipeline = ? AND running AND seen > ?"
            if self._rows.execute(live, (run.pipeline, now - STALE_SECONDS)).fetchone():
                return False
            row = (run.run, run.pipeline, run.began, now, run.cause, msgspec.json.encode(run))
            self._rows.execute("INSERT INTO runs VALUES (?, ?, ?, ?, 1, ?, ?)", row)
            self._rows.execute(_PRUNE, (run.pipeline, KEPT))
            return True

    def keep(self, run: Run) -> None:
        """Keep how far a run is; while it runs, say so at least every few seconds."""
        row = (self._now(), run.status == "running", msgspec.json.encode(run), run.run)
        with self._lock:
            self._rows.execute("UPDATE runs SET seen = ?, running = ?, document = ? WHERE id = ?", row)

    def recent(self, pipeline: str = "", limit: int = 50) -> list[Run]:
        """The newest runs, of one pipeline or of all, the newest first."""
        query = "SELECT document, seen FROM runs WHERE ? IN ('', pipeline) ORDER BY began DESC, rowid DESC LIMIT ?"
        with self._lock:
            rows = self._rows.execute(query, (pipeline, limit)).fetchall()
        return [self._read(*row) for row in rows]

    def find(self, pipeline: str, id: str) -> Run | None:
        """One run."""
        with self._lock:
            query = "SELECT document, seen FROM runs WHERE pipeline = ? AND id = ?"
            row = self._rows.execute(query, (pipeline, id)).fetchone()
        return self._read(*row) if row else None

    def scheduled(self, pipeline: str) -> float | None:
        """When the schedule began a run last."""
        with self._lock:
            query = "SELECT max(began) FROM runs WHERE pipeline = ? AND cause = 'schedule'"
            found: float | None = self._rows.execute(query, (pipeline,)).fetchone()[0]
        return found

    def _read(self, document: bytes, seen: float) -> Run:
        run = msgspec.json.decode(document, type=Run)
        if run.status != "running" or self._now() - seen <= STALE_SECONDS:
            return run
        return msgspec.structs.replace(run, status="error", ended=seen, result=LOST)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._rows.close()
