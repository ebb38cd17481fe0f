"""The store that lives and dies with the process: the same contract, no file."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from typing import Final

import msgspec

from fanlight.errors import StoreError
from fanlight.stores.base import (
    COMMAND_KEPT,
    COMMAND_LIMIT,
    LATEST,
    READ_LIMIT,
    RETIRED,
    SERIES_KEPT,
    SERVICE_LIMIT,
    Acknowledgement,
    Command,
    InstanceInfo,
    StoredFrame,
    check_ack,
    check_command,
    check_lease,
    check_name,
    check_write,
    horizon,
    lease_is_free,
    merged_totals,
    retirable,
    unpack_command,
    whole_buckets,
)

BYTES_LIMIT: Final = 12 * 1024 * 1024
"""Bytes of frames held for a service; the longest unwritten go first, series before heads."""

LARGE: Final = 32 * 1024
"""Bytes from which a series is kept outside of the heap."""

PAGE_BYTES: Final = 1024 * 1024
"""Bytes of series one read returns at most, or those of one bucket."""

SERIES_LEFT: Final = 60
"""Frames of a tier that keep their series while a finer tier has more of them, or heads could go instead."""


@dataclass(slots=True)
class _Pending:
    """A command and what became of it."""

    data: bytes
    issued: float
    expires: float
    targets: tuple[str, ...]
    acknowledged: dict[str, Acknowledgement] = field(default_factory=dict)


@dataclass(slots=True)
class _Service:
    """What one service keeps. `frames` is in the order of writing: a rewrite moves to the end. Their `series` stand
    apart, see `_apart`."""

    instances: dict[str, InstanceInfo] = field(default_factory=dict)
    totals: dict[str, bytes] = field(default_factory=dict)
    frames: dict[tuple[int, int, str], tuple[int, StoredFrame]] = field(default_factory=dict)
    series: dict[tuple[int, int, str], mmap | bytes] = field(default_factory=dict)
    commands: dict[str, _Pending] = field(default_factory=dict)
    leases: dict[str, tuple[str, float]] = field(default_factory=dict)
    bytes: int = 0

    def whole(self, frames: Iterable[StoredFrame], limit: float = math.inf) -> list[StoredFrame]:
        """These frames with their series, up to the end of the bucket with which they are this many bytes."""
        made: list[StoredFrame] = []
        read = 0
        for frame in frames:
            if read >= limit and frame.bucket != made[-1].bucket:
                break
            series = self.series.get((frame.tier, frame.bucket, frame.instance), b"")
            made.append(msgspec.structs.replace(frame, series=series[:]))
            read += len(series)
        return made


class MemoryStore:
    """A `Store` of dictionaries under one lock; `dropped` counts frames that the limit in bytes pushed out.

    Over the limit the rankings of fine steps long ago go first, so that totals reach back further.
    """

    def __init__(self, limit_bytes: int = BYTES_LIMIT) -> None:
        self.url = "memory://"
        self.dropped = 0
        self._limit_bytes = limit_bytes
        self._sequence = 0
        self._services: dict[str, _Service] = {}
        self._closed = False
        self._lock = threading.Lock()

    def write(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None) -> None:
        check_write(info, frames, totals)
        with self._lock:
            service = self._write_service(info.service)
            service.instances[info.instance] = info
            if totals is not None:
                service.totals[info.instance] = totals
            for frame in frames:
                self._put(service, frame)

    def services(self) -> list[str]:
        with self._lock:
            self._check_open()
            return sorted(name for name, held in self._services.items() if held.instances)[:SERVICE_LIMIT]

    def instances(self, service: str) -> list[InstanceInfo]:
        with self._lock:
            known = self._read_service(service).instances
            return [known[name] for name in sorted(known)]

    def totals(self, service: str) -> dict[str, bytes]:
        with self._lock:
            return dict(self._read_service(service).totals)

    def frames(
        self,
        service: str,
        tier: int,
        since: int,
        until: int | None = None,
        exclude: str = "",
        series: bool = True,
    ) -> list[StoredFrame]:
        with self._lock:
            kept = self._read_service(service)
            rows = [
                frame
                for _, frame in kept.frames.values()
                if frame.tier == tier
                and since <= frame.bucket
                and (until is None or frame.bucket < until)
                and not (exclude and frame.instance == exclude)
            ]
            rows.sort(key=lambda frame: (frame.bucket, frame.instance))
            page = whole_buckets(rows[: READ_LIMIT + 1])
            return kept.whole(page, PAGE_BYTES) if series else page

    def changes(self, service: str, cursor: int, exclude: str = "") -> tuple[int, list[StoredFrame]]:
        with self._lock:
            kept = self._read_service(service)
            held = kept.frames
            if cursor <= LATEST:
                return self._sequence, []
            if cursor > self._sequence:
                cursor = 0
            news: list[tuple[int, StoredFrame]] = []
            for sequence, frame in reversed(held.values()):
                if sequence <= cursor:
                    break
                if not (exclude and frame.instance == exclude):
                    news.append((sequence, frame))
            page = news[: -READ_LIMIT - 1 : -1]
            reached = self._sequence if len(page) == len(news) else page[-1][0]
            return reached, kept.whole(frame for _, frame in page)

    def prune(self, service: str, now: float) -> int:
        with self._lock:
            kept = self._read_service(service)
            return self._prune_frames(kept, now) + _prune_commands(kept, now) + _retire(kept, now)

    def send(self, service: str, command: Command) -> None:
        data = check_command(command)
        with self._lock:
            commands = self._write_service(service).commands
            if command.id not in commands and len(commands) >= COMMAND_LIMIT:
                raise StoreError(f"{COMMAND_LIMIT} commands wait for {service!r} already; wait until they have expired")
            commands.setdefault(command.id, _Pending(data, command.issued, command.expires, command.targets))

    def commands(self, service: str, instance: str, now: float) -> list[Command]:
        with self._lock:
            waiting = sorted(
                (pending.issued, name, pending.data)
                for name, pending in self._read_service(service).commands.items()
                if instance in pending.targets and instance not in pending.acknowledged and pending.expires > now
            )
        return [unpack_command(data) for _, _, data in waiting]

    def forget(self, service: str, command_id: str) -> None:
        with self._lock:
            self._read_service(service).commands.pop(command_id, None)

    def acknowledge(self, service: str, ack: Acknowledgement) -> None:
        ack = check_ack(ack)
        with self._lock:
            pending = self._read_service(service).commands.get(ack.command)
            if pending is not None and ack.instance in pending.targets:
                pending.acknowledged[ack.instance] = ack

    def acknowledgements(self, service: str, command_id: str) -> list[Acknowledgement]:
        with self._lock:
            pending = self._read_service(service).commands.get(command_id)
            return [pending.acknowledged[name] for name in sorted(pending.acknowledged)] if pending else []

    def acquire_lease(self, service: str, name: str, instance: str, now: float, seconds: float) -> bool:
        check_lease(name, instance, now, seconds)
        with self._lock:
            leases = self._write_service(service).leases
            if name in leases and not lease_is_free(*leases[name], instance, now):
                return False
            leases[name] = (instance, now + seconds)
            return True

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._services.clear()

    def _read_service(self, name: str) -> _Service:
        check_name("service", name)
        self._check_open()
        return self._services.get(name) or _Service()

    def _write_service(self, name: str) -> _Service:
        check_name("service", name)
        self._check_open()
        return self._services.setdefault(name, _Service())

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"the store {self.url} was closed; open it again to use it")

    def _put(self, service: _Service, frame: StoredFrame) -> None:
        key = (frame.tier, frame.bucket, frame.instance)
        self._forget(service, key)
        self._sequence += 1
        service.frames[key] = (self._sequence, msgspec.structs.replace(frame, series=b""))
        service.bytes += frame.size
        if frame.series:
            service.series[key] = _apart(frame.series)
        while service.bytes > self._limit_bytes and (spare := _spare(service)) is not None:
            _strip(service, spare)
        while service.bytes > self._limit_bytes and len(service.frames) > 1:
            self._forget(service, next(iter(service.frames)))
            self.dropped += 1

    def _forget(self, service: _Service, key: tuple[int, int, str]) -> None:
        known = service.frames.pop(key, None)
        if known is not None:
            service.bytes -= known[1].size + len(service.series.pop(key, b""))

    def _prune_frames(self, service: _Service, now: float) -> int:
        old = [key for key in service.frames if key[1] < horizon(key[0], now)]
        for key in old:
            self._forget(service, key)
        for key in [key for key in service.series if key[1] < horizon(key[0], now, SERIES_KEPT)]:
            _strip(service, key)
        return len(old)


def _apart(series: bytes) -> mmap | bytes:
    """A copy outside of the heap, if it is large: there such of many sizes, coming and going, leave gaps that take
    half as much again."""
    if len(series) < LARGE:
        return series
    held = mmap(-1, len(series))
    held[:] = series
    return held


def _spare(service: _Service) -> tuple[int, int, str] | None:
    """The series that is missed least: the oldest of the finest tier that has more than enough."""
    tiers = Counter(tier for tier, _, _ in service.series)
    finest = min((tier for tier, count in tiers.items() if count > SERIES_LEFT), default=None)
    return next((key for key in service.series if key[0] == finest), None)


def _strip(service: _Service, key: tuple[int, int, str]) -> None:
    """Forget the series of a frame, not its head."""
    service.bytes -= len(service.series.pop(key))


def _prune_commands(service: _Service, now: float) -> int:
    old = [name for name, pending in service.commands.items() if pending.expires + COMMAND_KEPT <= now]
    for name in old:
        del service.commands[name]
    leases = [name for name, (_, expires) in service.leases.items() if expires <= now]
    for name in leases:
        del service.leases[name]
    return len(old) + len(leases)


def _retire(service: _Service, now: float) -> int:
    gone = 0
    for info in retirable(list(service.instances.values()), now):
        instance = info.instance
        blob = service.totals.get(instance)
        if blob is not None:
            merged = merged_totals(service.totals.get(RETIRED), blob)
            if merged is None:
                continue
            service.totals[RETIRED] = merged
            del service.totals[instance]
        del service.instances[instance]
        gone += 1
    return gone
