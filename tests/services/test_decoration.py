"""Decorated generators behave as they did, and leave nothing in the context between their steps."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.context import call as current


@pytest.fixture
def dashboard() -> Fanlight:
    return Fanlight("bench", clock=ManualClock())


def outcomes(dashboard: Fanlight) -> dict[str, int]:
    return dashboard.recorder.take().totals["calls"].outcomes


def test_a_generator_gets_what_is_sent_and_thrown(dashboard: Fanlight) -> None:
    """ORC-1: send, throw, return values and errors pass through; its kind stays what it was."""

    @dashboard.call("a", "b")
    def echo() -> Generator[Any, Any, str]:
        got = yield "ready"
        try:
            yield got
        except KeyError as error:
            yield f"caught {error}"
        return "done"

    assert inspect.isgeneratorfunction(echo)
    steps = echo()
    assert next(steps) == "ready"
    assert steps.send("hello") == "hello"
    assert steps.throw(KeyError("k")) == "caught 'k'"
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"
    assert outcomes(dashboard) == {"ok": 1}


def test_an_async_generator_gets_what_is_sent_and_thrown(dashboard: Fanlight) -> None:
    """ORC-1: as for generators; what it raises is its call's error."""

    @dashboard.call("a", "b")
    async def echo() -> AsyncGenerator[Any, Any]:
        got = yield "ready"
        try:
            yield got
        except KeyError:
            raise TimeoutError("late") from None

    async def scene() -> None:
        steps = echo()
        assert await anext(steps) == "ready"
        assert await steps.asend("hello") == "hello"
        with pytest.raises(TimeoutError, match="late"):
            await steps.athrow(KeyError("k"))

    assert inspect.isasyncgenfunction(echo)
    asyncio.run(scene())
    assert outcomes(dashboard) == {"timeout": 1}


def test_a_generator_that_is_left_early_was_cancelled(dashboard: Fanlight) -> None:
    """ORC-1: who stops reading a stream cancels its call; the generator's own clean-up runs."""
    closed = []

    @dashboard.call("a", "b")
    def numbers() -> Generator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    @dashboard.call("a", "c")
    async def stream() -> AsyncGenerator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async def leave() -> None:
        steps = stream()
        await anext(steps)
        await steps.aclose()

    steps = numbers()
    next(steps)
    steps.close()
    asyncio.run(leave())
    assert closed == [True, True]
    assert outcomes(dashboard) == {"cancelled": 2}


def test_between_steps_the_reader_is_outside(dashboard: Fanlight) -> None:
    """X-4: calls the reader makes between two steps are not children of the generator's."""
    inside = []

    @dashboard.call("a", "b")
    def numbers() -> Generator[int]:
        for number in range(2):
            inside.append(current.get())
            yield number

    with dashboard.call("reader", "read") as outer:
        for _ in numbers():
            assert current.get() is outer
    assert len(set(map(id, inside))) == 1
    assert inside[0] is not outer
    assert current.get() is None
