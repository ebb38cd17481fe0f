"""The pulse ticks on time, survives its owner's mistakes and ends with its owner."""

from __future__ import annotations

import gc
import threading
from contextlib import ExitStack

import pytest

from fanlight.clock import ManualClock, SystemClock
from fanlight.core.pulse import CROWD, EAGER_FACTS, EAGER_SECONDS, IDLE_SECONDS, WATCHED_SECONDS, Pulse

PATIENCE = 10.0


class Owner:
    """Counts its turns and says how many facts wait."""

    def __init__(self, raises: bool = False) -> None:
        self.turns: list[bool] = []
        self.errors: list[Exception] = []
        self.ticked = threading.Event()
        self.raises = raises
        self.facts = 0

    def tick(self, second_closed: bool) -> None:
        self.turns.append(second_closed)
        self.ticked.set()
        if self.raises:
            raise RuntimeError("a bad turn")

    def waiting(self) -> int:
        return self.facts

    def tick_failed(self, error: Exception) -> None:
        self.errors.append(error)


def until_next(owner: Owner) -> None:
    """Wait for a tick that comes after now."""
    owner.ticked.clear()
    assert owner.ticked.wait(PATIENCE)


def test_it_starts_ticks_and_stops_and_each_may_be_said_twice() -> None:
    """Issue 2, item 2: start and close are idempotent, and it can start again."""
    owner = Owner()
    pulse = Pulse(owner, SystemClock())
    for _ in range(2):
        before = {*threading.enumerate()}  # another test's dashboard may be ending
        pulse.start()
        pulse.start()
        begun = {*threading.enumerate()} - before
        assert [thread for thread in begun if thread.name == "fanlight-pulse"] == [pulse._thread]
        until_next(owner)
        pulse.close()
        pulse.close()
        assert not pulse.alive
    assert pulse.version == len(owner.turns)


def test_closing_what_never_started_does_nothing() -> None:
    """Issue 2, item 2: close before start is harmless."""
    Pulse(Owner(), SystemClock()).close()


def test_an_owner_nobody_holds_ends_the_thread() -> None:
    """Issue 2, item 2: the owner is held weakly; once it is gone the thread ends by itself."""
    owner = Owner()
    pulse = Pulse(owner, SystemClock())
    pulse.start()
    thread = pulse._thread
    assert thread is not None
    until_next(owner)
    del owner
    gc.collect()
    leave = pulse.watch()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    leave()


def test_a_pulse_nobody_holds_ends_the_thread() -> None:
    """Issue 2, item 2: the thread holds neither owner nor pulse while it sleeps."""
    owner = Owner()
    pulse = Pulse(owner, SystemClock())
    pulse.start()
    thread = pulse._thread
    assert thread is not None
    until_next(owner)
    del pulse
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_raising_owner_is_told_and_the_loop_goes_on() -> None:
    """TTY-6: a turn that raises is counted and does not end the thread."""
    owner = Owner(raises=True)
    pulse = Pulse(owner, SystemClock())
    leave = pulse.watch()
    pulse.start()
    until_next(owner)
    until_next(owner)
    assert pulse.alive
    pulse.close()
    leave()
    assert {str(error) for error in owner.errors} == {"a bad turn"}
    assert len(owner.errors) == len(owner.turns)


def test_a_raising_listener_hurts_no_other() -> None:
    """TTY-6: each listener hears each version; one that raises is counted; one that left hears no more."""
    owner = Owner()
    pulse = Pulse(owner, ManualClock())
    heard: list[int] = []

    def bad(version: int) -> None:
        raise RuntimeError("a bad listener")

    leave_bad, leave = pulse.listen(bad), pulse.listen(heard.append)
    pulse.tick()
    leave_bad()
    leave_bad()
    pulse.tick()
    leave()
    pulse.tick()
    assert heard == [1, 2]
    assert [str(error) for error in owner.errors] == ["a bad listener"]
    assert owner.turns == [True] * 3


def test_watchers_are_counted_and_leave_once() -> None:
    """Issue 2, item 5: leaving twice counts once."""
    pulse = Pulse(Owner(), ManualClock())
    first, second = pulse.watch(), pulse.watch()
    assert pulse.watchers == 2
    first()
    first()
    assert pulse.watchers == 1
    second()
    assert pulse.watchers == 0


def test_ticking_without_an_owner_closes() -> None:
    """Issue 2, item 2: a tick whose owner is gone does nothing but end the loop."""
    pulse = Pulse(Owner(), ManualClock())
    gc.collect()
    pulse.tick()
    assert (pulse.version, pulse._waiting()) == (0, 0)


