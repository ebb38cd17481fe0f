"""Supplier: what only the application knows, asked without ever hanging the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from fanlight.clock import ManualClock
from fanlight.core.sections import Supplied
from fanlight.services import supplier as supplier_module
from fanlight.services.supplier import LoopCaller, Supplier


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def supplier(clock: ManualClock, function: Callable[[], Any]) -> Supplier:
    made = Supplier(LoopCaller(), clock, every=10.0)
    made.declare(function)
    return made


def test_nothing_declared_is_not_configured(clock: ManualClock) -> None:
    """API-2: without a function the database section is not configured and never an error."""
    assert Supplier(LoopCaller(), clock).latest() == Supplied()


def test_the_first_look_waits_for_the_first_answer(clock: ManualClock) -> None:
    """API-2: who looks first sees data, not a placeholder."""
    supplied = supplier(clock, lambda: {"total_groups": 3}).latest()
    assert (supplied.data, supplied.error, supplied.configured) == ({"total_groups": 3}, "", True)


def test_a_look_waits_no_longer_than_it_may(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-5: a function that hangs costs who looks half a second in all, counted from its call."""
    waits: list[float] = []
    monkeypatch.setattr(supplier_module, "wait", lambda futures, seconds: waits.append(seconds))
    release = threading.Event()
    made = supplier(clock, release.wait)
    for _ in range(3):
        made.latest()
    release.set()
    assert waits
    assert all(0 < later <= earlier <= 0.5 for earlier, later in pairwise(waits + waits[-1:]))


def test_a_coroutine_function_runs_on_the_serving_loop(clock: ManualClock) -> None:
    """A coroutine of the application runs where its connections live."""
    seen: list[asyncio.AbstractEventLoop] = []

    async def figures() -> dict[str, int]:
        seen.append(asyncio.get_running_loop())
        return {"n": 1}

    async def look() -> Supplied:
        caller = LoopCaller()
        caller.loop = asyncio.get_running_loop()
        made = Supplier(caller, clock)
        made.declare(figures)
        supplied = await asyncio.to_thread(made.latest)
        assert seen == [caller.loop]
        return supplied

    assert asyncio.run(look()).data == {"n": 1}


def test_it_is_asked_once_per_interval_however_many_look(clock: ManualClock) -> None:
    """OBS-4: an expensive read happens once per interval."""
    calls: list[int] = []

    def figures() -> dict[str, int]:
        calls.append(1)
        return {"n": len(calls)}

    made = supplier(clock, figures)
    assert [made.latest().data["n"] for _ in range(5)] == [1] * 5
    clock.advance(11)
    assert [_settled(made).data["n"] for _ in range(5)] == [2] * 5


def test_an_error_shows_in_its_place_with_the_last_data(clock: ManualClock) -> None:
    """API-5: healthy, or the error; what was known stays."""
    answers: list[Any] = [{"n": 1}]

    def figures() -> Any:
        if answers:
            return answers.pop()
        raise ConnectionError("refused")

    made = supplier(clock, figures)
    assert made.latest().data == {"n": 1}
    clock.advance(11)
    settled = _settled(made)
    assert settled.error == "ConnectionError: refused"
    assert settled.data == {"n": 1}


def _settled(made: Supplier) -> Supplied:
    made.latest()
    running = made._running
    if running is not None:
        running.exception()
    return made.latest()


def test_what_is_no_dict_is_said(clock: ManualClock) -> None:
    """A function that returns something else gets a message that says what was expected."""
    assert supplier(clock, lambda: [1, 2]).latest().error == "supplied list; expected a dict"


def test_a_function_that_hangs_never_hangs_the_page(clock: ManualClock) -> None:
    """A hanging database becomes an error after its timeout, and the reader never waits for it."""
    answered, release = threading.Event(), threading.Event()

    def figures() -> dict[str, int]:
        if answered.is_set():
            release.wait()
        answered.set()
        return {"n": 1}

    made = supplier(clock, figures)
    assert made.latest().data == {"n": 1}
    clock.advance(11)
    assert made.latest().error == ""
    clock.advance(6)
    assert made.latest().error == "no answer within 5 s"
    release.set()
