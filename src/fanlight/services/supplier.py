"""Supplier: asks the application for what only it knows, on its own loop or on threads, never on the pulse."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from functools import partial
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Final

from fanlight.clock import Clock
from fanlight.core.sections import Supplied
from fanlight.errors import FanlightError
from fanlight.services.wording import reason

EVERY_SECONDS: Final = 10.0
"""How old supplied data may grow while somebody looks."""

TIMEOUT_SECONDS: Final = 5.0
"""How long the application's function may take; a hanging database never hangs the page."""

WAIT_SECONDS: Final = 0.5
"""How long who asks waits for an answer before it takes what is known."""

CALL_LIMIT: Final = 64
"""Plain functions of the application that run at once; one that hangs keeps its place until it returns."""


def _a_dict(supplied: Any) -> Mapping[str, Any]:
    if not isinstance(supplied, Mapping):
        raise FanlightError(f"supplied {type(supplied).__name__}; expected a dict")
    return dict(supplied)


class LoopCaller:
    """Runs the application's functions: coroutines on the serving loop, plain ones on threads. Thread-safe.

    The threads are daemons, one for each call, so that a function that hangs keeps neither another one nor the end of
    the process waiting.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin again, without a loop; for the child of a fork."""
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
    """One function of the application and what it last supplied. Thread-safe.

    It is asked at most every `every` seconds and only when somebody wants to know; `accept` makes of its answer what is
    supplied, and raises FanlightError for what it cannot be made of. A call that hangs is given up after `timeout`
    seconds, and a plain function is not called again before it has come back.
    """

    def __init__(
        self,
        caller: LoopCaller,
        clock: Clock,
        every: float = EVERY_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        accept: Callable[[Any], Any] = _a_dict,
    ) -> None:
        self._caller = caller
        self._clock = clock
        self._every = every
        self._timeout = timeout
        self._accept = accept
        self._function: Callable[[], Any] | None = None
        self.forget()

    def forget(self) -> None:
        """Begin again; in the child of a fork the call under way is the parent's."""
        self._latest = Supplied(configured=self._function is not None)
        self._running: Future[Any] | None = None
        self._started = 0.0
        self._began = 0.0
        self._lock = Lock()

    def declare(self, function: Callable[[], Any]) -> None:
        """Use this function from now on."""
        self._function = function
        self._latest = Supplied(configured=True)

    def begin(self) -> None:
        """Ask anew in the background when what is known is old. Never waits."""
        self._settle()
        with self._lock:
            now = self._now()
            if self._function is not None and self._running is None and now - self._latest.at >= self._every:
                self._start(self._function, now)

    def latest(self) -> Supplied:
        """What was supplied last; waits only when nothing is known or it is much too old, and then not for long."""
        self.begin()
        running = self._running
        if running is not None and self._now() - self._latest.at > 2 * self._every:
            self._wait(running)
        self._settle()
        return self._latest

    def _now(self) -> float:
        return self._clock.time_ns() / 1e9

    def _start(self, function: Callable[[], Any], now: float) -> None:
        self._started, self._began = now, time.monotonic()
        try:
            self._running = self._caller.submit(function)
        except (RuntimeError, FanlightError) as error:  # the loop is closing, or too many hang
            self._latest = Supplied(now, self._latest.data, reason(error), configured=True)

    def _wait(self, running: Future[Any]) -> None:
        left = self._began + WAIT_SECONDS - time.monotonic()
        if left > 0:
            wait((running,), left)

    def _settle(self) -> None:
        with self._lock:
            running, now = self._running, self._now()
            if running is None:
                return
            if running.done():
                self._running = None
                self._latest = self._read(running, now)
            elif now - self._started > self._timeout:
                if running.cancel():
                    self._running = None
                late = f"no answer within {self._timeout:g} s"
                self._latest = Supplied(now, self._latest.data, late, configured=True)

    def _read(self, done: Future[Any], now: float) -> Supplied:
        try:
            return Supplied(now, self._accept(done.result()), "", configured=True)
        except CancelledError:
            return Supplied(now, self._latest.data, "cancelled", configured=True)
        except BaseException as error:  # whatever the function raises is told in its place
            return Supplied(now, self._latest.data, reason(error), configured=True)
