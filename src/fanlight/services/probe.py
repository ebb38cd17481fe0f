"""Probes: whether a service answers, asked from time to time, with a timeout, and never on the pulse.

A probe is any function without parameters, sync or async, that raises when the service does not answer. It must not
cost anything: never probe with a request that is billed. What a supervisor watches needs none: it tells.
"""

from __future__ import annotations

import asyncio
import inspect
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

from fanlight.clock import Clock
from fanlight.core.dependencies import PROBE_ANSWERS, PROBE_FAILS, PROBE_STARTING
from fanlight.core.recorder import Sample
from fanlight.core.sections import SEPARATOR
from fanlight.errors import FanlightError
from fanlight.services.outcomes import described
from fanlight.services.wording import reason

Probe = Callable[[], Any]
"""Raises, or its awaitable raises, when the service does not answer."""

INTERVAL_SECONDS: Final = 5.0
TIMEOUT_SECONDS: Final = 2.0
THRESHOLD: Final = 2
"""Failures in a row from which on a probe counts as failing; after the first one it is repeated after a second."""

AGAIN_SECONDS: Final = 1.0
"""How soon a probe that failed less often than its threshold is repeated."""

HANGING_LIMIT: Final = 16
"""Probes on threads at once; while so many hang, further ones wait."""

HEAD_LIMIT: Final = 16_384
"""Bytes of an HTTP answer that are read: its head. The body never is."""

ERROR_LIMIT: Final = 180


class Starting(FanlightError):
    """Raised by a probe whose service is being started: it does not answer yet, which is no failure."""


class Heeding(Protocol):
    """Who wants to know at once when something is told."""

    def hurry(self) -> None:
        """There is news; on whatever thread spoke, without waiting."""


class Told:
    """What a supervisor knows of its service, in a probe's place: every face shows it from the moment it is said.

    It is believed at once, and whatever the calls say. `source` is who has the service: each instance one of its own,
    or all instances of a host, or all there are, the same one; then the last word of any of them stands. Nothing is
    known before the first word. Thread-safe.
    """

    def __init__(self, source: Literal["instance", "host", "shared"] = "instance") -> None:
        self._source = source
        self._word: tuple[float, str] | None = None
        self._heeding: tuple[weakref.ref[Heeding], ...] = ()

    def say(self, error: Exception | None = None) -> None:
        """It answers (None), is being started (a Starting), or does not answer, and why."""
        word = PROBE_ANSWERS if error is None else PROBE_STARTING if isinstance(error, Starting) else PROBE_FAILS
        said = (word, reason(error)[:ERROR_LIMIT] if error is not None else "")
        if said == self._word:
            return
        self._word = said
        for reference in self._heeding:
            who = reference()
            if who is not None:
                who.hurry()

    def heed(self, who: Heeding) -> None:
        """Tell `who`, held weakly, when something else is said than before."""
        known = [each for reference in self._heeding if (each := reference()) is not None]
        if who not in known:
            self._heeding = tuple(map(weakref.ref, (*known, who)))

    def samples(self, name: str, now: float) -> Iterator[Sample]:
        """What was said last, as gauges; `now` in Unix seconds."""
        if self._word is None:
            return
        level, said = self._word
        yield Sample("service.probe", name, level, "max", self._source)
        if level == PROBE_FAILS:
            yield Sample("service.probe.error", f"{name}{SEPARATOR}{said}", now, "max", self._source)


_slots: Final = threading.BoundedSemaphore(HANGING_LIMIT)


