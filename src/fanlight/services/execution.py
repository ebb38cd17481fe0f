"""Execution: does this worker's part of a run, with a timeout, and answers for it."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from typing import Any, Final, Literal

import msgspec

from fanlight.errors import FanlightError
from fanlight.services.actions import Action, Actions
from fanlight.services.parameters import read
from fanlight.services.progress import Progress, Teller, current
from fanlight.services.supplier import LoopCaller
from fanlight.services.wording import REASON_LIMIT, presentable, reason

NAME: Final = "action"
"""What the command of a run is called."""

STEP_SECONDS: Final = 0.1
"""How often a running action is looked at."""

TELL_SECONDS: Final = 0.5
"""The least between two reports of progress."""

Report = Callable[[str, Literal["running", "success", "error"], str], None]
"""(run, status, message): answers for this worker; may block."""


class Stopped(FanlightError):
    """The worker stops."""


class Execution:
    """This worker's parts of runs, each followed on a thread of its own. Thread-safe."""

    def __init__(
        self,
        actions: Actions,
        caller: LoopCaller,
        report: Report,
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._actions = actions
        self._caller = caller
        self._report = report
        self._failed = failed
        self._stopping = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._unfinished: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def begin(self, run: str, command: Mapping[str, Any]) -> None:
        """Do a part; returns at once."""
        thread = threading.Thread(target=self._part, args=(run, command), name="fanlight-action", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _part(self, run: str, command: Mapping[str, Any]) -> None:
        status: Literal["success", "error"] = "success"
        try:
            message = self._done(run, str(command["path"]), command["arguments"])
        except Exception as error:
            status, message = "error", reason(error)
        try:
            self._report(run, status, message)
        except Exception as error:
            self._failed("action", error)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _done(self, run: str, path: str, arguments: Mapping[str, Any]) -> str:
        action, _ = self._actions.find(path)
        values = read(action.parameters, arguments)
        teller = Teller()
        future = self._start(path, action, values, teller)
        result = self._result(run, action, future, teller)
        return presentable("" if result is None else result, REASON_LIMIT)

    def _start(self, path: str, action: Action, values: Mapping[str, Any], teller: Teller) -> Future[Any]:
        context = copy_context()
        context.run(current.set, teller)
        with self._lock:
            earlier = self._unfinished.get(path)
            if earlier is not None and not earlier.done() and not action.concurrent:
                raise FanlightError("an earlier run ran into its timeout here and goes on; it must end first")
            future = context.run(self._caller.submit, functools.partial(action.function, **values))
            self._unfinished[path] = future
        future.add_done_callback(lambda done: self._forget(path, done))
        return future

    def _forget(self, path: str, future: Future[Any]) -> None:
        if self._unfinished.get(path) is future:
            self._unfinished.pop(path, None)

    def _result(self, run: str, action: Action, future: Future[Any], teller: Teller) -> Any:
        told, began, told_at = Progress(), time.monotonic(), 0.0
        while True:
            try:
                return future.result(STEP_SECONDS)
            except FutureTimeoutError:
                if future.done():
                    return future.result()
            passed = time.monotonic() - began
            if self._stopping.is_set() or passed > action.timeout:
                future.cancel()
                raise _given_up(action, passed)
            if teller.latest != told and passed - told_at >= TELL_SECONDS:
                told, told_at = teller.latest, passed
                self._report(run, "running", msgspec.json.encode(told).decode())

    def close(self, patience: float = 1.0) -> None:
        """Give up what runs and say so."""
        self._stopping.set()
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(patience)


def _given_up(action: Action, passed: float) -> FanlightError:
    if passed > action.timeout:
        return FanlightError(f"no result within {action.timeout:g} s")
    return Stopped("this worker stopped before it was done")
