"""Drives ASGI applications in process, without sockets, so that microseconds are left to be seen."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from fanlight.core.pacer import Pacer
from fanlight.core.pulse import Pulse

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

TURN = 1000
"""Requests between two turns of a subject's background work: a second at 1,000 requests a second."""

HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-language", b"en"),
    (b"connection", b"keep-alive"),
]


class Subject(NamedTuple):
    """An application under some middleware; `turn` is what the middleware does in the background."""

    app: App
    turn: Callable[[], object]


class Plan(NamedTuple):
    """How much is measured: rounds, and requests per subject in each (a multiple of TURN)."""

    rounds: int
    requests: int


def scope(path: str, method: str = "GET") -> dict[str, Any]:
    """A request's scope as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": HEADERS,
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


def by_hand(pulse: Pulse) -> Callable[[], None]:
    """One turn of a dashboard's pulse on the calling thread, which does not step aside between pieces of it.

    Its own thread is ended: it would work while others are measured.
    """
    pulse.pacer = Pacer(sleep=lambda _: None)

    def turn() -> None:
        if pulse.alive:
            pulse.close()
        pulse.tick()

    return turn


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def discard(message: Message) -> None:
    pass


async def status_of(subject: Subject, path: str) -> int:
    """The status a subject answers with; run before measuring, so that no error page is measured."""
    seen: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    await subject.app(scope(path), receive, send)
    return seen[0]


async def drive(subject: Subject, scopes: Sequence[dict[str, Any]], requests: int) -> None:
    """Serve so many requests, one after the other, with a turn after each thousand."""
    app, kinds = subject.app, len(scopes)
    for start in range(0, requests, TURN):
        for number in range(start, min(start + TURN, requests)):
            await app(scopes[number % kinds].copy(), receive, discard)
        subject.turn()


async def compare(
    subjects: Mapping[str, Subject], scopes: Sequence[dict[str, Any]], plan: Plan
) -> dict[str, list[float]]:
    """Microseconds per request of each subject in each round; in each round every subject runs, in a new order."""
    order, shuffle = list(subjects), Random(1).shuffle
    measured: dict[str, list[float]] = {name: [] for name in subjects}
    for subject in subjects.values():
        await drive(subject, scopes, TURN)
    for _ in range(plan.rounds):
        shuffle(order)
        for name in order:
            gc.collect()  # nobody pays for another's garbage
            started = perf_counter()
            await drive(subjects[name], scopes, plan.requests)
            measured[name].append((perf_counter() - started) / plan.requests * 1e6)
    return measured


def added(measured: Mapping[str, Sequence[float]], base: str) -> dict[str, float]:
    """Median of what each subject adds to the base, round by round."""
    return {
        name: median(mine - plain for mine, plain in zip(times, measured[base], strict=True))
        for name, times in measured.items()
    }
