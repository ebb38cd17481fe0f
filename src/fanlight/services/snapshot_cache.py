"""SnapshotCache: something dear is computed once per time to live, however many viewers and workers ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from fanlight.clock import Clock
from fanlight.errors import FanlightError

T = TypeVar("T")

TTL_SECONDS: Final = 30.0
"""How old a snapshot may grow."""
COMPUTE_SECONDS: Final = 5.0
"""How long one worker may have the others wait for what it computes; then another begins."""
POLL_SECONDS: Final = 0.05
"""How often those that wait look."""


class Shared(Protocol):
    """A place all workers see, for values and for the right to compute them. Blocks; raises FanlightError."""

    def get(self, key: str) -> bytes | None:
        """The value, None when there is none or its time is over."""

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep the value for so long."""

    def claim(self, key: str, seconds: float) -> bool:
        """Whether this caller may compute it; nobody else may for so long."""


class Counted(Protocol):
    """Where lookups are counted."""

    def hit(self) -> None:
        """It was there."""

    def miss(self) -> None:
        """It had to be computed."""


class _Entry(msgspec.Struct, Generic[T]):
    """What is shared: when it was computed (Unix seconds), the value, and whose it is."""

    at: float
    value: T
    service: str = ""


class SnapshotCache(Generic[T]):
    """One value of a kind that msgspec can write as JSON. Thread-safe; `get` blocks, never on the serving loop.

    Within a process one thread computes and the others wait for it; across processes likewise, where there is a
    `shared` place. While that cannot be reached each process computes for itself, and `failed` is told. `service`
    is said beside the value, to whoever finds it there.
    """

    def __init__(
        self,
        key: str,
        kind: type[T],
        compute: Callable[[], T],
        counted: Counted,
        clock: Clock,
        *,
        shared: Shared | None = None,
        service: str = "",
        ttl: float = TTL_SECONDS,
        failed: Callable[[str, BaseException], None] = lambda where, error: None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._key = key
        self._compute = compute
        self._counted = counted
        self._clock = clock
        self._shared = shared
        self._service = service
        self._ttl = ttl
        self._failed = failed
        self._pause = pause
        self._decode = msgspec.json.Decoder(_Entry[kind]).decode  # type: ignore[valid-type]  # a value, to mypy
        self._held: _Entry[T] | None = None
        self._lock = threading.Lock()

    def get(self) -> T:
        """The value, at most a time to live old; what `compute` raises when it does."""
        with self._lock:
            if self._held is None or not self._is_fresh(self._held):
                self._held = self._looked_up()
            else:
                self._counted.hit()
            return self._held.value

    def _is_fresh(self, entry: _Entry[T]) -> bool:
        """Younger than the time to live. Clocks differ a little; far in the future was before one was set back."""
        return abs(self._clock.time_ns() / 1e9 - entry.at) < self._ttl

    def _looked_up(self) -> _Entry[T]:
        try:
            found = self._found()
        except FanlightError as error:
            self._failed("shared snapshot", error)
            return self._computed()
        if found is not None:
            self._counted.hit()
            return found
        made = self._computed()
        self._give(made)
        return made

    def _found(self) -> _Entry[T] | None:
        """What another worker computed, or computes right now; None when it is this one's turn."""
        if self._shared is None:
            return None
        waited = 0.0
        while waited < COMPUTE_SECONDS:
            found = self._read(self._shared.get(self._key))
            if found is not None or self._shared.claim(self._key, COMPUTE_SECONDS):
                return found
            self._pause(POLL_SECONDS)
            waited += POLL_SECONDS
        return None

    def _read(self, data: bytes | None) -> _Entry[T] | None:
        if data is None:
            return None
        try:
            entry: _Entry[T] = self._decode(data)
        except msgspec.MsgspecError:  # of another version
            return None
        return entry if self._is_fresh(entry) else None

    def _computed(self) -> _Entry[T]:
        self._counted.miss()
        return _Entry(self._clock.time_ns() / 1e9, self._compute(), self._service)

    def _give(self, entry: _Entry[T]) -> None:
        if self._shared is None:
            return
        try:
            self._shared.put(self._key, msgspec.json.encode(entry), self._ttl)
        except FanlightError as error:
            self._failed("shared snapshot", error)
