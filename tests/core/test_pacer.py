"""The pacer makes background work step aside."""

from __future__ import annotations

import time
from threading import Thread

import pytest

from fanlight.core.pacer import CONTENDED_SLICE_NS, PAUSE_SECONDS, SLICE_NS, Pacer, unpaced


class Stopwatch:
    """A clock that is set, and a sleep that is counted."""

    def __init__(self) -> None:
        self.now = 0
        self.slept: list[float] = []

    def pacer(self) -> Pacer:
        return Pacer(lambda: self.now, self.slept.append)


def test_a_slice_is_worked_through_and_then_yields() -> None:
    """TTY-6: within a slice nothing happens; at its end the thread steps aside and a new slice begins."""
    watch = Stopwatch()
    pacer = watch.pacer()
    pacer.start()
    watch.now = SLICE_NS - 1
    pacer.breathe()
    assert watch.slept == []
    watch.now = SLICE_NS + 50
    pacer.breathe()
    pacer.breathe()
    assert watch.slept == [PAUSE_SECONDS]
    assert pacer.longest_ns == SLICE_NS + 50


def test_a_thread_that_never_started_a_slice_starts_one() -> None:
    """TTY-6: the first breath of a thread is not taken for a long slice."""
    watch = Stopwatch()
    pacer = watch.pacer()
    watch.now = 10**12
    pacer.breathe()
    assert (watch.slept, pacer.longest_ns) == ([], 0)
    watch.now += SLICE_NS
    pacer.breathe()
    assert watch.slept == [PAUSE_SECONDS]


def test_each_thread_has_a_slice_of_its_own() -> None:
    """TTY-6: one thread's work does not use up another's slice."""
    watch = Stopwatch()
    pacer = watch.pacer()
    pacer.start()
    watch.now = SLICE_NS
    other = Thread(target=pacer.breathe)
    other.start()
    other.join()
    assert watch.slept == []
    pacer.breathe()
    assert watch.slept == [PAUSE_SECONDS]
    unpaced()


@pytest.mark.parametrize(
    ("away_ns", "slice_ns"),
    [
        (300_000, SLICE_NS),  # what a pause takes by itself
        (5_000_000, 1_000_000),  # the interpreter's switch interval: nobody let go of it
        (60_000_000, CONTENDED_SLICE_NS),
    ],
)
def test_who_waits_long_for_the_interpreter_keeps_it_longer(away_ns: int, slice_ns: int) -> None:
    """OBS-1: a slice is as long as a fifth of the pause before it really took, within bounds, and the next one anew."""
    watch = Stopwatch()

    def sleep(seconds: float) -> None:
        watch.slept.append(seconds)
        watch.now += away_ns if len(watch.slept) == 1 else 0

    pacer = Pacer(lambda: watch.now, sleep)
    pacer.start()
    for length, pauses in ((SLICE_NS, 1), (slice_ns - 1, 1), (1, 2), (SLICE_NS, 3)):
        watch.now += length
        pacer.breathe()
        assert len(watch.slept) == pauses


def test_work_beside_a_thread_that_never_rests_is_done_in_fewer_slices() -> None:
    """OBS-1: a service at its limit gives the interpreter away every 5 ms only; its facts are folded all the same."""

    def pauses(beside: bool) -> int:
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            time.sleep(seconds)

        def work() -> None:
            pacer = Pacer(sleep=sleep)
            pacer.start()
            for _ in range(3_000):
                sum(range(500))
                pacer.breathe()

        worker = Thread(target=work)
        worker.start()
        while beside and worker.is_alive():
            pass
        worker.join()
        return len(slept)

    assert pauses(beside=True) * 2 < pauses(beside=False)


def test_a_pause_can_be_longer_for_one_piece_of_work() -> None:
    """OBS-2: who starts with a longer pause has it until it starts anew; the part asked for makes no slice longer."""
    watch = Stopwatch()

    def sleep(seconds: float) -> None:
        watch.slept.append(seconds)
        watch.now += int(seconds * 1e9)

    pacer = Pacer(lambda: watch.now, sleep)
    for pause in (0.005, 0.0):
        pacer.start(pause)
        for _ in range(2):
            watch.now += SLICE_NS
            pacer.breathe()
    assert watch.slept == [0.005, 0.005, PAUSE_SECONDS, PAUSE_SECONDS]


def test_a_pause_can_be_shorter_where_somebody_waits() -> None:
    """TTY-6: reading a range steps aside for less long; how long is told when the pacer is made."""
    watch = Stopwatch()
    pacer = Pacer(lambda: watch.now, watch.slept.append, slice_ns=300, pause_seconds=0.0001)
    pacer.start()
    watch.now = 300
    pacer.breathe()
    assert watch.slept == [0.0001]
