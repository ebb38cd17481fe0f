"""The simulated users of the chat service, against a real server over real sockets; nobody thinks and nobody waits."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout
from itertools import islice
from random import Random
from typing import Any

import pytest

from chat_api import traffic
from chat_api.behaviour import CALM, Behaviour, Episode
from chat_api.service import create_app
from chat_api.traffic import DECK, VISITS, backoff, deal, drive, tide
from chat_api.visitors import Guest, Tally, Visitor

Serve = Callable[..., AbstractContextManager[str]]
ROUND = sum(DECK.values())


async def at_once(seconds: float) -> None:
    """How users wait here: they let the others go on."""
    await asyncio.sleep(0)


class Limit:
    """Stops a run once `enough` says so, or fails it after too many requests."""

    def __init__(self, enough: Callable[[Tally], bool], most: int) -> None:
        self.stop = asyncio.Event()
        self._enough = enough
        self._most = most

    def __call__(self, tally: Tally) -> None:
        if self._enough(tally):
            self.stop.set()
        assert self.stop.is_set() or tally.statuses.total() < self._most, tally


def _run(url: str, enough: Callable[[Tally], bool], most: int, **options: Any) -> Tally:
    async def scene() -> Tally:
        limit = Limit(enough, most)
        return await drive(url, stop=limit.stop, pause=at_once, after_step=limit, **options)

    return asyncio.run(scene())


def _everything(tally: Tally) -> bool:
    """Every kind of step, every status, and every way a WebSocket can go."""
    statuses = {200, 201, 204, 401, 403, 404, 409, 422, 502, 503, 504}
    sockets = {"joined", "message", "received", "vanished", "refused 403", "closed 4401"}
    return set(DECK) <= set(tally.steps) and statuses <= set(tally.statuses) and sockets <= set(tally.sockets)


def test_it_does_everything_within_a_round(serve: Serve) -> None:
    """API-1, API-4: requests of every kind are made, some fail, WebSockets come and go, within three rounds."""
    flaky = Behaviour(
        query_seconds=0, search_seconds=0, slow_rate=0, busy_rate=0, moderation_seconds=0, moderation_timeout=0,
        moderation_rate=0.9, reindex=Episode(0, 0, 0),
    )  # fmt: skip
    with serve(create_app(behaviour=flaky)) as url:
        tally = _run(url, _everything, most=3 * ROUND)
    assert tally.away == 0
    assert tally.statuses[500] == 0
    wrong = sum(count for status, count in tally.statuses.items() if 400 <= status < 500)
    assert 0.005 < wrong / tally.statuses.total() < 0.06


def test_every_card_is_a_step_of_a_visitor() -> None:
    """The cards name what a visitor and a guest can do, nothing else, and nothing is left out."""
    for cards, kind in ((DECK, Visitor), (VISITS, Guest)):
        steps = {name for name, member in vars(kind).items() if callable(member) and not name.startswith("_")}
        assert set(cards) == steps


def test_a_round_has_every_kind_and_a_seed_its_order() -> None:
    """The same seed deals the same steps; each round deals the whole deck."""
    one, two, other = (list(islice(deal(Random(seed), DECK), ROUND)) for seed in (7, 7, 8))
    assert one == two != other
    assert {kind: one.count(kind) for kind in DECK} == DECK


def test_it_waits_for_a_server_that_is_away(serve: Serve) -> None:
    """It starts before the server does, survives a restart of it, and says nothing of it on the terminal."""
    port = _free_port()
    heard = io.StringIO()

    async def scene() -> Tally:
        stop, tally, step = asyncio.Event(), Tally(), asyncio.Event()

        def stepped(_: Tally) -> None:
            step.set()

        async def until(reached: Callable[[], bool]) -> None:
            while not reached():
                step.clear()
                await step.wait()

        task = asyncio.create_task(
            drive(f"http://127.0.0.1:{port}", 0.2, stop, pause=at_once, tally=tally, after_step=stepped)
        )
        await until(lambda: tally.away >= 5)
        for _ in range(2):
            server = serve(create_app(behaviour=CALM), port)
            await asyncio.to_thread(server.__enter__)
            seen, joined = tally.statuses.total(), tally.sockets["joined"]
            await until(lambda: tally.statuses.total() >= seen + 50 and tally.sockets["joined"] > joined)  # noqa: B023
            away = tally.away
            await asyncio.to_thread(server.__exit__, None, None, None)
            await until(lambda: tally.away >= away + 5)  # noqa: B023
        stop.set()
        return await task

    with redirect_stdout(heard), redirect_stderr(heard):
        tally = asyncio.run(scene())
    assert tally.online == 0
    assert heard.getvalue() == ""


def test_it_ends_cleanly_when_cancelled(serve: Serve) -> None:
    """Cancelling the driver ends every user and closes every connection."""

    async def scene(url: str) -> tuple[Tally, int]:
        tally, busy = Tally(), asyncio.Event()

        def stepped(tally: Tally) -> None:
            if tally.online and tally.statuses.total() > 50:
                busy.set()

        task = asyncio.create_task(drive(url, pause=at_once, tally=tally, after_step=stepped))
        await busy.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return tally, len(asyncio.all_tasks()) - 1

    with serve(create_app(behaviour=CALM)) as url:
        tally, left = asyncio.run(scene(url))
    assert (tally.online, left) == (0, 0)


def test_a_mistake_of_ours_is_not_swallowed(serve: Serve) -> None:
    """Only what a missing server looks like is waited out; anything else ends the run with its error."""

    def broken(tally: Tally) -> None:
        raise LookupError("a mistake")

    with serve(create_app(behaviour=CALM)) as url, pytest.raises(LookupError, match="a mistake"):
        asyncio.run(drive(url, pause=at_once, after_step=broken))


def test_it_is_about_as_busy_as_it_says() -> None:
    """Over an hour the tide is about 1 in the mean, never idle, and has bursts."""
    hour = [tide(float(second)) for second in range(3600)]
    assert 0.95 < sum(hour) / len(hour) < 1.15
    assert 0.5 < min(hour) < 0.8
    assert max(hour) > 1.8


def test_backoff_doubles_and_ends_at_eight_seconds() -> None:
    """No failure, no wait; then half a second, doubling, give or take a quarter."""
    random = Random(1)
    assert backoff(0, random) == 0
    for failures, seconds in ((1, 0.5), (2, 1.0), (5, 8.0)):
        assert 0.75 * seconds <= backoff(failures, random) <= 1.25 * seconds


@pytest.mark.parametrize(
    "arguments", [["ftp://x"], ["http://"], ["http://x/path"], ["--rate", "0"], ["--rate", "nan"], ["--seed", "x"]]
)
def test_wrong_arguments_end_with_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument names what was got and what was expected."""
    with pytest.raises(SystemExit) as ended:
        traffic.main(arguments)
    assert ended.value.code == 2
    assert "error: argument" in capsys.readouterr().err


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
