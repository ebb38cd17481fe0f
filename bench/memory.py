"""What Fanlight keeps in memory, and that it stops growing: `python bench/memory.py [--quick] [--store URL]`.

Simulated: 500 series, each busy every second, for 15 minutes; then 10,000 distinct paths nobody serves, 10,000 distinct
templates, and a full set of kept records; then 45 minutes more, until the coarser history in memory (12 MB at most) is
full, too; and 15 more, in which nothing may grow. The clock is set by hand. Once with history in memory and once with
history in SQLite, the default, each in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import platform
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterable
from random import Random

import psutil

from driver import by_hand
from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.facts import LOG, REQUEST, Fact
from fanlight.core.pacer import Pacer
from fanlight.core.timeline import SPAN

SERIES = 500
PATHS = 10_000
BUDGET_MB = 40.0
FLAT_MB = 1.0


class Service:
    """A dashboard under a clock set by hand, its pulse and its compaction turned by hand, without their pauses."""

    def __init__(self, store: str) -> None:
        self.clock = ManualClock()
        dashboard = Fanlight("bench", store=store, clock=self.clock, max_series=SERIES)
        self.dashboard, self.recorder, self.engine = dashboard, dashboard.recorder, dashboard.engine
        self.turn = by_hand(dashboard.pulse)
        self.engine._compactor._pacer = Pacer(sleep=lambda _: None)
        self.random = Random(1)

    def second(self, facts: Iterable[Fact]) -> None:
        """A second passes in which these happened."""
        for fact in facts:
            self.recorder.append(fact)
        self.clock.advance(1)
        self.turn()
        assert self.engine._writer.flush(30), self.engine._writer.last_error
        self.engine.work_with_store()

    def run(self, seconds: int) -> None:
        """Every series has a request a second, one in twenty fails; some lines are logged."""
        for _ in range(seconds):
            self.second([*(self.request(f"/route-{n}/{{id}}", f"/route-{n}/1") for n in range(SERIES)), *self.lines()])

    def unknown(self) -> None:
        """10,000 paths nobody serves and 10,000 templates nobody expected."""
        for start in range(0, PATHS, 1000):
            numbers = range(start, start + 1000)
            self.second(self.request(None, f"/unknown-{number}/{'x' * 40}") for number in numbers)
            self.second(self.request(f"/made-up-{number}", "/") for number in numbers)

    def request(self, route: str | None, path: str) -> Fact:
        recorder, random = self.recorder, self.random
        status = 404 if route is None else 500 if random.random() < 0.05 else 200
        duration_ns = int(random.lognormvariate(17, 1))  # a median of 24 ms
        number = recorder.next_seq()
        at_ns, correlation_id = self.clock.monotonic_ns(), f"{number:032x}"
        return (REQUEST, number, at_ns, duration_ns, 1000, "GET", route, "", status, 0, path, correlation_id, None)

    def lines(self) -> Iterable[Fact]:
        clock, text = self.clock, "an ordinary line of the log, with some detail " * 4
        for line in range(10):
            number = self.recorder.next_seq()
            moment = (clock.monotonic_ns(), clock.time_ns())
            yield (LOG, number, *moment, 20, "INFO", "shop", text, "shop.py", line, f"{number:032x}")


def main() -> int:
    parser = argparse.ArgumentParser(description="What Fanlight keeps in memory.")
    parser.add_argument("--quick", action="store_true", help="15 and 3 minutes instead of 45 and 15")
    parser.add_argument("--trace", action="store_true", help="also show which lines hold the memory; slower")
    parser.add_argument("--store", help="the URL of one store, instead of memory:// and SQLite in turn")
    options = parser.parse_args()
    if options.store:
        return measure(options.store, options.quick, options.trace)
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}, {SERIES} series")
    with tempfile.TemporaryDirectory() as folder:
        stores = ("memory://", f"sqlite:///{folder}/memory.db")
        return max(subprocess.call([sys.executable, *sys.argv, "--store", store]) for store in stores)


def measure(store: str, quick: bool, trace: bool) -> int:
    """Print the figures of one store; 1 when the budget is missed."""
    print(f"{store.partition(':')[0]}:", flush=True)
    filling, after = (SPAN, 180) if quick else (3 * SPAN, SPAN)
    before = _resident()
    if trace:
        tracemalloc.start(1)
    service = Service(store)
    service.run(SPAN)
    window = _figure("15 simulated minutes", before)
    service.unknown()
    crowded = _figure(f"{PATHS:,} unknown paths and {PATHS:,} unknown templates", before)
    service.run(filling)
    full = _figure(f"{filling // 60} more minutes", before)
    service.run(after)
    later = _figure(f"{after // 60} more minutes", before)
    if trace:
        _print_holders()
    service.dashboard.close()
    return _verdict(max(window, crowded, full, later), later - full)


def _resident() -> float:
    """Megabytes this process has in memory."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


def _figure(label: str, before: float) -> float:
    grown = _resident() - before
    print(f"after {label:56} {grown:+6.1f} MB", flush=True)
    return grown


def _print_holders() -> None:
    held = tracemalloc.get_traced_memory()[0] / 1e6
    print(f"\nheld by Python {held:.1f} MB (tracing itself counts above), most of it by")
    for holder in tracemalloc.take_snapshot().statistics("lineno")[:12]:
        print(f"  {holder}")


def _verdict(most: float, growth: float) -> int:
    kept = most <= BUDGET_MB and growth <= FLAT_MB
    print(f"{'kept' if kept else 'MISSED'}: {most:.1f} MB at most, budget {BUDGET_MB:.0f}; then {growth:+.1f} MB")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
