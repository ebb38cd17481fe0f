"""What a supervised server is, and when it is started again: decisions without a process or a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec

State = Literal["starting", "ready", "backoff", "crash-loop", "stopped"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When a server that ended is started again; times in seconds.

    The pause is `least`, doubled with each end in a row up to `most`, and made up to half shorter by chance, though
    never shorter than `least`, so that servers that fell together do not rise together. A server that was ready for
    `stable` begins anew; `looping` ends in a row are a crash-loop, which is tried on.
    """

    least: float = 1.0
    most: float = 30.0
    stable: float = 30.0
    looping: int = 5


USUAL: Final = Policy()


class Supervision:
    """The states of one server. Times are seconds of one monotonic clock; `chance` gives numbers from 0 to 1."""

    def __init__(self, policy: Policy, chance: Callable[[], float]) -> None:
        self.policy = policy
        self._chance = chance
        self.state: State = "stopped"
        self.since = 0.0
        self.failures = 0
        self.restarts = 0
        self.retry_at: float | None = None
        self.last_error = ""
        self._lived = False

    @property
    def looping(self) -> bool:
        """Whether it ended so often in a row that it is in a crash-loop."""
        return self.failures >= self.policy.looping

    def begin(self, now: float) -> None:
        """It is being started."""
        self.restarts += self._lived
        self._lived = True
        self._become("starting", now)

    def ready(self, now: float) -> None:
        """It answers."""
        self._become("ready", now)

    def ended(self, now: float, reason: str) -> float:
        """It ended although nobody wanted it to, or never came; the pause before the next start."""
        if self.state == "ready" and now - self.since >= self.policy.stable:
            self.failures = 0
        self.failures += 1
        self.last_error = reason
        pause = self._pause()
        self._become("crash-loop" if self.looping else "backoff", now)
        self.retry_at = now + pause
        return pause

    def stopped(self, now: float) -> None:
        """It ended because it was told to."""
        self._become("stopped", now)

    def forgive(self) -> None:
        """An operator starts it: what failed before counts no more."""
        self.failures = 0

    def _pause(self) -> float:
        whole = min(self.policy.least * 2.0 ** min(self.failures - 1, 30), self.policy.most)
        return max(whole * (1 - self._chance() / 2), self.policy.least)

    def _become(self, state: State, now: float) -> None:
        self.state, self.since, self.retry_at = state, now, None
