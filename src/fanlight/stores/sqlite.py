"""The store in one SQLite file, shared by every process on the machine that opens it.

Write-ahead logging: readers never wait for a writer, writers of all processes take turns, and a killed process leaves a
readable file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fanlight.errors import StoreError
from fanlight.stores.base import (
    COMMAND_KEPT,
    COMMAND_LIMIT,
    LATEST,
    READ_LIMIT,
    RETIRED,
    SERIES_KEPT,
    SERVICE_LIMIT,
    TIERS,
    Acknowledgement,
    Command,
    InstanceInfo,
    StoredFrame,
    check_ack,
    check_command,
    check_lease,
    check_name,
    check_time,
    check_write,
    horizon,
    lease_is_free,
    merged_totals,
    pack,
    retirable,
    unpack_command,
    unpack_info,
    whole_buckets,
)
from fanlight.stores.connection import Connection

BUSY_SECONDS: Final = 5.0
"""How long a write waits for the other processes' writes."""
PRUNE_ROWS: Final = 1_000
"""Rows one transaction of `prune` removes, so that no writer waits long."""

_WRITE_INSTANCE: Final = "INSERT OR REPLACE INTO instances (service, instance, info) VALUES (?, ?, ?)"
_WRITE_FRAME: Final = "INSERT OR REPLACE INTO frames (service, tier, bucket, instance, data) VALUES (?, ?, ?, ?, ?)"
_WRITE_SERIES: Final = "INSERT OR REPLACE INTO series (service, tier, bucket, instance, data) VALUES (?, ?, ?, ?, ?)"
_CLEAR_SERIES: Final = "DELETE FROM series WHERE service = ? AND tier = ? AND bucket = ? AND instance = ?"
_WRITE_TOTALS: Final = "INSERT OR REPLACE INTO totals (service, instance, data) VALUES (?, ?, ?)"
_ONE_INSTANCE: Final = "SELECT info FROM instances WHERE service = ? AND instance = ?"
_ONE_TOTAL: Final = "SELECT data FROM totals WHERE service = ? AND instance = ?"
_HEADS: Final = """
SELECT tier, bucket, instance, data FROM frames
WHERE service = ? AND tier = ? AND bucket >= ? AND bucket < ? AND (? = '' OR instance <> ?)
ORDER BY bucket, instance LIMIT ?"""
_FRAMES: Final = """
SELECT f.tier, f.bucket, f.instance, f.data, COALESCE(s.data, x'') FROM frames AS f
LEFT JOIN series AS s USING (service, tier, bucket, instance)
WHERE f.service = ? AND f.tier = ? AND f.bucket >= ? AND f.bucket < ? AND (? = '' OR f.instance <> ?)
ORDER BY f.bucket, f.instance LIMIT ?"""
_LATEST: Final = "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'frames'"
_CHANGES: Final = """
SELECT f.sequence, f.tier, f.bucket, f.instance, f.data, COALESCE(s.data, x'')
FROM frames AS f INDEXED BY frames_by_writing LEFT JOIN series AS s USING (service, tier, bucket, instance)
WHERE f.service = ? AND f.sequence > ? AND f.sequence <= ? AND (? = '' OR f.instance <> ?)
ORDER BY f.sequence LIMIT ?"""
_PRUNE_FRAMES: Final = """
DELETE FROM frames WHERE sequence IN
(SELECT sequence FROM frames WHERE service = ? AND tier = ? AND bucket < ? LIMIT ?)"""
_PRUNE_SERIES: Final = """
DELETE FROM series WHERE rowid IN
(SELECT rowid FROM series WHERE service = ? AND tier = ? AND bucket < ? LIMIT ?)"""
_PRUNE_TARGETS: Final = """
DELETE FROM targets WHERE service = ? AND command IN (SELECT id FROM commands WHERE service = ? AND expires <= ?)"""
_COMMANDS: Final = """
SELECT commands.data FROM targets JOIN commands ON commands.service = targets.service AND commands.id = targets.command
WHERE targets.service = ? AND targets.instance = ? AND targets.status IS NULL AND commands.expires > ?
ORDER BY commands.issued, commands.id"""
_ACKNOWLEDGE: Final = """
UPDATE targets SET status = ?, message = ?, at = ? WHERE service = ? AND command = ? AND instance = ?"""
_ACKNOWLEDGEMENTS: Final = """
SELECT command, instance, status, message, at FROM targets
WHERE service = ? AND command = ? AND status IS NOT NULL ORDER BY instance"""
_FOREVER: Final = 2**62