@pytest.mark.parametrize(
    ("watchers", "facts", "since_tick", "into_second", "pause"),
    [
        (0, 0, 0.0, 0.0, IDLE_SECONDS),  # a whole second, the tick of its end comes 2 ms behind it
        (0, 0, 0.2, 0.3, 0.702),  # to just behind the next whole second
        (0, 9, 0.2, 0.9, 0.102),  # facts alone do not hurry it while nobody watches
        (0, 0, IDLE_SECONDS, 0.5, 0.0),
        (1, 0, 0.0, 0.5, EAGER_SECONDS),
        (1, 0, 0.05, 0.5, EAGER_SECONDS - 0.05),
        (1, 1, 0.05, 0.5, EAGER_SECONDS - 0.05),  # the first fact after a tick waits until 100 ms after it
        (1, 1, EAGER_SECONDS, 0.5, 0.0),  # and then has a tick of its own
        (1, EAGER_FACTS, EAGER_SECONDS, 0.5, 0.0),
        (1, EAGER_FACTS + 1, EAGER_SECONDS, 0.5, EAGER_SECONDS / 4),  # busy: the ordinary tick is soon enough
        (1, 0, EAGER_SECONDS, 0.5, EAGER_SECONDS / 4),
        (1, 0, EAGER_SECONDS, 0.99, 0.012),
        (1, 0, WATCHED_SECONDS, 0.5, 0.0),
        (CROWD, 0, WATCHED_SECONDS, 0.5, 0.0),
        (2 * CROWD, 1, EAGER_SECONDS, 0.5, EAGER_SECONDS),  # of a crowd each is told less often: longer steps do
        (2 * CROWD, 1, 2 * EAGER_SECONDS, 0.5, 0.0),
        (2 * CROWD, 0, WATCHED_SECONDS, 0.5, EAGER_SECONDS / 2),
        (2 * CROWD, 0, 2 * WATCHED_SECONDS, 0.5, 0.0),
        (99 * CROWD, 0, IDLE_SECONDS, 0.0, 0.0),  # never longer than an idle one's
    ],
)
def test_how_long_it_sleeps(watchers: int, facts: int, since_tick: float, into_second: float, pause: float) -> None:
    """Issue 2, item 5: once a second idle, four times watched, less often by a crowd, 100 ms after quiet, and at each
    whole second."""
    owner, clock = Owner(), ManualClock(1_700_000_000 + into_second)
    owner.facts = facts
    pulse = Pulse(owner, clock)
    for _ in range(watchers):
        pulse.watch()
    assert pulse._pause(since_tick) == pytest.approx(pause, abs=1e-6)


def test_a_second_that_ends_makes_a_tick_that_closes_it() -> None:
    """X-3: ticks fall on second boundaries: a new wall-clock second makes one, and it says so."""
    owner, clock = Owner(), ManualClock()
    pulse = Pulse(owner, clock)
    pulse.start()
    until_next(owner)
    for closed in range(1, 4):
        clock.advance(1.0)
        pulse._wake.set()
        for _ in range(5):
            if sum(owner.turns) < closed:
                until_next(owner)
        assert sum(owner.turns) == closed
    pulse.close()
    assert owner.turns[0] is False  # the second it starts in is not over


def test_refresh_has_a_tick_now() -> None:
    """Issue 2, item 6: a reader of an idle service waits for one tick, and never when one just was."""
    owner, clock = Owner(), ManualClock(1_700_000_000.1)
    pulse = Pulse(owner, clock)
    pulse.refresh()
    assert owner.turns == []  # not running: nothing to wait for
    pulse.start()
    until_next(owner)
    pulse._ticked_at -= 1.0
    before = pulse.version
    pulse.refresh(PATIENCE)
    assert pulse.version > before
    leave = pulse.watch()
    pulse._ticked_at -= 1.0
    pulse.refresh(PATIENCE)  # watched: fresh enough
    leave()
    pulse.close()


class Board(Owner):
    """Its turn reads what was said, and takes until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.said = self.shown = "well"
        self.reading = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def tick(self, second_closed: bool) -> None:
        read = self.said
        self.reading.set()
        self.go_on.wait(PATIENCE)
        self.shown = read
        super().tick(second_closed)


def test_who_reads_after_a_hurry_sees_what_it_was_about() -> None:
    """HUB-2: however lately a turn was, and though one is under way that began before: a reader waits for the next."""
    owner = Board()
    pulse = Pulse(owner, SystemClock())
    with ExitStack() as stack:
        stack.callback(pulse.close)
        stack.callback(pulse.watch())  # while somebody watches, readers need not wait as a rule
        pulse.start()
        until_next(owner)
        for turn in range(20):
            owner.reading.clear()
            owner.go_on.clear()
            pulse.hurry()
            assert owner.reading.wait(PATIENCE)
            owner.said = f"ill {turn}"  # the turn under way has read before
            pulse.hurry()
            threading.Timer(0.01, owner.go_on.set).start()
            pulse.refresh(PATIENCE)
            assert owner.shown == f"ill {turn}"
    assert not owner.errors