def http(url: str) -> Probe:
    """A GET of a URL answers with a status below 400. Redirects are not followed, to no host at all."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FanlightError(f"a probe's URL is {described(url)!r}; expected http://host or https://host, port and path")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (path + parts.netloc).isprintable() or " " in path:
        raise FanlightError(f"a probe's URL is {described(url)!r}; expected one without blanks and control characters")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: fanlight-probe\r\nConnection: close\r\n\r\n"
    head, hostname, secure = request.encode(), parts.hostname, parts.scheme == "https"

    async def probe() -> None:
        context = ssl.create_default_context() if secure else None
        reader, writer = await asyncio.open_connection(hostname, port, ssl=context, limit=HEAD_LIMIT)
        try:
            writer.write(head)
            status = _status(await reader.readuntil(b"\r\n"))
        finally:
            writer.close()
        if status >= 400:
            raise FanlightError(f"answered {status}")

    return probe


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/") or not code.isdigit():
        raise FanlightError("answered something that is not HTTP")
    return int(code)


def tcp(host: str, port: int) -> Probe:
    """A connection can be opened."""

    async def probe() -> None:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()

    return probe


def redis(client: Any) -> Probe:
    """A redis-py client, sync or async, gets an answer to PING."""
    return _asked(client, client.ping)


def mongo(client: Any) -> Probe:
    """A pymongo client, sync or async, gets an answer to ping."""
    return _asked(client, lambda: client.admin.command("ping"))


def sql(engine: Any) -> Probe:
    """A SQLAlchemy engine, sync or async, or a DB-API `connect` function, gets an answer to SELECT 1."""
    if not hasattr(engine, "connect"):
        return lambda: _select(engine())
    if _is_async(engine):
        return partial(_select_async, engine)

    def probe() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    return probe


def _asked(client: Any, ask: Callable[[], Any]) -> Probe:
    """A question as a coroutine function where the client is of asyncio: its connections belong to the serving loop."""
    if not _is_async(client):
        return ask

    async def probe() -> None:
        await ask()

    return probe


def _is_async(client: Any) -> bool:
    module = type(client).__module__
    return "asyncio" in module or "asynchronous" in module


def _select(connection: Any) -> None:
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.fetchone()
    finally:
        connection.close()


async def _select_async(engine: Any) -> None:
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT 1")


class Watch:
    """One service's probe on this instance, and what it said. For the pulse's thread; `turn` never waits."""

    def __init__(self, name: str, probe: Probe, interval: float, timeout: float, threshold: int, clock: Clock) -> None:
        self.name = name
        self.failed_in_row = 0
        self.error = ""
        self.error_at = 0.0
        self.seconds: float | None = None
        self.starting = False
        self._probe = probe
        self._interval = interval
        self._timeout = timeout
        self._threshold = threshold
        self._clock = clock
        self._running: Future[float] | None = None
        self._began = self._due = 0.0
        self._asked = False

    @property
    def failing(self) -> bool:
        """Whether it has failed often enough to be believed."""
        return self.failed_in_row >= self._threshold

    def turn(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Read what came, give up what takes too long, begin what is due."""
        now = self._clock.monotonic_ns() / 1e9
        running = self._running
        if running is not None:
            if running.done():
                self._settle(running, now)
            elif now - self._began > self._timeout + 0.5:  # a thread cannot be stopped: it is left behind
                self._running = None
                self._failed(f"no answer within {self._timeout:g} s", now)
        if self._running is None and now >= self._due:
            self._began = now
            self._running = _begin(self._probe, self._timeout, loop)
            if self._running is None:  # too many others hang; that says nothing of this one
                self._due = now + AGAIN_SECONDS

    def _settle(self, done: Future[float], now: float) -> None:
        self._running = None
        error = None if done.cancelled() else done.exception()
        self.starting = isinstance(error, Starting)
        if self.starting:  # asked again with the next turn: it may answer at any moment
            self.failed_in_row, self._due, self._asked = 0, now, True
            return
        if done.cancelled() or error is not None:
            late = f"no answer within {self._timeout:g} s"
            self._failed(late if error is None or isinstance(error, TimeoutError) else reason(error), now)
            return
        self.seconds, self.failed_in_row, self._asked = done.result(), 0, True
        self._due = self._began + self._interval

    def _failed(self, error: str, now: float) -> None:
        self.failed_in_row += 1
        self.starting = False
        self.error, self.error_at, self._asked = error[:ERROR_LIMIT], self._clock.time_ns() / 1e9, True
        self._due = now + (self._interval if self.failing else min(AGAIN_SECONDS, self._interval))

    def samples(self) -> Iterator[Sample]:
        """What it says, as gauges of this instance; nothing before the first answer."""
        if not self._asked:
            return
        level = PROBE_STARTING if self.starting else PROBE_FAILS if self.failing else PROBE_ANSWERS
        yield Sample("service.probe", self.name, level, "max", "instance")
        if self.seconds is not None:
            yield Sample("service.probe.seconds", self.name, self.seconds, "max", "instance")
        if self.failing:
            label = f"{self.name}{SEPARATOR}{self.error}"
            yield Sample("service.probe.error", label, self.error_at, "max", "instance")


def _begin(probe: Probe, seconds: float, loop: asyncio.AbstractEventLoop | None) -> Future[float] | None:
    """Start a probe: coroutines on the serving loop, the rest on a thread of its own; None when there is no room."""
    if inspect.iscoroutinefunction(probe) and loop is not None and loop.is_running():
        return asyncio.run_coroutine_threadsafe(_timed(probe, seconds), loop)
    if not _slots.acquire(blocking=False):
        return None
    future: Future[float] = Future()
    threading.Thread(target=_on_thread, args=(probe, seconds, future), name="fanlight-probe", daemon=True).start()
    return future


def _on_thread(probe: Probe, seconds: float, future: Future[float]) -> None:
    began = time.perf_counter()
    try:
        if inspect.iscoroutinefunction(probe):
            asyncio.run(_timed(probe, seconds))
        else:
            probe()
    except BaseException as error:
        future.set_exception(error if isinstance(error, Exception) else FanlightError(type(error).__name__))
    else:
        future.set_result(time.perf_counter() - began)
    finally:
        _slots.release()


async def _timed(probe: Probe, seconds: float) -> float:
    began = time.perf_counter()
    await asyncio.wait_for(probe(), seconds)
    return time.perf_counter() - began
