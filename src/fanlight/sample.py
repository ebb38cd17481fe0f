"""Sample data: fifteen made-up minutes, so that a first look has something to look at.

Made of ordinary facts folded by an ordinary recorder, on a clock of its own, and only ever put into a memory window.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Final

from fanlight.clock import ManualClock
from fanlight.core.facts import LOG, REQUEST
from fanlight.core.frame import Frame
from fanlight.core.recorder import Recorder, Sample
from fanlight.core.timeline import SPAN
from fanlight.core.window import Window
from fanlight.stores.base import InstanceInfo, Store
from fanlight.stores.compaction import Compactor
from fanlight.stores.own_seconds import OwnSeconds

ROUTES: Final = (
    ("GET", "/api/chat/groups", 22.0, 60),
    ("GET", "/api/chat/groups/{group_id}/messages", 38.0, 80),
    ("POST", "/api/chat/groups/{group_id}/messages", 31.0, 40),
    ("GET", "/api/chat/search", 140.0, 12),
    ("DELETE", "/api/chat/messages/{message_id}", 18.0, 8),
    ("GET", "unmatched", 1.2, 2),
)
"""Method, route, typical milliseconds, weight."""

_WEIGHTS: Final = tuple(route[3] for route in ROUTES)


def frames(until: float, seed: int = 7) -> Iterator[Frame]:
    """One frame per second of the window that ends at `until` (Unix seconds)."""
    clock = ManualClock(int(until) - SPAN)
    recorder = Recorder(clock)
    chance = random.Random(seed)  # noqa: S311  # made-up numbers need no secrecy
    recorder.samplers.append(lambda: _levels(chance, clock.time_ns() / 1e9))
    for second in range(SPAN):
        for _ in range(_arrivals(chance, second)):
            _request(recorder, chance, second)
        clock.advance(1.0)
        yield recorder.take()


def compacted(
    until: float,
    store: Store,
    info: Callable[[], InstanceInfo],
    window: Window,
    failed: Callable[[str, BaseException], None],
) -> Iterator[Frame]:
    """The same frames, each put into the window, and into the longer ranges as real seconds are: by compaction."""
    own, clock = OwnSeconds(window), ManualClock(until)
    compactor = Compactor(store, info, own, clock, failed)
    for frame in frames(until):
        window.add(frame)
        own.add(frame)
        clock.set_wall(frame.end)
        compactor.turn()
        yield frame
    compactor.release()


def _arrivals(chance: random.Random, second: int) -> int:
    wave = 24 + 7 * math.sin(second / 90) + 3 * math.sin(second / 17)
    return max(0, round(chance.gauss(wave, 3)))


def _request(recorder: Recorder, chance: random.Random, second: int) -> None:
    method, route, typical, _ = chance.choices(ROUTES, _WEIGHTS)[0]
    troubled = 420 <= second < 510 and "search" in route
    milliseconds = typical * chance.lognormvariate(0, 0.45) * (4 if troubled else 1)
    status = (
        404 if route == "unmatched" else chance.choices((200, 422, 401, 503 if troubled else 500), (1960, 20, 12, 3))[0]
    )
    duration = int(milliseconds * 1e6)
    at = recorder.clock.monotonic_ns() + chance.randrange(1_000_000_000)
    path = "/favicon.ico" if route == "unmatched" else route.replace("{group_id}", "12").replace("{message_id}", "4711")
    correlation_id = f"sample-{chance.getrandbits(32):08x}"
    fact = (
        REQUEST, recorder.next_seq(), at, duration, duration, method, route, "", status, 0, path, correlation_id, None
    )  # fmt: skip
    recorder.append(fact)
    if status >= 500:
        wall = recorder.clock.time_ns()
        text = f"{method} {path} failed"
        line = (LOG, recorder.next_seq(), at, wall, 40, "ERROR", "chat.api", text, "routes.py", 88, correlation_id)
        recorder.append(line)


def _levels(chance: random.Random, at: float) -> Iterator[Sample]:
    cpu = 22 + 6 * math.sin(at / 60) + chance.random() * 4
    yield Sample("process.cpu.percent", "", cpu, "sum", "instance")
    yield Sample("process.memory.bytes", "", 142e6 + 6e6 * math.sin(at / 200), "sum", "instance")
    yield Sample("system.cpu.percent", "", cpu * 1.6, "max", "host")
    yield Sample("event_loop.lag.seconds", "", 0.0004 + chance.random() * 0.0011, "max", "instance")
    yield Sample("http.server.active_requests", "", round(3 + chance.random() * 5), "sum", "instance")
    yield Sample("websocket.connections", "", round(12 + 3 * math.sin(at / 120)), "sum", "instance")
