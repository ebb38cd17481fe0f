"""The life of a worker as pure transitions; the loop over real processes is in test_workers.py."""

from __future__ import annotations

import pytest

from fanlight.cli.supervisor import (
    FIRST_DELAY,
    GRACE_SECONDS,
    LONGEST_DELAY,
    STABLE_SECONDS,
    Act,
    Child,
    Phase,
    deadline,
    due,
    ended,
    ending,
    exit_status,
    ready,
    spawned,
    stopped,
)


def test_a_worker_that_keeps_dying_waits_twice_as_long_each_time() -> None:
    """X-2: the back-off doubles from 0.5 s to 10 s and stays there."""
    child, delays = Child(), []
    for _ in range(7):
        child = ended(ready(spawned(child, 0.0), 0.0), 1.0)
        delays.append(child.delay)
    assert delays == [FIRST_DELAY, 1.0, 2.0, 4.0, 8.0, LONGEST_DELAY, LONGEST_DELAY]


def test_a_stable_life_resets_the_back_off() -> None:
    """X-2: after 30 s of serving a death is a first one again; a start that took as long is not a life."""
    tried = Child(Phase.STARTING, 0.0, 8.0)
    assert ended(ready(tried, 0.0), STABLE_SECONDS).delay == FIRST_DELAY
    assert ended(ready(tried, 0.0), STABLE_SECONDS - 1).delay == LONGEST_DELAY
    assert ended(tried, STABLE_SECONDS).delay == LONGEST_DELAY


def test_a_worker_is_started_when_its_back_off_is_over() -> None:
    """X-2: nothing is due before the deadline, and the start at it."""
    child = ended(ready(spawned(Child(), 0.0), 0.0), 100.0)
    assert deadline(child) == 100.0 + FIRST_DELAY
    assert due(child, 100.4, served=True) is None
    assert due(child, 100.5, served=True) is Act.SPAWN


def test_the_others_wait_for_the_first_to_serve() -> None:
    """X-2: no second worker is started before one has served."""
    assert due(Child(), 0.0, served=False) is None
    assert due(Child(), 0.0, served=True) is Act.SPAWN


def test_a_worker_that_does_not_stop_is_killed_after_the_grace() -> None:
    """TTY-2: TERM first, KILL when the grace is over, then the end."""
    child = stopped(ready(spawned(Child(), 0.0), 0.0), 10.0)
    assert child.phase is Phase.STOPPING
    assert due(child, 10.0 + GRACE_SECONDS - 0.1, served=True) is None
    assert due(child, 10.0 + GRACE_SECONDS, served=True) is Act.KILL
    assert ended(child, 20.0).phase is Phase.STOPPED


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.BACKOFF, Phase.STOPPED])
def test_a_worker_without_a_process_stops_at_once(phase: Phase) -> None:
    """TTY-2: what has no process needs no signal."""
    child = stopped(Child(phase), 1.0)
    assert child.phase is Phase.STOPPED
    assert deadline(child) is None
    assert due(child, 1e9, served=True) is None


def test_readiness_counts_while_starting_only() -> None:
    """TTY-2: a late word of a worker that is stopping does not bring it back."""
    child = stopped(spawned(Child(), 0.0), 1.0)
    assert ready(child, 2.0) == child


def test_endings_are_told_as_a_shell_would() -> None:
    """X-2: the supervisor's words and status for a worker's end."""
    assert (exit_status(-9), ending(-9)) == (137, "was ended by SIGKILL")
    assert (exit_status(3), ending(3)) == (3, "ended with status 3")
