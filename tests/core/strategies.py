"""Cells, records and frames as hypothesis draws them, hostile corners included."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from fanlight.core.cell import Cell
from fanlight.core.frame import KEPT_LIMITS, Frame, Key, Record
from fanlight.core.gauge import Gauge, Reading

AMOUNTS = st.one_of(st.just(0), st.integers(1, 10**12))
OUTCOMES = st.sampled_from(("200", "404", "500", ""))
Sample = tuple[int, str, bool]
SAMPLES = st.tuples(AMOUNTS, OUTCOMES, st.booleans())


def cell_of(samples: list[Sample]) -> Cell:
    """A cell that recorded these."""
    cell = Cell()
    for amount, outcome, failed in samples:
        cell.record(amount, outcome, failed)
    return cell


def busy_cell(seed: int, count: int, middle: int) -> Cell:
    """A cell of many samples, whose buckets lie close together."""
    chance, cell = Random(seed), Cell()
    cell.record_all([int(chance.lognormvariate(middle, 0.3)) for _ in range(count)], "200", False)
    return cell


busy_cells = st.builds(busy_cell, st.integers(0, 99), st.integers(30, 2_000), st.integers(3, 30))
cells = st.one_of(st.lists(SAMPLES, min_size=1, max_size=8).map(cell_of), busy_cells)


def record_at(moment: int) -> Record:
    """The one record of a moment; equal moments are the same record, as ids are unique."""
    return Record(float(moment // 3), f"id-{moment:x}", "request", {"n": moment})


def _frame(
    start: int,
    series: dict[str, dict[Key, Cell]],
    counters: dict[str, int],
    gauges: dict[tuple[str, str], dict[str, Reading]],
    kept: dict[str, list[int]],
) -> Frame:
    frame = Frame(start, start + 1)
    frame.series = series
    for family, rows in series.items():
        frame.totals[family] = Cell()
        for cell in rows.values():
            frame.totals[family].add(cell)
    frame.counters = counters
    merges = {"cpu": "max", "memory": "sum", "free": "min", "entries": "last"}
    frame.gauges = {key: Gauge(merges[key[0]], sources) for key, sources in gauges.items()}
    for kind, moments in kept.items():
        frame.keep(kind, map(record_at, moments))
    return frame


_keys = st.tuples(st.sampled_from(("GET", "POST")), st.sampled_from(("/a", "/b/{id}", "other")))
_readings = st.builds(Reading, st.integers(0, 9).map(float), st.sampled_from((0.0, 1.5, -3.0)))
_many = st.integers(0, 250).map(lambda count: list(range(count)))

frames = st.builds(
    _frame,
    st.integers(1_700_000_000, 1_700_000_900),
    st.dictionaries(
        st.sampled_from(("requests", "streams", "sockets")), st.dictionaries(_keys, cells, min_size=1, max_size=4)
    ),
    st.dictionaries(st.sampled_from(("events.a", "requests.slow", "x")), st.integers(0, 2**70), max_size=3),
    st.dictionaries(
        st.tuples(st.sampled_from(("cpu", "memory", "free", "entries")), st.sampled_from(("", "room"))),
        st.dictionaries(st.sampled_from(("web1", "web2", "shared")), _readings, min_size=1, max_size=3),
        max_size=4,
    ),
    st.dictionaries(
        st.sampled_from(sorted(KEPT_LIMITS)),
        st.one_of(st.lists(st.integers(0, 900), max_size=20), _many),
        max_size=3,
    ),
)
"""Frames of one second with cells, counters, gauges of several sources and kept records beyond the limits."""
