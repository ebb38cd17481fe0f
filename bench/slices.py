"""How long Fanlight's background work holds the interpreter in one go: `python bench/slices.py [--check]`.

Four instances share a store, in SQLite and then in Redis; each has 500 active series and calls 50 services, one
simulated second after the other. Of each kind of work the stretches between two moments at which it steps aside, in CPU
of its thread and on the wall, which tells what else the machine did: the 99th percentile and the worst of all, and of
the places in the program the one with the longest, by the median there, which is what the budget is for. What the store
itself does is apart: waiting for its file or socket it lets the interpreter go. The collector of garbage is switched
off: its pauses are the service's.
"""

from __future__ import annotations

import argparse
import gc
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.facts import REQUEST
from fanlight.core.pacer import Pacer
from fanlight.faces.prometheus import expose
from fanlight.faces.web.rendering import Rendering
from fanlight.panels import View
from fanlight.stores.base import Store
from fanlight.stores.ranges import Ranges
from hosts import server

INSTANCES, SERIES, SERVICES = 4, 500, 50
BUDGET_NS: Final = 500_000
SEEN: Final = 3
"""Times a place must have been passed, so that what the machine does once is not taken for its length."""
ALL: Final = View(scope="all")
STORE_CALLS: Final = ("write", "instances", "totals", "frames", "changes", "prune", "commands", "acquire_lease")


class Stretch(NamedTuple):
    """A time between two steps aside: CPU of its thread and wall, and after and before which lines it was."""

    cpu_ns: int
    wall_ns: int
    place: str


