"""What history costs: writing it at 500 active series, and reading seven days of 200 series from a SQLite file.

`python bench/history.py [--check] [--seconds 120]`. Simulated seconds on a clock set by hand; CPU is that of the
threads that do the work. Reading is measured in CPU without pauses, and in time, which the budgets are for, with the
pauses in which requests have their turn. Other load on the machine lengthens the time: it is said at the top.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.cell import Cell
from fanlight.core.facts import REQUEST
from fanlight.core.frame import Frame, decode_rows
from fanlight.core.history import History, Span, preset
from fanlight.core.pacer import unpaced, waited_for
from fanlight.stores.base import SERIES_KEPT, TIERS, InstanceInfo, StoredFrame, all_frames
from fanlight.stores.compaction import MERGED, coarse
from fanlight.stores.ranges import Ranges, rank, read
from fanlight.stores.sqlite import SqliteStore

NOW = 1_700_006_400 + 5 * 3600 + 17 * 60
SERIES, ACTIVE = 200, 500
BUDGETS = {"writing, % of a core": 1.0, "7 days, totals, ms": 50.0, "7 days, top ten, ms": 150.0}

Breathe = Callable[[], None]


def timed(spent: dict[str, float], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, its CPU added up under the name."""

    def measured(*arguments: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return call(*arguments, **named)
        finally:
            spent[name] = spent.get(name, 0.0) + time.thread_time() - began

    return measured


def writing(folder: Path, seconds: int) -> dict[str, float]:
    """CPU per simulated second, in percent of a core, by who spends it."""
    clock, spent = ManualClock(float(NOW)), dict[str, float]()
    dashboard = Fanlight("bench", clock=clock, store=f"sqlite:///{folder}/write.db", max_series=ACTIVE)
    engine, recorder, chance = dashboard.engine, dashboard.recorder, random.Random(1)
    assert engine.fleet is not None
    setattr(engine.fleet, "publish", timed(spent, "publishing", engine.fleet.publish))  # noqa: B010
    setattr(engine._writer, "step", timed(spent, "SQLite", engine._writer.step))  # noqa: B010
    turn = timed(spent, "compaction", engine._compactor.turn)
    for _ in range(seconds):
        for number in range(ACTIVE):
            at, took = recorder.clock.monotonic_ns(), int(chance.lognormvariate(16.5, 0.6))
            path = f"/api/things/{number}/{{id}}"
            recorder.append((REQUEST, recorder.next_seq(), at, took, 1, "GET", path, "", 200, 0, path, "id", None))
        clock.advance(1.0)
        dashboard.pulse.tick(second_closed=True)
        engine._writer.flush(10)
        turn()
    dashboard.close()
    return {name: 100 * cpu / seconds for name, cpu in spent.items()}


def pool(count: int, requests: int, tier: int) -> list[Frame]:
    """A few frames of a tier, each with all series, to fill a file from."""
    chance, made = random.Random(2), []
    for _ in range(count):
        frame = Frame(0, tier)
        cells = frame.series["requests"] = {}
        total = frame.totals["requests"] = Cell()
        for number in range(SERIES):
            cell = cells["GET", f"/api/things/{number}/{{id}}"] = Cell()
            amounts = [int(chance.lognormvariate(16 + number / 100, 0.5)) for _ in range(requests)]
            cell.record_all(amounts, "200", False)
            cell.record_all(amounts[:1], "500", True)
            total.add(cell)
        frame.levels = {f"process.level-{number}": chance.random() for number in range(12)}
        frame.counters = {f"cache.hits.{number}": 17 for number in range(20)}
        frame.sources = {MERGED: tier}
        made.append(frame)
    return made


def fill(store: SqliteStore) -> None:
    """Seven days of every tier, as compaction leaves them, series as long as they are kept."""
    info = InstanceInfo("bench", "filler", "host", 1, "", 0.0, float(NOW))
    frames = {10: pool(12, 2, 10), 60: pool(10, 12, 60)}
    frames[900] = [coarse(900, 0, random.Random(n).choices(frames[60], k=15)) for n in range(8)]
    frames[21600] = [coarse(21600, 0, random.Random(n).choices(frames[900], k=24)) for n in range(4)]
    for tier, choices in frames.items():
        parts = []
        for frame in choices:
            frame.start, frame.end = 0, tier
            parts.append(frame)
        since = NOW - min(TIERS[tier], 7 * 86400 + max(TIERS))
        rows: list[StoredFrame] = []
        for number, bucket in enumerate(range(since - since % tier, NOW, tier)):
            frame = parts[number % len(parts)]
            frame.start, frame.end = bucket, min(bucket + tier, NOW)
            head, series = frame.parts()
            rows.append(StoredFrame(tier, bucket, MERGED, head, series if bucket > NOW - SERIES_KEPT[tier] else b""))
            if len(rows) == 200:
                store.write(info, rows, None)
                rows = []
        store.write(info, rows, None)


def median_ms(call: Callable[[], Any], now: Callable[[], float] = time.thread_time, rounds: int = 7) -> float:
    """The median of what a call takes by a clock (CPU unless another is given), after one that warms up."""
    call()
    times = []
    for _ in range(rounds):
        began = now()
        call()
        times.append(now() - began)
    return 1000 * statistics.median(times)


def totals(store: SqliteStore, span: Span, breathe: Breathe) -> None:
    """The chart of totals with percentiles alone."""
    history = History(span, breathe)
    for row in all_frames(store, "bench", span.tier, span.start, span.end, series=False):
        history.add_head(row.bucket, decode_rows(row.data))
    assert len(history.view().points["requests"]) > 300


def ranking(store: SqliteStore, span: Span, breathe: Breathe) -> None:
    """The top ten with their percentiles and lines alone."""
    history = History(span, breathe)
    rank(store, "bench", span, history, breathe, exact=span.start >= NOW - SERIES_KEPT[span.tier])
    rows = history.view().rows["requests"]
    assert len(sorted(rows, key=lambda key: -rows[key].count)[:10]) == 10
    assert len(history.lines().families["requests"]) == 10


def whole(store: SqliteStore, span: Span, breathe: Breathe) -> None:
    """All of it."""
    read(store, "bench", span, float(NOW), breathe)


def paced() -> Breathe:
    """The breath of a thread that reads a range."""
    pacer = waited_for()
    pacer.start()
    return pacer.breathe


def reading(folder: Path) -> dict[str, float]:
    """Milliseconds to read each range."""
    store = SqliteStore(folder / "read.db")
    fill(store)
    with closing(sqlite3.connect(folder / "read.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    print(f"file of 7 days, {SERIES} series: {(folder / 'read.db').stat().st_size / 1e6:.0f} MB")
    found = {}
    for name, said in (("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days")):
        span = preset(name, float(NOW))
        for what, work in (("totals", totals), ("top ten", ranking), ("both", whole)):
            found[f"{said}, {what}, ms of CPU"] = median_ms(partial(work, store, span, unpaced))
            found[f"{said}, {what}, ms"] = median_ms(lambda w=work, s=span: w(store, s, paced()), time.perf_counter)  # type: ignore[misc]
        clock = ManualClock(float(NOW))
        found[f"{said}, as the first viewer waits, ms"] = median_ms(
            lambda name=name, clock=clock: Ranges(store, "bench", clock).get(name),  # type: ignore[misc]
            time.perf_counter,
        )
    store.close()
    return found


def main() -> int:
    """Print the tables; 1 when a budget is missed and --check was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seconds", type=int, default=120)
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as made:
        parts = writing(Path(made), options.seconds)
        figures = {"writing, % of a core": sum(parts.values())}
        for name, percent in parts.items():
            print(f"{name:<38}{percent:8.2f} % of a core at {ACTIVE} active series")
        figures |= reading(Path(made))
    missed = [name for name, budget in BUDGETS.items() if figures[name] > budget]
    for name, figure in figures.items():
        budget = f"   budget {BUDGETS[name]:g}{', missed' if name in missed else ''}" if name in BUDGETS else ""
        print(f"{name:<38}{figure:8.2f}{budget}")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
