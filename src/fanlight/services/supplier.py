"""Supplier: asks the application for what only it knows, on its own loop or on threads, never on the pulse."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from functools import partial
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Final

from fanlight.clock import Clock
from fanlight.core.sections import Supplied
from fanlight.errors import FanlightError

EVERY_SECONDS: Final = 10.0
"""How old supplied data may grow while somebody looks."""

TIMEOUT_SECONDS: Final = 5.0
"""How long the application's function may take; a hanging database never hangs the page."""

CALL_LIMIT: Final = 64
"""Plain functions of the application that run at once; one that hangs keeps its place until it returns."""


class LoopCaller:
    """Runs the application's functions: coroutines on the serving loop, plain ones on threads. Thread-safe.

    The threads are daemons, one for each call, so that a function that hangs keeps neither another one nor the end of
    the process waiting.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._places = BoundedSemaphore(CALL_LIMIT)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Start it in the caller's context; the future has its result. Raises FanlightError when too many hang."""
        loop = self.loop
        if not inspect.iscoroutinefunction(function):
            return self._in_thread(lambda: function(*arguments))
        if loop is not None and loop.is_running():
            return asyncio.run_coroutine_threadsafe(function(*arguments), loop)
        return self._in_thread(lambda: asyncio.run(function(*arguments)))

    def _in_thread(self, call: Callable[[], Any]) -> Future[Any]:
        if not self._places.acquire(blocking=False):
            raise FanlightError(f"{CALL_LIMIT} functions of the application have not come back; see which of them hang")
        future: Future[Any] = Future()
        work = partial(copy_context().run, self._work, future, call)
        Thread(target=work, name="fanlight-call", daemon=True).start()
        return future

    def _work(self, future: Future[Any], call: Callable[[], Any]) -> None:
        try:
            if future.set_running_or_notify_cancel():
                future.set_result(call())
        except BaseException as error:  # what the function raises is its caller's to know
            future.set_exception(error)
        finally:
            self._places.release()

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float = TIMEOUT_SECONDS) -> Any:
        """Run it and wait; raises TimeoutError after `timeout` seconds. Never on the serving loop."""
        future = self.submit(function, *arguments)
        try:
            return future.result(timeout)
        except FutureTimeoutError as error:
            if future.done():
                raise
            future.cancel()
            raise TimeoutError(f"no answer within {timeout:g} s") from error


class Supplier:
    """One function of the application and what it last supplied. Thread-safe."""

    def __init__(self, caller: LoopCaller, clock: Clock, every: float = EVERY_SECONDS) -> None:
        self._caller = caller
        self._clock = clock
        self._every = every
        self._function: Callable[[], Any] | None = None
        self._latest = Supplied()
        self._running: Future[Any] | None = None
        self._started = 0.0
        self._lock = Lock()

    def declare(self, function: Callable[[], Any]) -> None:
        """Use this function from now on."""
        self._function = function
        self._latest = Supplied(configured=True)

    def latest(self) -> Supplied:
        """What was supplied last; asks anew in the background when that is old, and waits only for the first answer."""
        if self._function is None:
            return self._latest
        with self._lock:
            now = self._clock.time_ns() / 1e9
            if self._running is None and now - self._latest.at >= self._every:
                self._start(self._function, now)
            first = not self._latest.at
        running = self._running
        if first and running is not None:
            self._wait(running, 1.0)
        self._settle()
        return self._latest

    def _start(self, function: Callable[[], Any], now: float) -> None:
        self._started = now
        try:
            self._running = self._caller.submit(function)
        except (RuntimeError, FanlightError) as error:  # the loop is closing, or too many hang
            self._latest = Supplied(now, self._latest.data, _reason(error), configured=True)

    def _wait(self, running: Future[Any], timeout: float) -> None:
        try:
            running.exception(timeout)
        except (TimeoutError, FutureTimeoutError):
            return

    def _settle(self) -> None:
        with self._lock:
            running, now = self._running, self._clock.time_ns() / 1e9
            if running is None:
                return
            if running.done():
                self._running = None
                self._latest = self._read(running, now)
            elif now - self._started > TIMEOUT_SECONDS:
                running.cancel()
                self._running = None
                reason = f"no answer within {TIMEOUT_SECONDS:g} s"
                self._latest = Supplied(now, self._latest.data, reason, configured=True)

    def _read(self, done: Future[Any], now: float) -> Supplied:
        if done.cancelled():
            return Supplied(now, self._latest.data, "cancelled", configured=True)
        error = done.exception()
        if error is not None:
            return Supplied(now, self._latest.data, _reason(error), configured=True)
        data = done.result()
        if not isinstance(data, Mapping):
            return Supplied(now, {}, f"supplied {type(data).__name__}; expected a dict", configured=True)
        return Supplied(now, dict(data), "", configured=True)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
