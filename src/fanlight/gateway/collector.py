"""The garbage collector of a process that is the gateway's own."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLD: Final = 5_000
"""Objects made and not yet freed that begin a collection. All requests wait for one: a few, of about 2 ms each."""


def settle() -> None:
    """What is loaded now is never looked at again, and what is new less often.

    With 100 dashboards open a collection of everything took 60 ms, some every ten seconds, and all of them 1.6 % of a
    core; so they take 0.3 %, the longest some milliseconds. Counting references frees all but cycles anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
