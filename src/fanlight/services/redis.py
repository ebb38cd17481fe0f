"""RedisMonitor: how a Redis does, asked on a thread of its own, so that one that hangs holds up nothing."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from fanlight.clock import Clock
from fanlight.core.recorder import Sample
from fanlight.core.records import text
from fanlight.core.sections import Supplied
from fanlight.errors import FanlightError

WATCHED_SECONDS: Final = 5.0
"""Between two readings while somebody looks."""
IDLE_SECONDS: Final = 15.0
"""Between two readings while nobody does."""
STALE_SECONDS: Final = 30.0
"""A reading that is older says nothing any more."""
TURN_SECONDS: Final = 1.0
"""How often the thread sees whether a reading is due."""
_VERSION_LIMIT: Final = 40

LATENCY: Final = "redis.latency.seconds"
GAUGES: Final[Mapping[str, str]] = {
    LATENCY: "latency_seconds",
    "redis.memory.bytes": "memory_bytes",
    "redis.clients": "clients",
    "redis.keys": "keys",
    "redis.commands_per_second": "commands_per_second",
}
"""The gauges, and the figure each one shows. All workers see one server: the source is shared."""


class Server(Protocol):
    """A Redis that answers within its own timeouts or raises FanlightError."""

    def call(self, *words: Any) -> Any:
        """The answer to one command."""

    def close(self) -> None:
        """Let go of it."""


def figures(info: Mapping[str, Any], keys: Any, latency: float) -> dict[str, Any]:
    """What is shown of INFO, DBSIZE and the time of a PING (seconds); None for what the server does not say."""
    hits, misses = _number(info, "keyspace_hits"), _number(info, "keyspace_misses")
    asked = (hits or 0) + (misses or 0)
    return {
        "latency_seconds": latency,
        "version": text(info.get("redis_version"), _VERSION_LIMIT),
        "uptime_seconds": _number(info, "uptime_in_seconds"),
        "memory_bytes": _number(info, "used_memory"),
        "clients": _number(info, "connected_clients"),
        "keys": keys if isinstance(keys, int) else None,
        "commands_per_second": _number(info, "instantaneous_ops_per_sec"),
        "hits": hits,
        "misses": misses,
        "hit_percent": 100 * (hits or 0) / asked if asked else None,
        "evicted": _number(info, "evicted_keys"),
        "expired": _number(info, "expired_keys"),
    }


def _number(info: Mapping[str, Any], name: str) -> float | None:
    value = info.get(name)
    return value if isinstance(value, int | float) else None


class RedisMonitor:
    """Reads one Redis every few seconds while it runs; `latest` and `samples` return at once. Thread-safe."""

    def __init__(self, server: Server, clock: Clock, watched: Callable[[], bool]) -> None:
        self._server = server
        self._clock = clock
        self._watched = watched
        self._latest = Supplied(configured=True)
        self._read_at = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin reading. Starting twice is starting once."""
        if self._thread is None and not self._ended.is_set():
            self._thread = threading.Thread(
                target=_run, args=(weakref.ref(self), self._ended), name="fanlight-redis", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop reading; a server that hangs is left behind with the daemon thread."""
        self._ended.set()
        self._server.close()

    def latest(self) -> Supplied:
        """The last reading, or why there is none."""
        latest, age = self._latest, self._now() - self._read_at
        if self._read_at and age > STALE_SECONDS and not latest.error:
            return Supplied(latest.at, {}, f"no answer for {age:.0f} s", configured=True)
        return latest

    def samples(self) -> Iterator[Sample]:
        """The last reading as gauges; none while there is no answer."""
        latest = self.latest()
        if latest.error:
            return
        for name, figure in GAUGES.items():
            yield Sample(name, "", latest.data.get(figure), "last", "shared")

    def turn(self) -> None:
        """Read when that is due; blocks for as long as the server's timeouts let it."""
        now = self._now()
        if not self._read_at or abs(now - self._read_at) >= (WATCHED_SECONDS if self._watched() else IDLE_SECONDS):
            self._read_at = now
            self._latest = self._reading(now)
            self._read_at = self._now()

    def _reading(self, now: float) -> Supplied:
        try:
            info, keys = self._info(), self._server.call("DBSIZE")
            began = time.perf_counter()
            self._server.call("PING")
            latency = time.perf_counter() - began
        except FanlightError as error:
            return Supplied(now, {}, str(error), configured=True)
        except Exception as error:  # whatever a library raises: this thread outlives it, and shows it
            return Supplied(now, {}, f"{type(error).__name__}: {error}"[:300], configured=True)
        return Supplied(now, figures(info, keys, latency), configured=True)

    def _info(self) -> dict[str, Any]:
        """What INFO says in the sections that are shown; all it says takes a library half a millisecond to read."""
        info: dict[str, Any] = {}
        for section in ("server", "clients", "memory", "stats"):
            said = self._server.call("INFO", section)
            info |= said if isinstance(said, Mapping) else {}
        return info

    def _now(self) -> float:
        return self._clock.time_ns() / 1e9


def _run(reference: weakref.ref[RedisMonitor], ended: threading.Event) -> None:
    """The thread; holds the monitor only while it reads, so that a dropped one ends it."""
    while not ended.is_set():
        monitor = reference()
        if monitor is None:
            return
        monitor.turn()
        del monitor
        ended.wait(TURN_SECONDS)