class Stretches:
    """All stretches of each kind of work, turn by turn."""

    def __init__(self) -> None:
        self._local = threading.local()
        self.turns: dict[str, list[list[Stretch]]] = {}

    def install(self) -> None:
        """Have every pacer tell of the breaths at which it would pause, and none of them pause."""
        setattr(Pacer, "start", lambda pacer: None)  # noqa: B010
        setattr(Pacer, "breathe", lambda pacer: self._breath(sys._getframe(1), pacer._slice_ns))  # noqa: B010

    def _breath(self, frame: FrameType, slice_ns: int) -> None:
        local = self._local
        if getattr(local, "turn", None) is None or time.thread_time_ns() - local.cpu < slice_ns:
            return
        while "breathe" in frame.f_code.co_name and frame.f_back is not None:
            frame = frame.f_back
        code = frame.f_code
        self._end(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno}")

    def _end(self, place: str) -> None:
        """A stretch ends here, and the next begins."""
        local = self._local
        held = Stretch(time.thread_time_ns() - local.cpu, time.perf_counter_ns() - local.wall, "")
        local.turn.append(held._replace(place=f"{local.place} -> {place}"))
        local.place, local.wall, local.cpu = place, time.perf_counter_ns(), time.thread_time_ns()

    def measured(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, its stretches noted under the name; the one to its end, too."""

        def turn(*given: Any, **named: Any) -> Any:
            local = self._local
            outer, local.turn, local.place = getattr(local, "turn", None), [], "its beginning"
            local.wall, local.cpu = time.perf_counter_ns(), time.thread_time_ns()
            try:
                return call(*given, **named)
            finally:
                self._end("its end")
                self.turns.setdefault(name, []).append(local.turn)
                local.turn = outer

        return turn

    def apart(self, name: str, store: Store) -> None:
        """Leave out of every stretch what the store does; it is a stretch of its own, under the name."""
        for method in STORE_CALLS:
            setattr(store, method, self.left_out(name, getattr(store, method)))

    def left_out(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, a stretch of its own and of no other."""

        def work(*given: Any, **named: Any) -> Any:
            cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
            try:
                return call(*given, **named)
            finally:
                held = Stretch(time.thread_time_ns() - cpu, time.perf_counter_ns() - wall, "all of it")
                self.turns.setdefault(f"{name}: {call.__name__}", []).append([held])
                if getattr(self._local, "turn", None) is not None:
                    self._local.cpu += held.cpu_ns
                    self._local.wall += held.wall_ns

        return work


class Instance:
    """One of the instances, its clock and its threads turned by hand."""

    def __init__(self, url: str, clock: ManualClock, seed: int) -> None:
        self.dashboard = Fanlight("bench", clock=clock, store=url, max_series=SERIES)
        self.engine = self.dashboard.engine
        self._chance = random.Random(seed)

    def work(self) -> None:
        """What the service does in a second."""
        recorder, chance = self.dashboard.recorder, self._chance
        for number in range(SERIES):
            at, took = recorder.clock.monotonic_ns(), int(chance.lognormvariate(16.5, 0.8))
            path, status = f"/api/things/{number}/{{id}}", 500 if chance.random() < 0.02 else 200
            recorder.append((REQUEST, recorder.next_seq(), at, took, 1, "GET", path, "", status, 0, path, "id", None))
        for number in range(SERVICES):
            with self.dashboard.call(f"service-{number}", "ask"):
                pass
        for number in range(20):
            self.dashboard.event("upload", name=f"file-{number}", size=number)

    def second(self, measured: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
        """A second of the background's work."""
        engine = self.engine
        assert engine.fleet is not None
        measured("pulse: fold, window, publish", self.dashboard.pulse.tick)(second_closed=True)
        assert engine._writer.flush(30), engine._writer.last_error
        measured("compaction", engine._compactor.turn)()


def unmeasured(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call as it is."""
    return call


def main() -> int:
    """Print the tables; 1 when a stretch is over the budget and --check was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument(
        "--seconds", type=int, default=70, help="simulated seconds measured, after as many that are not"
    )
    options = parser.parse_args()
    stretches = Stretches()
    stretches.install()
    gc.disable()
    print(f"{'milliseconds':<32}{'CPU p99':>8}{'longest':>8}{'worst':>8}{'wall p99':>9}{'worst':>7}   where")
    with tempfile.TemporaryDirectory() as folder:
        run(stretches, f"sqlite:///{folder}/slices.db", options.seconds, "SQLite")
    over = table(stretches)
    if shutil.which("redis-server") is not None:
        stretches.turns.clear()
        with server() as port:
            run(stretches, f"redis://127.0.0.1:{port}", options.seconds, "Redis")
        over |= table(stretches, lambda name: not name.startswith("page"))
    return 1 if over and options.check else 0


def run(stretches: Stretches, url: str, seconds: int, kind: str) -> None:
    """Let the instances work, the first of them measured in the second half."""
    clock = ManualClock(1_700_006_400.0 + 5 * 3600)
    first, *others = (Instance(url, clock, seed) for seed in range(INSTANCES))
    fleet = first.engine.fleet
    assert fleet is not None
    turns = readers(stretches, first)
    for number in range(2 * seconds):
        if number == seconds:
            stretches.apart(kind, first.engine.store)
            stretches.turns.clear()
        clock.advance(1.0)
        for instance in (first, *others):
            instance.work()
            instance.second(stretches.measured if instance is first else unmeasured)
        stretches.measured("following the others", fleet.follow)()
        for turn in turns if number % 10 == 0 else ():
            turn()
        gc.collect() if number % 10 == 0 else None
    for instance in (first, *others):
        instance.dashboard.close()


def readers(stretches: Stretches, first: Instance) -> Iterable[Callable[[], Any]]:
    """What those who look have made."""
    engine, context = first.engine, first.dashboard.context
    rendering, breathe = Rendering(context), context.pulse.pacer.breathe

    def page(name: str) -> Callable[[], Any]:
        def draw() -> None:
            view = replace(ALL, page=name)
            snapshot, slots = rendering.layout(view)
            for slot in slots.slots:
                rendering.fragment(slot, snapshot, view)

        return stretches.measured(f"page {name}", draw)

    def text() -> None:
        cumulative = engine.query.cumulative("all")
        expose(engine.query.snapshot(ALL), cumulative, breathe=breathe)
        cumulative.release(breathe)

    def ranged() -> None:
        ranges = Ranges(engine.store, "bench", engine.clock)
        setattr(ranges, "_read", stretches.measured("a range of an hour", ranges._read))  # noqa: B010
        ranges.get("1h")

    monitor = engine._redis
    if monitor is not None:
        setattr(monitor._server, "call", stretches.left_out("Redis watched", monitor._server.call))  # noqa: B010
    return [
        stretches.measured("snapshot", lambda: engine.query.snapshot(ALL)),
        *(page(name) for name, spec in context.pages.items() if spec.in_menu),
        stretches.measured("analytics", engine.analytics),
        stretches.measured("Prometheus text", text),
        stretches.measured("a second window", lambda: engine.local.window.copy(breathe)),
        ranged,
        *([stretches.measured("watching Redis", lambda: monitor._reading(0.0))] if monitor is not None else []),
    ]


def _longest(found: Iterable[Stretch]) -> tuple[float, str]:
    """The place at which stretches are longest, by their median there, and that median (CPU)."""
    places: dict[str, list[int]] = {}
    for held in found:
        places.setdefault(held.place, []).append(held.cpu_ns)
    often = {place: held for place, held in places.items() if len(held) >= SEEN} or places
    return max((median(held), place) for place, held in often.items())


def table(stretches: Stretches, wanted: Callable[[str], bool] = bool) -> bool:
    """A row for each kind of work; whether one is over the budget."""
    over = False
    for name, turns in stretches.turns.items():
        if not wanted(name):
            continue
        found = list(chain(*turns))
        typical, place = _longest(found)
        cpu, wall = sorted(held.cpu_ns for held in found), sorted(held.wall_ns for held in found)
        most = int(len(found) * 0.99)
        figures = (cpu[most], typical, cpu[-1], wall[most], wall[-1])
        over_budget = not name.startswith(("SQLite", "Redis")) and typical > BUDGET_NS
        over |= over_budget
        said = f"over the budget: {place}" if over_budget else place
        print(f"{name:<32}{''.join(f'{figure / 1e6:8.2f}' for figure in figures)}   {said}")
    return over


if __name__ == "__main__":
    sys.exit(main())
