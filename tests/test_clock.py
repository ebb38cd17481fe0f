"""The clocks: the machine's, and one that moves only when told to."""

from __future__ import annotations

from fanlight.clock import ManualClock, SystemClock


def test_a_manual_clock_moves_only_when_told() -> None:
    """Both clocks go forward together."""
    clock = ManualClock(100.0)
    began = clock.monotonic_ns()
    assert clock.time_ns() == 100_000_000_000
    clock.advance(1.5)
    assert (clock.time_ns(), clock.monotonic_ns() - began) == (101_500_000_000, 1_500_000_000)


def test_setting_the_wall_leaves_durations_alone() -> None:
    """An operator's change of the wall clock is seen by no duration."""
    clock = ManualClock(100.0)
    began = clock.monotonic_ns()
    clock.set_wall(50.0)
    assert (clock.time_ns(), clock.monotonic_ns()) == (50_000_000_000, began)


def test_the_machines_clocks() -> None:
    """Wall time is of this century, monotonic time never goes back."""
    clock = SystemClock()
    assert clock.time_ns() > 1_600_000_000_000_000_000
    assert clock.monotonic_ns() <= clock.monotonic_ns()
