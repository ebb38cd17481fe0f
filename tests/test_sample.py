"""Made-up history is ordinary history: folded by an ordinary recorder, the same each time."""

from __future__ import annotations

from fanlight import sample
from fanlight.core.timeline import SPAN
from fanlight.core.window import Window

UNTIL = 1_700_000_900.4


def test_it_fills_the_window_to_the_given_moment() -> None:
    """ORC-7: one frame for each of the last 900 seconds, none later than asked."""
    frames = list(sample.frames(UNTIL))
    assert [frame.start for frame in frames] == list(range(int(UNTIL) - SPAN, int(UNTIL)))
    assert all(int(UNTIL) - SPAN <= record.at <= UNTIL for frame in frames for record in frame.kept.get("recent", ()))


def test_it_looks_like_a_service() -> None:
    """ORC-7: routes, errors, log lines and levels, enough for every chart of the overview."""
    window = Window(UNTIL)
    for frame in sample.frames(UNTIL):
        window.add(frame)
    view = window.view(UNTIL)
    assert len(view.rows["requests"]) == len(sample.ROUTES)
    assert view.totals["requests"].count > 15_000
    assert 0 < view.totals["requests"].errors < 0.2 * view.totals["requests"].count
    assert view.kept["logs"]
    assert all(any(point.count for point in points) for points in view.points.values())
    assert {"process.cpu.percent", "http.server.active_requests"} <= view.levels.keys()
    assert view.seconds == SPAN


def test_it_is_the_same_each_time() -> None:
    """ORC-7: a picture taken twice is one picture, the made-up process's own id apart."""
    first, second = (list(sample.frames(UNTIL)) for _ in range(2))
    assert [frame.series for frame in first] == [frame.series for frame in second]
    assert first[0].series != next(iter(sample.frames(UNTIL, seed=8))).series
