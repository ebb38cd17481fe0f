"""The thread that works with a store for its owner, and puts away what an owner left that nobody held any more."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

TURN_SECONDS: Final = 1.0
"""How often the thread looks for commands while nothing wakes it."""


class Owner(Protocol):
    """Who works with a store."""

    def store_turn(self) -> bool:
        """One turn; False to end."""


def follow(owner: Owner, due: threading.Event, left: Iterable[Callable[[], object]]) -> threading.Thread:
    """Start the thread, which ends when its owner says so, or is gone; then what the process still has of it, `left`,
    is put away. None of that may hold the owner.

    It is done here because the collector, which finds that an owner is gone, runs at any moment, with any lock held.
    """
    thread = threading.Thread(target=_run, args=(weakref.ref(owner), due, left), name="fanlight-follow", daemon=True)
    thread.start()
    return thread


def _run(reference: weakref.ref[Owner], due: threading.Event, left: Iterable[Callable[[], object]]) -> None:
    while True:
        due.wait(TURN_SECONDS)
        due.clear()
        owner = reference()
        if owner is None:
            break
        if not owner.store_turn():
            return
        del owner  # while it waits nothing here keeps it alive
    for put_away in left:
        with suppress(Exception):  # nobody is left to be told
            put_away()
