"""The pacer makes background work step aside."""

from __future__ import annotations

from threading import Thread

from fanlight.core.pacer import PAUSE_SECONDS, SLICE_NS, Pacer, unpaced


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


def test_a_pause_can_be_shorter_where_somebody_waits() -> None:
    """TTY-6: reading a range steps aside for less long; how long is told when the pacer is made."""
    watch = Stopwatch()
    pacer = Pacer(lambda: watch.now, watch.slept.append, slice_ns=300, pause_seconds=0.0001)
    pacer.start()
    watch.now = 300
    pacer.breathe()
    assert watch.slept == [0.0001]
