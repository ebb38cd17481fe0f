"""How fast a page's stream may push: at once after quiet, four times a second in the long run."""

from __future__ import annotations

import random
from itertools import pairwise

from fanlight.faces.api.streams import FRAME_SECONDS, Pace
from fanlight.faces.web.rooms import COALESCE_SECONDS


def pushes(news: list[float], *, moved: bool = True) -> list[float]:
    """When news that come at these moments are pushed, those that wait together as one."""
    pace, sent = Pace(), list[float]()
    for at in news:
        if not sent or at > sent[-1]:
            sent.append(max(at, pace.next_at()))
            pace.pushed(sent[-1], moved)
    return sent


def test_news_after_quiet_goes_at_once_though_a_line_has_just_gone() -> None:
    """TTY-4: an event between two of the pulse's own ticks does not wait for the next of four frames a second."""
    assert pushes([10.0, 10.1, 12.0, 12.15]) == [10.0, 10.1, 12.0, 12.15]
    assert pushes([10.0, 10.02]) == [10.0, 10.0 + COALESCE_SECONDS]


def test_a_steady_stream_is_four_frames_a_second() -> None:
    """TTY-4, TTY-6: however much comes, a terminal that is open all day draws no more; none waits longer than that."""
    chance = random.Random(4)
    news = sorted(chance.uniform(0, 60) for _ in range(3_000))
    sent = pushes(news)
    assert len(sent) <= 60 / FRAME_SECONDS + 2
    gaps = [after - before for before, after in pairwise(sent)]
    assert min(gaps) >= COALESCE_SECONDS
    assert max(gaps) <= FRAME_SECONDS + 0.1


def test_lines_without_news_use_nothing_up() -> None:
    """TTY-4: the heartbeat and ticks in which nothing changed leave room for what does."""
    quiet = [number / 10 for number in range(50)]
    assert len(pushes(quiet, moved=False)) == len(quiet)
