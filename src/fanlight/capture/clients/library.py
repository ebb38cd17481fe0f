"""Library: a client library that is watched while some dashboard wants it, and left as it was found afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from threading import Lock
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

from fanlight.core import context
from fanlight.core.context import serving, unwatched
from fanlight.errors import FanlightError

Undo = Callable[[], None]
"""Leaves a library as it was found."""


class Described(NamedTuple):
    """A call as an adapter sees it: `keys` are looked up in the names the application gave, else it is `service`."""

    keys: tuple[str, ...]
    service: str
    operation: str
    kind: str
    attributes: dict[str, Any]


class ClientCall(AbstractContextManager["ClientCall"], Protocol):
    """A call as adapters use it; see `services.client_calls.ClientCall`."""

    service: str
    attributes: dict[str, Any]

    @property
    def elapsed(self) -> float: ...
    def set(self, **attributes: Any) -> None: ...
    def fail(self, reason: str | BaseException, type: str = "") -> None: ...
    def answered(self, status: int) -> None: ...
    def learn(self, read: Callable[..., object], *given: Any) -> None: ...
    def outlive(self) -> None: ...
    def end(self, error: BaseException | None = None) -> None: ...


class Watcher(Protocol):
    """A dashboard that watches; see `services.client_calls.Watcher`."""

    sink: Any
    failed: Callable[[str, Exception], None]

    def begin(self, described: Described, others: tuple[Any, ...] = ()) -> Any: ...


class Nobody:
    """The call where nobody watches: nothing happens."""

    service = ""
    elapsed = 0.0

    @property
    def attributes(self) -> dict[str, Any]:
        """Nothing is kept."""
        return {}

    def set(self, **attributes: Any) -> None:
        """Nothing is kept."""

    def fail(self, reason: str | BaseException, type: str = "") -> None:
        """Nothing is kept."""

    def answered(self, status: int) -> None:
        """Nothing is kept."""

    def learn(self, read: Callable[..., object], *given: Any) -> None:
        """Nothing is read."""

    def outlive(self) -> None:
        """Nothing goes on."""

    def end(self, error: BaseException | None = None) -> None:
        """Nothing ends."""

    def __enter__(self) -> Nobody:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


NOBODY: Final = Nobody()


class Library:
    """One client library: changed when the first dashboard watches it, restored when the last one ceases to.

    Thread-safe. `begin` costs next to nothing where nobody watches and never raises.
    """

    def __init__(self, name: str, extra: str = "") -> None:
        self.name = name
        self.watchers: tuple[Watcher, ...] = ()
        self._extra = extra or name
        self._undo: Undo | None = None
        self._lock = Lock()
        self._gone: deque[Watcher] = deque()

    def watch(self, watcher: Watcher) -> None:
        """Have this watcher told of calls; raises FanlightError where the library is not installed."""
        with self._lock:
            if self._undo is None:
                self._undo = self._changed()
            if watcher not in self.watchers:
                self.watchers = (*self.watchers, watcher)
            if len(self.watchers) > 1:
                context.tell_apart = True
        self._sweep()

    def _changed(self) -> Undo:
        adapter = import_module(f"fanlight.capture.clients.{self.name}")
        try:
            undo: Undo = adapter.change(self)
        except ImportError as error:
            raise FanlightError(
                f'watch("{self.name}") needs {self.name}, which is not installed ({error}); '
                f"pip install 'fanlight[{self._extra}]'"
            ) from None
        return undo

    def unwatch(self, watcher: Watcher) -> None:
        """Tell this watcher no more. Never waits: finalizers call it, which run anywhere, inside `watch` too."""
        self._gone.append(watcher)
        self._sweep()

    def _sweep(self) -> None:
        """Let those go who are gone; who holds the lock does it for all others."""
        while self._gone and self._lock.acquire(blocking=False):
            try:
                self._forget(self._gone.popleft())
            finally:
                self._lock.release()

    def _forget(self, watcher: Watcher) -> None:
        self.watchers = tuple(each for each in self.watchers if each is not watcher)
        undo = self._undo
        if not self.watchers and undo is not None:
            self._undo = None
            undo()

    def begin(self, describe: Callable[..., Described | None], *given: Any) -> ClientCall | Nobody:
        """The call that `describe(*given)` says is being made, to be entered; NOBODY where it is not recorded.

        It is recorded for the dashboard whose request is being served if that one watches, else for all that do.
        """
        watchers = self.watchers
        if not watchers or unwatched.get():
            return NOBODY
        if len(watchers) > 1:
            served = serving.get()
            watchers = tuple(each for each in watchers if each.sink is served) or watchers
        try:
            described = describe(*given)
            call = None if described is None else watchers[0].begin(described, watchers[1:])
        except Exception as error:
            watchers[0].failed("clients", error)
            return NOBODY
        return NOBODY if call is None else call


def replaced(*changes: tuple[Any, str, Callable[[Any], Any]]) -> Undo:
    """Replace attributes of classes, each by what its function makes of it; returns what puts them back.

    What somebody else replaced since stays theirs: what we left below it does nothing while nobody watches.
    """
    made = []
    for owner, name, make in changes:
        inherited = name not in vars(owner)
        original = getattr(owner, name)
        replacement = make(original)
        setattr(owner, name, replacement)
        made.append((owner, name, original, replacement, inherited))

    def undo() -> None:
        for owner, name, original, replacement, inherited in reversed(made):
            if vars(owner).get(name) is not replacement:
                continue
            if inherited:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    return undo
