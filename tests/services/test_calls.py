"""Calls are recorded as they end, whatever ends them, and never get in the way of what is called."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.context import call as current
from fanlight.core.context import correlation_id
from fanlight.core.frame import Frame, Record
from fanlight.services.calls import NO_ATTRIBUTES, Call


class UpstreamError(Exception):
    """An error as HTTP and LLM clients raise them."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}, api_key=sk-abcdefghijklmnop")
        self.status_code = status


class Bench:
    """A dashboard on a clock that stands still, its calls folded when asked."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.dashboard = Fanlight("bench", clock=self.clock, **settings)
        self.call = self.dashboard.call

    def take(self) -> Frame:
        self.clock.advance(1.0)
        return self.dashboard.recorder.take()

    def outcomes(self) -> dict[str, int]:
        """What became of the calls since the last time."""
        return self.take().totals["calls"].outcomes

    def kept(self, kind: str = "calls") -> list[Record]:
        return self.take().kept[kind]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_call_is_timed_and_counted_by_service_and_operation(bench: Bench) -> None:
    """ORC-1: service, operation, duration and success, by operation and by service."""
    for _ in range(3):
        with bench.call("routellm", "route"):
            bench.clock.advance(0.25)
    frame = bench.take()
    cell = frame.series["calls"]["routellm", "route"]
    assert (cell.count, cell.errors, cell.total, cell.outcomes) == (3, 0, 750_000_000, {"ok": 3})
    assert frame.series["services"]["routellm", "wrapper"].count == 3


def test_what_is_raised_passes_and_is_counted_by_its_type(bench: Bench) -> None:
    """ORC-1, X-7: an exception is recorded by kind, its text without secrets, and raised on as it was."""
    error = UpstreamError(503)
    with pytest.raises(UpstreamError) as caught, bench.call("ollama", "chat", kind="llm"):
        raise error
    assert caught.value is error
    record = bench.kept("failed_calls")[0]
    assert (record.data["outcome"], record.data["error_type"]) == ("error", "upstream")
    assert record.data["attributes"]["status"] == 503
    assert "answered 503" in record.data["error"]
    assert "sk-" not in record.data["error"]


@pytest.mark.parametrize("cancel", [asyncio.CancelledError, KeyboardInterrupt, GeneratorExit])
def test_a_cancelled_call_is_no_error(bench: Bench, cancel: type[BaseException]) -> None:
    """ORC-1: what was given up from outside is an outcome of its own."""
    with pytest.raises(cancel), bench.call("slow", "wait"):
        raise cancel
    cell = bench.take().totals["calls"]
    assert (cell.count, cell.errors, cell.outcomes) == (1, 0, {"cancelled": 1})


def test_cancelling_a_task_ends_its_call(bench: Bench) -> None:
    """ORC-1: a real cancellation of an awaiting task is recorded as such, and nothing stays open."""

    async def scene() -> None:
        async def wait() -> None:
            async with bench.call("slow", "wait"):
                await asyncio.Event().wait()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert len(bench.dashboard.recorder.open_calls()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert bench.outcomes() == {"cancelled": 1}
    assert not bench.dashboard.recorder.open_calls()


def test_a_call_can_fail_without_raising(bench: Bench) -> None:
    """ORC-1: `fail` says why and of what type; what it says counts more than what is raised later."""
    with bench.call("search", "query") as call:
        call.fail("half of the shards answered", type="partial")
    with pytest.raises(ValueError, match="late"), bench.call("search", "query") as call:
        _fail_and_raise(call)
    assert [record.data["error_type"] for record in bench.kept("failed_calls")] == ["partial", "timeout"]


def _fail_and_raise(call: Call) -> None:
    call.fail(TimeoutError("shard 3"))
    raise ValueError("late")


def test_attributes_are_kept_bounded_and_without_secrets(bench: Bench) -> None:
    """ORC-1, X-6: attributes of the declaration and of `set`, 20 of them, secrets masked by name and by shape."""
    with bench.call("db", "select", table="users") as call:
        call.set(rows=3, password="hunter2", dsn="postgres://me:secret@db/x", odd=object(), long="x" * 900)
        call.set(**{f"n{number}": number for number in range(40)})
    kept = bench.kept()[0].data["attributes"]
    assert (kept["table"], kept["rows"], kept["password"]) == ("users", 3, "[redacted]")
    assert "secret" not in kept["dsn"]
    assert len(kept) == 20
    assert len(kept["long"]) <= 300


def test_calls_without_attributes_share_none(bench: Bench) -> None:
    """ORC-1: what is said of one call, by `set` or by the status of its error, is said of no other."""
    with bench.call("a", "x") as call:
        call.set(rows=3)
    with pytest.raises(UpstreamError), bench.call("a", "x"):
        raise UpstreamError(503)
    with bench.call("a", "x"):
        pass
    assert [record.data["attributes"] for record in bench.kept()] == [{"rows": 3}, {"status": 503}, {}]
    assert NO_ATTRIBUTES == {}


def test_calls_nest_and_carry_their_correlation_id(bench: Bench) -> None:
    """X-4: a call knows the call around it, in tasks of its own too, and the request it belongs to."""

    async def inner(name: str) -> None:
        async with bench.call("inner", name):
            await asyncio.sleep(0)

    async def scene() -> None:
        correlation_id.set("req-1")
        with bench.call("outer", "work"):
            await asyncio.gather(inner("a"), inner("b"))

    asyncio.run(scene())
    assert current.get() is None
    bench.take()
    waiting = bench.dashboard.recorder.fold._calls.waiting["req-1"]
    calls = {fact[4].operation: fact for fact in waiting}
    assert calls["a"][5] is calls["b"][5] is calls["work"][4]
    assert len({fact[4].id for fact in waiting}) == 3


def test_a_call_that_ends_in_another_context_is_recorded(bench: Bench) -> None:
    """ORC-1: begun in one thread and ended in another it is still recorded, and nothing is raised."""
    call = bench.call("queue", "work").__enter__()
    thread = threading.Thread(target=call.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert bench.outcomes() == {"ok": 1}
    current.set(None)


def test_ending_a_call_twice_records_it_once(bench: Bench) -> None:
    """ORC-1: a second end is nothing; a call used again is another call."""
    call = bench.call("a", "b")
    for _ in range(2):
        with call:
            pass
        call.__exit__(None, None, None)
    assert bench.outcomes() == {"ok": 2}


def test_functions_of_every_kind_can_be_decorated(bench: Bench) -> None:
    """ORC-1: sync, async, generator and async generator, each run a call, with their values, names and errors."""

    @bench.call("svc", "plain")
    def plain(value: int) -> int:
        """Says it again."""
        return value

    @bench.call("svc", "coroutine")
    async def coroutine(value: int) -> int:
        raise UpstreamError(429)

    @bench.call("svc", "generator")
    def generator(value: int) -> Iterator[int]:
        assert isinstance(current.get(), Call)
        yield value

    @bench.call("svc", "stream")
    async def stream(value: int) -> AsyncIterator[int]:
        assert isinstance(current.get(), Call)
        yield value

    async def scene() -> list[int]:
        with pytest.raises(UpstreamError):
            await coroutine(1)
        return [item async for item in stream(4)]

    assert (plain(1), list(generator(3)), asyncio.run(scene())) == (1, [3], [4])
    assert (plain.__name__, plain.__doc__) == ("plain", "Says it again.")
    assert bench.outcomes() == {"ok": 3, "rate_limit": 1}


def test_a_dashboard_that_is_off_records_nothing() -> None:
    """ORC-1: FANLIGHT_ENABLED=0 leaves a pass-through."""
    bench = Bench(enabled=False)
    with bench.call("a", "b") as call:
        call.set(rows=1)
    bench.dashboard.record_call("a", "b", duration=1.0)
    assert bench.dashboard.recorder.pending == 0


def test_a_finished_call_can_be_recorded(bench: Bench) -> None:
    """ORC-1: hooks of client libraries report a call after it ended: its duration, its error, the call around it."""
    correlation_id.set("req-2")
    with bench.call("outer", "work"):
        bench.dashboard.record_call("redis", "GET", duration=0.5, kind="cache", key="a")
        bench.dashboard.record_call("redis", "SET", duration=0.1, error=ConnectionError("gone"))
        bench.dashboard.record_call("redis", "DEL", duration=0.1, error="no", error_type="readonly")
    frame = bench.take()
    assert frame.totals["calls"].outcomes == {"ok": 2, "ConnectionError": 1, "readonly": 1}
    assert frame.series["calls"]["redis", "GET"].total == 500_000_000
    facts = bench.dashboard.recorder.fold._calls.waiting["req-2"]
    assert {fact[5].operation for fact in facts if fact[4].service == "redis"} == {"work"}


@pytest.mark.parametrize("duration", [float("nan"), float("inf"), 1e300, 1e12, -1.0, "soon", None])
def test_a_duration_that_is_none_hurts_nobody(bench: Bench, duration: Any) -> None:
    """X-8: the call is counted, its caller gets no exception, and the frame can be stored."""
    bench.dashboard.record_call("search", "query", duration=duration)
    frame = bench.take()
    assert frame.totals["calls"].count == 1
    assert Frame.decode(frame.encode()) == frame


def test_what_a_client_raises_is_hurt_by_nothing(bench: Bench) -> None:
    """TTY-6: an exception whose text or status cannot be read is still recorded and raised."""

    class Hostile(Exception):
        @property
        def status_code(self) -> int:
            raise RuntimeError

        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Hostile), bench.call("a", "b"):
        raise Hostile
    assert bench.outcomes() == {"Hostile": 1}


def test_waiting_calls_hold_neither_contexts_nor_exceptions(bench: Bench) -> None:
    """TTY-6: a call that waits to be folded keeps nothing of the request alive but its attributes."""
    with pytest.raises(ValueError, match="x"), bench.call("a", "b") as call:
        raise ValueError("x")
    assert call.token is None
    fact = bench.dashboard.recorder._facts[-1]
    assert pickle.loads(pickle.dumps(fact[8])) == "ValueError: x"
    assert not [part for part in fact if isinstance(part, BaseException)]
