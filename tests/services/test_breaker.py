"""Breakers around real code: what is refused, what counts, and what is told of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fanlight import BreakerOpen, Fanlight
from fanlight.clock import ManualClock
from fanlight.core.breaker import Policy
from fanlight.core.frame import Frame
from fanlight.services.breaker import ANSWERED, BREAKER_LIMIT, TRIES, Breaker


class HttpError(Exception):
    """An error as HTTP clients raise them."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"answered {status}")
        self.response = SimpleNamespace(
            status_code=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )


class Bench:
    """A dashboard on a clock that stands still, and one breaker of it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.dashboard = Fanlight("bench", clock=self.clock, **settings)
        self.breaker = self.dashboard.breaker("ollama", policy=Policy(failures=2, recovery=5.0))

    def fail(self, error: BaseException | None = None) -> None:
        """A call through it raises."""
        error = error or ConnectionError("refused")
        with pytest.raises(type(error)), self.breaker:
            raise error

    def take(self) -> Frame:
        self.clock.advance(1.0)
        return self.dashboard.recorder.take()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_open_breaker_raises_without_calling(bench: Bench) -> None:
    """HUB-3: the error names the breaker, why it is open and when it tries again."""
    bench.fail()
    bench.fail()
    ran = []
    with pytest.raises(BreakerOpen) as caught, bench.breaker:
        ran.append(True)
    assert not ran
    assert caught.value.retry_after == 5.0
    expected = "the breaker 'ollama' is open, tries again in 5.0 s (2 failures in a row: ConnectionError: refused)"
    assert str(caught.value) == expected
    assert bench.take().counters["breakers.refused.ollama"] == 1


def test_it_recovers_by_one_call(bench: Bench) -> None:
    """HUB-3: after its time one call tries, others meanwhile are refused; its success closes it."""
    bench.fail()
    bench.fail()
    bench.clock.advance(5.0)
    with bench.breaker, pytest.raises(BreakerOpen, match="another call is trying it"):
        bench.breaker.__enter__()
    assert bench.breaker.state == "closed"
    events = [record.data["fields"] for record in bench.take().kept["events"]]
    assert [event["state"] for event in events] == ["open", "half-open", "closed"]
    assert [event["reason"] for event in events[1:]] == [TRIES, ANSWERED]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 451])
def test_the_callers_own_errors_never_open_it(bench: Bench, status: int) -> None:
    """HUB-3: a 4xx says the service answered."""
    for _ in range(50):
        bench.fail(HttpError(status))
    assert bench.breaker.state == "closed"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_the_services_errors_open_it(bench: Bench, status: int) -> None:
    """HUB-3: timeouts, rate limits and 5xx are failures."""
    bench.fail(HttpError(status))
    bench.fail(HttpError(status))
    assert bench.breaker.state == "open"


def test_it_waits_as_long_as_the_service_asks(bench: Bench) -> None:
    """HUB-3: Retry-After of the response counts where it is longer, in seconds or as a date."""
    bench.fail(HttpError(429, retry_after="30"))
    bench.fail(HttpError(429, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"))
    with pytest.raises(BreakerOpen, match=r"tries again in 30\.0 s"):
        bench.breaker.__enter__()


def test_what_is_cancelled_or_ignored_is_no_failure(bench: Bench) -> None:
    """HUB-3: cancellations are no evidence, ignored exceptions are the application's own business."""
    bench.dashboard.breaker("ollama", ignore=(KeyError,))
    for _ in range(5):
        bench.fail(asyncio.CancelledError())
        bench.fail(KeyError("no such prompt"))
        bench.fail(BreakerOpen("other", "down", 1.0))
    assert bench.breaker.state == "closed"


def test_a_call_can_be_failed_by_hand(bench: Bench) -> None:
    """HUB-3: what answers an error under a 200 counts when it is said, with the time it asks for."""
    for _ in range(2):
        with bench.breaker as attempt:
            attempt.fail("overloaded", retry_after=9.0)
    with pytest.raises(BreakerOpen, match=r"9\.0 s \(2 failures in a row: overloaded\)"):
        bench.breaker.__enter__()


def _plain(breaker: Breaker, error: Exception) -> Callable[[], None]:
    @breaker
    def work() -> None:
        raise error

    return work


def _async(breaker: Breaker, error: Exception) -> Callable[[], None]:
    @breaker
    async def work() -> None:
        raise error

    return lambda: asyncio.run(work())


@pytest.mark.parametrize("make", [_plain, _async])
def test_it_decorates_functions(bench: Bench, make: Callable[[Breaker, Exception], Callable[[], None]]) -> None:
    """HUB-3: sync and async functions go through it as blocks do."""
    work = make(bench.breaker, TimeoutError("late"))
    for _ in range(2):
        with pytest.raises(TimeoutError):
            work()
    with pytest.raises(BreakerOpen):
        work()


def test_calls_at_the_same_time_each_have_their_own_ticket(bench: Bench) -> None:
    """HUB-3: one breaker object around many tasks: who is late changes nothing, who tries decides."""

    states: list[str] = []

    async def scene() -> None:
        gate = asyncio.Event()

        async def late() -> None:
            async with bench.breaker:
                await gate.wait()
                raise ConnectionError("late")

        task = asyncio.create_task(late())
        await asyncio.sleep(0)
        bench.fail()
        bench.fail()
        bench.clock.advance(5.0)
        async with bench.breaker:
            gate.set()
            with pytest.raises(ConnectionError):
                await task
            states.append(bench.breaker.state)
        states.append(bench.breaker.state)

    asyncio.run(scene())
    assert states == ["half_open", "closed"]


def test_threads_share_it(bench: Bench) -> None:
    """HUB-3: of many threads that find it due exactly one gets through."""
    bench.fail()
    bench.fail()
    bench.clock.advance(5.0)
    through, refused, barrier = [], [], threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        try:
            ticket = bench.breaker.admit()
        except BreakerOpen:
            refused.append(1)
        else:
            through.append(ticket)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(through), len(refused)) == (1, 7)


def test_operators_trip_and_reset_it(bench: Bench) -> None:
    """HUB-3: by hand it opens without a deadline, and closes."""
    assert bench.breaker.change("trip", "operator") == "open"
    bench.clock.advance(1e6)
    with pytest.raises(BreakerOpen, match="until it is reset \\(tripped by operator\\)") as caught:
        bench.breaker.__enter__()
    assert caught.value.retry_after is None
    assert bench.breaker.change("reset", "operator") == "closed"
    with bench.breaker:
        pass


def test_breakers_are_bounded(bench: Bench) -> None:
    """Bounds: a hundred breakers are remembered; those beyond still let calls through, and are counted."""
    for number in range(BREAKER_LIMIT + 4):
        with bench.dashboard.breaker(f"b{number}"):
            pass
    assert bench.take().counters["fanlight.dropped.breakers"] == 5
    assert len(bench.dashboard._breakers.all()) == BREAKER_LIMIT


def test_a_dashboard_that_is_off_still_breaks() -> None:
    """HUB-3: switching the dashboard off changes nothing of how the application treats its services."""
    bench = Bench(enabled=False)
    bench.fail()
    bench.fail()
    with pytest.raises(BreakerOpen):
        bench.breaker.__enter__()
    assert bench.dashboard.recorder.pending == 0
