"""SnapshotCache: once per time to live, whoever asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fanlight.clock import ManualClock
from fanlight.errors import FanlightError
from fanlight.services.snapshot_cache import COMPUTE_SECONDS, POLL_SECONDS, TTL_SECONDS, SnapshotCache


class Place:
    """A shared place in memory; `broken` makes every call fail."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.claimed: set[str] = set()
        self.seconds = 0.0
        self.broken = False

    def get(self, key: str) -> bytes | None:
        self._check()
        return self.values.get(key)

    def put(self, key: str, value: bytes, seconds: float) -> None:
        self._check()
        self.values[key], self.seconds = value, seconds
        self.claimed.discard(key)

    def claim(self, key: str, seconds: float) -> bool:
        self._check()
        free = key not in self.claimed
        self.claimed.add(key)
        return free

    def _check(self) -> None:
        if self.broken:
            raise FanlightError("the place cannot be reached")


class Count:
    """Lookups."""

    hits = misses = 0

    def hit(self) -> None:
        self.hits += 1

    def miss(self) -> None:
        self.misses += 1


class Worker:
    """One process that asks: computes 1, 2, 3 ..."""

    def __init__(self, clock: ManualClock, place: Place | None = None, **options: Any) -> None:
        self.counted = Count()
        self.computed = 0
        self.failures: list[str] = []
        self.cache = SnapshotCache(
            "report",
            dict[str, int],
            self.compute,
            self.counted,
            clock,
            shared=place,
            failed=lambda where, error: self.failures.append(f"{where}: {error}"),
            **options,
        )

    def compute(self) -> dict[str, int]:
        self.computed += 1
        return {"made": self.computed}

    @property
    def lookups(self) -> tuple[int, int]:
        return self.counted.hits, self.counted.misses


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_what_is_shared_says_whose_it_is(clock: ManualClock) -> None:
    """OBS-4: whoever finds the value in the shared place reads the service beside it."""
    place = Place()
    Worker(clock, place, service="shop").cache.get()
    assert json.loads(place.values["report"]) == {"at": clock.time_ns() / 1e9, "value": {"made": 1}, "service": "shop"}


def test_it_is_computed_once_per_time_to_live(clock: ManualClock) -> None:
    """OBS-4: within 30 s every further lookup is a hit; then it is computed again."""
    worker = Worker(clock)
    assert [worker.cache.get() for _ in range(10)] == [{"made": 1}] * 10
    assert worker.lookups == (9, 1)
    clock.advance(TTL_SECONDS - 0.1)
    assert worker.cache.get() == {"made": 1}
    clock.advance(0.1)
    assert worker.cache.get() == {"made": 2}
    assert worker.lookups == (10, 2)


def test_threads_that_ask_at_once_compute_once(clock: ManualClock) -> None:
    """OBS-4: while one thread computes the others wait for what it makes."""
    asked, go = threading.Barrier(9), threading.Event()
    worker = Worker(clock)
    compute = worker.compute

    def slow() -> dict[str, int]:
        go.wait(20)
        return compute()

    worker.cache._compute = slow
    found: list[dict[str, int]] = []

    def ask() -> None:
        asked.wait(20)
        found.append(worker.cache.get())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    asked.wait(20)
    go.set()
    for thread in threads:
        thread.join(20)
    assert found == [{"made": 1}] * 8
    assert worker.lookups == (7, 1)


def test_workers_share_what_one_computed(clock: ManualClock) -> None:
    """OBS-4: with a shared place one worker computes for all, with the expiry it was given; lookups count as hits."""
    place = Place()
    first, second = Worker(clock, place), Worker(clock, place)
    assert first.cache.get() == {"made": 1}
    clock.advance(TTL_SECONDS - 1)
    assert second.cache.get() == {"made": 1}
    assert (first.lookups, second.lookups, second.computed) == ((0, 1), (1, 0), 0)
    assert place.seconds == TTL_SECONDS
    clock.advance(1)
    assert second.cache.get() == {"made": 1}, "its own first: what was shared is as old as when it was computed"
    assert second.computed == 1


def waiting(turns: int, then: Callable[[], object]) -> Callable[[float], None]:
    """A pause that has something happen after so many turns."""
    left = iter(range(turns, -1, -1))

    def pause(seconds: float) -> None:
        assert seconds == POLL_SECONDS
        if next(left) == 1:
            then()

    return pause


def test_a_worker_waits_for_the_one_that_computes(clock: ManualClock) -> None:
    """OBS-4: while another has the claim its value is waited for, not computed a second time."""
    place = Place()
    first = Worker(clock, place)
    place.claim("report", COMPUTE_SECONDS)
    second = Worker(clock, place, pause=waiting(3, lambda: first.cache._give(first.cache._computed())))
    assert second.cache.get() == {"made": 1}
    assert second.computed == 0


def test_a_worker_that_died_computing_holds_nobody_up_for_long(clock: ManualClock) -> None:
    """OBS-4: when the value does not come in the time a worker may take, the next computes it."""
    place = Place()
    place.claim("report", COMPUTE_SECONDS)
    paused: list[float] = []
    worker = Worker(clock, place, pause=paused.append)
    assert worker.cache.get() == {"made": 1}
    assert sum(paused) == pytest.approx(COMPUTE_SECONDS, abs=2 * POLL_SECONDS)


def test_a_place_out_of_reach_is_told_and_gone_without(clock: ManualClock) -> None:
    """OBS-4: each worker computes for itself, once per time to live, and the failure is counted."""
    place = Place()
    place.broken = True
    worker = Worker(clock, place)
    assert [worker.cache.get() for _ in range(3)] == [{"made": 1}] * 3
    assert worker.failures == ["shared snapshot: the place cannot be reached"]


@pytest.mark.parametrize("held", [b"not json", b'{"at": "x"}', b'{"at": 0.0, "value": {"made": 9}}'])
def test_what_cannot_be_used_is_computed_anew(clock: ManualClock, held: bytes) -> None:
    """OBS-4: a value of another version, or one that is too old, is replaced."""
    place = Place()
    place.values["report"] = held
    worker = Worker(clock, place)
    assert worker.cache.get() == {"made": 1}
    assert place.values["report"] != held
