"""Analytics: what all histograms since the first start tell."""

from __future__ import annotations

import msgspec

from fanlight.core.analytics import TOP, Analytics, analyse
from fanlight.core.cell import Cell
from fanlight.core.frame import Frame


def cumulative(routes: int) -> Frame:
    """Each route was asked for once more than the one before, each time in its own time; every third failed."""
    frame = Frame(0, 1)
    cells = frame.series["requests"] = {}
    total = frame.totals["requests"] = Cell()
    for number in range(routes):
        cell = cells["GET", f"/route-{number:02}"] = Cell()
        for _ in range(number + 1):
            failed = number % 3 == 0
            cell.record((routes - number) * 1_000_000, "500" if failed else "200", failed)
        total.add(cell)
    return frame


def test_busiest_and_slowest_routes_are_named() -> None:
    """OBS-4: the busiest by requests, the slowest by their 95th percentile, a bounded number of each."""
    made = analyse(cumulative(25), at=7.0)
    assert made.at == 7.0
    assert [each.route for each in made.busiest] == [f"/route-{number:02}" for number in range(24, 14, -1)]
    assert [each.route for each in made.slowest] == [f"/route-{number:02}" for number in range(TOP)]
    assert made.figures.count == 325
    assert made.errors_by_code == {"500": made.figures.errors}


def test_they_can_be_sent_as_json() -> None:
    """OBS-4: what one worker computed another reads, unchanged."""
    made = analyse(cumulative(5), at=7.0)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Analytics) == made


def test_nothing_happened_yet() -> None:
    """OBS-4: an empty service has empty analytics."""
    made = analyse(Frame(0, 1), at=0.0)
    assert (made.figures.count, made.busiest, made.slowest, made.errors_by_code) == (0, (), (), {})
