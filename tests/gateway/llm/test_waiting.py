"""Waiting with an end: time limits that move, and clients that leave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from typing import Any

import pytest

from fanlight.gateway.llm.departure import Departure
from fanlight.gateway.llm.patience import Patience
from fanlight.gateway.llm.rounds import TICK_SECONDS, Rounds


def patience(seconds: float) -> Patience:
    """A limit of the current task."""
    task = asyncio.current_task()
    assert task is not None
    return Patience(Rounds(), task, seconds)


def test_patience_ends_when_its_limit_has_passed() -> None:
    """TTY-5: a provider that falls silent is given up; a limit that moves is kept, whichever way it moved."""

    async def shortened(limit: Patience) -> None:
        limit.extend(0.01)
        await asyncio.Event().wait()

    async def wait() -> list[str]:
        said = []
        with pytest.raises(TimeoutError), patience(0.01):
            await asyncio.Event().wait()
        said.append("over")
        with pytest.raises(TimeoutError), patience(60) as limit:
            await shortened(limit)
        said.append("sooner")
        with patience(0.01) as limit:
            limit.extend(60)
            await asyncio.sleep(0.05)
        said.append("later")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return said

    assert asyncio.run(wait()) == ["over", "sooner", "later"]


def test_patience_leaves_other_ends_alone() -> None:
    """TTY-5: a cancellation from outside is no time-out."""

    async def cancelled() -> None:
        with patience(60):
            await asyncio.Event().wait()

    async def both() -> None:
        task = asyncio.create_task(cancelled())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(both())


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("leaves", [True, False])
def test_departure_ends_the_work_of_a_client_that_left(leaves: bool, late: bool) -> None:
    """TTY-5: the work is cancelled, and only the work; what is over before is left alone."""

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def stays() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def work() -> tuple[bool, bool, int]:
        finished = False
        with Departure(receive if leaves else stays, late=late) as departure:
            with departure.patience(60) if late else contextlib.nullcontext():
                await asyncio.sleep(0.2)
            departure.over()
            finished = True
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0)
        return departure.gone, finished, task.cancelling()

    assert asyncio.run(work()) == (leaves, not leaves, 0)


def test_a_watch_that_is_over_leaves_nothing_to_the_collector() -> None:
    """Memory: each request that was waited for would keep its server's objects until the next collection."""

    class Client:
        async def receive(self) -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

    async def work() -> weakref.ref[Client]:
        client = Client()
        with Departure(client.receive):
            await asyncio.sleep(2.5 * TICK_SECONDS)  # it has begun to watch
        await asyncio.sleep(0)
        return weakref.ref(client)

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(work())() is None
    finally:
        gc.enable()


def test_all_that_waits_has_one_timer() -> None:
    """TTY-6: a hundred that wait are looked at in one round, those that left are not, and nothing ticks for nobody."""

    class One:
        def __init__(self, rounds: Rounds) -> None:
            self.rounds = rounds
            self.looks = 0

        def look(self, now: float) -> None:
            self.looks += 1
            if self.looks == 2:
                self.rounds.leave(self)
                ended.append(self)
                if len(ended) == 100:
                    done.set()

    ended: list[One] = []
    done = asyncio.Event()

    async def wait() -> tuple[list[int], int, bool]:
        loop = asyncio.get_running_loop()
        rounds, planned, plan = Rounds.of(loop), 0, loop.call_later

        def counted(*given: Any, **more: Any) -> asyncio.TimerHandle:
            nonlocal planned
            planned += 1
            return plan(*given, **more)

        loop.call_later = counted  # type: ignore[method-assign, assignment]
        waiting = [One(rounds) for _ in range(101)]
        for each in waiting:
            rounds.join(each)
        rounds.leave(waiting[100])
        await done.wait()
        return [each.looks for each in waiting], planned, rounds.idle

    looks, planned, idle = asyncio.run(wait())
    assert (looks, planned, idle) == ([2] * 100 + [0], 2, True)
