"""stores.following: the thread that works with a store for its owner."""

from __future__ import annotations

import gc
import threading

from fanlight.stores.following import follow

TIMEOUT = 20.0


class Worker:
    """An owner that wants so many turns."""

    def __init__(self, turns: int) -> None:
        self.left = turns
        self.turned = threading.Event()

    def store_turn(self) -> bool:
        self.left -= 1
        self.turned.set()
        return self.left > 0


def test_an_owner_that_ends_puts_away_its_own() -> None:
    """The thread takes turns as they fall due, until its owner wants no more."""
    due, put_away = threading.Event(), threading.Event()
    worker = Worker(2)
    thread = follow(worker, due, (put_away.set,))
    due.set()
    assert worker.turned.wait(TIMEOUT)
    due.set()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    assert worker.left == 0
    assert not put_away.is_set()


def test_what_an_owner_left_that_is_gone_is_put_away() -> None:
    """TTY-6: all of it, whatever fails of it."""
    due, put_away = threading.Event(), threading.Event()

    def fails() -> None:
        raise OSError("no such file")

    worker = Worker(1_000)
    thread = follow(worker, due, (fails, put_away.set))
    due.set()
    assert worker.turned.wait(TIMEOUT)
    del worker
    gc.collect()
    due.set()
    thread.join(TIMEOUT)
    assert put_away.is_set()