class SqliteStore:
    """A `Store` in the file at `path`; makes it (mode 0600) and its directory (0700) when they are not there.

    One connection writes and one reads, each under a lock. Raises StoreError when the file cannot be used as a store.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_seconds: float = BUSY_SECONDS) -> None:
        try:
            self.path = Path(path).expanduser().absolute()
        except (RuntimeError, OSError) as error:
            raise StoreError(f"cannot tell which file {str(path)!r} is ({error}); write an absolute path") from error
        self.url = f"sqlite:///{self.path}"
        self._writer = Connection(self.path, busy_seconds)
        self._reader = Connection(self.path, busy_seconds)
        with self._writer.writing():
            pass  # says at once whether the file can be used

    def write(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None) -> None:
        check_write(info, frames, totals)
        service, instance = info.service, info.instance
        with self._writer.writing() as database:
            database.execute(_WRITE_INSTANCE, (service, instance, pack(info, "instance description")))
            places = [(service, frame.tier, frame.bucket, frame.instance) for frame in frames]
            parts = list(zip(places, frames, strict=True))
            database.executemany(_WRITE_FRAME, [(*place, frame.data) for place, frame in parts])
            database.executemany(_WRITE_SERIES, [(*place, frame.series) for place, frame in parts if frame.series])
            database.executemany(_CLEAR_SERIES, [place for place, frame in parts if not frame.series])
            if totals is not None:
                database.execute(_WRITE_TOTALS, (service, instance, totals))

    def services(self) -> list[str]:
        with self._reader.reading() as database:
            rows = database.execute("SELECT DISTINCT service FROM instances ORDER BY service LIMIT ?", (SERVICE_LIMIT,))
            return [name for (name,) in rows]

    def instances(self, service: str) -> list[InstanceInfo]:
        rows = self._read("SELECT info FROM instances WHERE service = ? ORDER BY instance", service)
        return [unpack_info(data) for (data,) in rows]

    def totals(self, service: str) -> dict[str, bytes]:
        return dict(self._read("SELECT instance, data FROM totals WHERE service = ?", service))

    def frames(
        self,
        service: str,
        tier: int,
        since: int,
        until: int | None = None,
        exclude: str = "",
        series: bool = True,
    ) -> list[StoredFrame]:
        span = (_clamped(since), _FOREVER if until is None else _clamped(until))
        rows = self._read(_FRAMES if series else _HEADS, service, tier, *span, exclude, exclude, READ_LIMIT + 1)
        return whole_buckets([StoredFrame(*row) for row in rows])

    def changes(self, service: str, cursor: int, exclude: str = "") -> tuple[int, list[StoredFrame]]:
        check_name("service", service)
        with self._reader.reading() as database:
            latest: int = database.execute(_LATEST).fetchone()[0]
            if cursor <= LATEST:
                return latest, []
            cursor = 0 if cursor > latest else cursor
            rows = database.execute(_CHANGES, (service, cursor, latest, exclude, exclude, READ_LIMIT + 1)).fetchall()
        page = rows[:READ_LIMIT]
        reached = page[-1][0] if len(rows) > READ_LIMIT else latest
        return reached, [StoredFrame(*row[1:]) for row in page]

    def prune(self, service: str, now: float) -> int:
        check_name("service", service)
        check_time("pruning", now)
        for tier in TIERS:
            self._prune_tier(_PRUNE_SERIES, service, tier, horizon(tier, now, SERIES_KEPT))
        removed = sum(self._prune_tier(_PRUNE_FRAMES, service, tier, horizon(tier, now)) for tier in TIERS)
        old = now - COMMAND_KEPT
        with self._writer.writing() as database:
            database.execute(_PRUNE_TARGETS, (service, service, old))
            removed += database.execute(
                "DELETE FROM commands WHERE service = ? AND expires <= ?", (service, old)
            ).rowcount
            removed += database.execute(
                "DELETE FROM leases WHERE service = ? AND expires <= ?", (service, now)
            ).rowcount
        return removed + sum(self._retire(info) for info in retirable(self.instances(service), now))

    def send(self, service: str, command: Command) -> None:
        check_name("service", service)
        data = check_command(command)
        with self._writer.writing() as database:
            known = dict(database.execute("SELECT id, 1 FROM commands WHERE service = ?", (service,)))
            if command.id in known:
                return
            if len(known) >= COMMAND_LIMIT:
                raise StoreError(f"{COMMAND_LIMIT} commands wait for {service!r} already; wait until they have expired")
            row = (service, command.id, command.issued, command.expires, data)
            database.execute("INSERT INTO commands (service, id, issued, expires, data) VALUES (?, ?, ?, ?, ?)", row)
            database.executemany(
                "INSERT OR IGNORE INTO targets (service, command, instance) VALUES (?, ?, ?)",
                [(service, command.id, target) for target in command.targets],
            )

    def commands(self, service: str, instance: str, now: float) -> list[Command]:
        return [unpack_command(data) for (data,) in self._read(_COMMANDS, service, instance, now)]

    def forget(self, service: str, command_id: str) -> None:
        check_name("service", service)
        with self._writer.writing() as database:
            for table, column in (("targets", "command"), ("commands", "id")):
                database.execute(f"DELETE FROM {table} WHERE service = ? AND {column} = ?", (service, command_id))  # noqa: S608 - names of our own

    def acknowledge(self, service: str, ack: Acknowledgement) -> None:
        check_name("service", service)
        ack = check_ack(ack)
        with self._writer.writing() as database:
            database.execute(_ACKNOWLEDGE, (ack.status, ack.message, ack.at, service, ack.command, ack.instance))

    def acknowledgements(self, service: str, command_id: str) -> list[Acknowledgement]:
        return [Acknowledgement(*row) for row in self._read(_ACKNOWLEDGEMENTS, service, command_id)]

    def acquire_lease(self, service: str, name: str, instance: str, now: float, seconds: float) -> bool:
        check_name("service", service)
        check_lease(name, instance, now, seconds)
        with self._writer.writing() as database:
            held = database.execute(
                "SELECT instance, expires FROM leases WHERE service = ? AND name = ?", (service, name)
            )
            holder: tuple[str, float] | None = held.fetchone()
            if holder is not None and not lease_is_free(*holder, instance, now):
                return False
            row = (service, name, instance, now + seconds)
            database.execute(
                "INSERT OR REPLACE INTO leases (service, name, instance, expires) VALUES (?, ?, ?, ?)", row
            )
            return True

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    def _prune_tier(self, query: str, service: str, tier: int, oldest: int) -> int:
        removed, batch = 0, PRUNE_ROWS
        while batch == PRUNE_ROWS:
            with self._writer.writing() as database:
                batch = database.execute(query, (service, tier, oldest, PRUNE_ROWS)).rowcount
            removed += batch
        return removed

    def _retire(self, info: InstanceInfo) -> int:
        """Sum up what a gone instance counted, in one transaction, so that it counts once whatever happens."""
        row = (info.service, info.instance)
        with self._writer.writing() as database:
            known = database.execute(_ONE_INSTANCE, row).fetchone()
            if known is None or unpack_info(known[0]) != info:  # another process was first, or it came back
                return 0
            blob = database.execute(_ONE_TOTAL, row).fetchone()
            if blob is not None:
                retired = database.execute(_ONE_TOTAL, (info.service, RETIRED)).fetchone()
                merged = merged_totals(retired and retired[0], blob[0])
                if merged is None:
                    return 0
                database.execute(_WRITE_TOTALS, (info.service, RETIRED, merged))
                database.execute("DELETE FROM totals WHERE service = ? AND instance = ?", row)
            return database.execute("DELETE FROM instances WHERE service = ? AND instance = ?", row).rowcount

    def _read(self, query: str, service: str, *parameters: Any) -> list[Any]:
        check_name("service", service)
        with self._reader.reading() as database:
            return database.execute(query, (service, *parameters)).fetchall()


def _clamped(number: int) -> int:
    """The number, or the nearest that SQLite can compare with."""
    return max(-_FOREVER, min(_FOREVER, number))
