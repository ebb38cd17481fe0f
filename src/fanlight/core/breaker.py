"""Breaker: when to stop calling a service that fails, and when to try it again; a state machine without clock or lock.

Closed, every call is let through. It opens after several failures in a row, or when too large a share of the calls of a
window failed. Open, every call is refused until its deadline, or the longer one the service asked for (Retry-After).
Then exactly one call is let through, half-open: it succeeds and the breaker closes, or fails and it opens again. One
that takes longer than that deadline lets the next try, and still closes it when it succeeds: a service may be slow.
Source of the pattern: M. Nygard, "Release It!", 2nd edition, chapter 5.
"""

from __future__ import annotations

from collections import deque
from math import isfinite
from typing import Final, Literal

import msgspec

from fanlight.errors import FanlightError

State = Literal["closed", "half_open", "open"]

STATES: Final[tuple[State, ...]] = ("closed", "half_open", "open")
"""From the best to the worst; gauges carry the place in it."""

REFUSED: Final = 0
"""What `admit` answers when the call must not be made."""

LONGEST_WAIT: Final = 3_600.0
"""Seconds a Retry-After is heeded at most: a service cannot shut itself off for longer."""

BUCKETS: Final = 10
"""Parts of the window failures are counted by; the oldest goes as a whole."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens and for how long. Times in seconds.

    `failures` in a row open it; so does a `rate` (0 to 1) of failures among at least `calls` calls within `window`.
    It stays open for `recovery`, which is also how long the one call of a half-open breaker may take.
    """

    failures: int = 5
    rate: float = 0.5
    calls: int = 20
    window: float = 30.0
    recovery: float = 10.0

    def __post_init__(self) -> None:
        for name in ("failures", "calls", "window", "recovery", "rate"):
            value = getattr(self, name)
            highest = 1.0 if name == "rate" else 86_400.0
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= highest:
                raise FanlightError(f"a breaker's {name} is {value!r}; expected a number above 0, up to {highest:g}")


class Breaker:
    """One breaker on one instance. Not thread-safe. `now` is in seconds on one clock that never goes back.

    `failed_in_row` counts failures since the last success; `reason` says why it opened, "" while closed; `retry_at` is
    when it tries again, None while closed, and while it is held open by hand.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.state: State = "closed"
        self.failed_in_row = 0
        self.reason = ""
        self.opened_at: float | None = None
        self.retry_at: float | None = None
        self.last_failure = ""
        self.last_failure_at: float | None = None
        self._generation = 1
        self._tried_since = 1
        self._probe_until: float | None = None
        self._not_before = 0.0
        self._window: deque[list[float]] = deque(maxlen=BUCKETS + 1)  # bucket, calls, failures

    @property
    def by_hand(self) -> bool:
        """Whether it stays open until it is reset."""
        return self.state == "open" and self.retry_at is None

    def admit(self, now: float) -> int:
        """A ticket for one call, to be given back with its outcome; REFUSED when it must not be made."""
        if self.state == "closed":
            return self._generation
        if self.state == "open":
            if self.retry_at is None or now < self.retry_at:
                return REFUSED
            return self._probe(now)
        if self._probe_until is None:
            return self._probe(now)
        if now >= self._probe_until:
            self._open(now, "the call that tried it again did not end")
        return REFUSED

    def _probe(self, now: float) -> int:
        self.state = "half_open"
        self._generation += 1
        self._probe_until = now + self.policy.recovery
        return self._generation

    def succeeded(self, ticket: int, now: float) -> None:
        """The call was answered. Tickets from before it opened, or closed, say nothing any more."""
        if self.answered(ticket) == self._generation and self.state == "closed":
            self.failed_in_row = 0
            self._count(now, failed=False)

    def answered(self, ticket: int) -> int:
        """The call is being answered, which closes a breaker that it tries; the ticket by which it goes on."""
        if self.state == "closed" or self.by_hand or ticket <= self._tried_since:
            return ticket
        self._close()
        self.failed_in_row = 0
        return self._generation

    def failed(self, ticket: int, now: float, reason: str = "", retry_after: float = 0.0) -> None:
        """The call failed by the service's fault; `retry_after`: seconds it asked to be left alone."""
        if ticket != self._generation or self.state == "open":
            return
        self.failed_in_row += 1
        self.last_failure, self.last_failure_at = reason, now
        if isfinite(retry_after) and retry_after > 0:
            self._not_before = max(self._not_before, now + min(retry_after, LONGEST_WAIT))
        self._count(now, failed=True)
        if self.state == "half_open":
            self._tried_since = ticket  # what earlier tries may yet find is older than this
            why = "the call that tried it again failed"
        else:
            why = self._why(now)
        if why:
            self._open(now, f"{why}: {reason}" if reason else why)

    def cancelled(self, ticket: int) -> None:
        """The call was given up: no evidence either way; half-open, the next call tries."""
        if ticket == self._generation and self.state == "half_open":
            self._generation += 1
            self._probe_until = None

    def trip(self, now: float, reason: str) -> None:
        """Open it by hand: it stays open until it is reset."""
        self._open(now, reason)
        self.retry_at = None

    def reset(self) -> None:
        """Close it by hand, whatever was."""
        self._close()
        self.failed_in_row = 0

    def _why(self, now: float) -> str:
        """Why it should open, "" for no reason."""
        policy = self.policy
        if self.failed_in_row >= policy.failures:
            return f"{self.failed_in_row} failures in a row"
        calls, failures = self._counts(now)
        if calls >= policy.calls and failures >= policy.rate * calls:
            return f"{failures} of {calls} calls failed within {policy.window:g} s"
        return ""

    def _open(self, now: float, reason: str) -> None:
        if self.state == "closed":
            self.opened_at = now
            self._tried_since = self._generation
        self.state, self.reason = "open", reason
        self.retry_at = max(now + self.policy.recovery, self._not_before)
        self._probe_until = None
        self._generation += 1

    def _close(self) -> None:
        self.state, self.reason = "closed", ""
        self.opened_at = self.retry_at = self._probe_until = None
        self._not_before = 0.0
        self._window.clear()
        self._generation += 1

    def _count(self, now: float, failed: bool) -> None:
        bucket = now * BUCKETS // self.policy.window
        if not self._window or self._window[-1][0] != bucket:
            self._window.append([bucket, 0, 0])
        self._window[-1][1] += 1
        self._window[-1][2] += failed

    def _counts(self, now: float) -> tuple[int, int]:
        oldest = now * BUCKETS // self.policy.window - BUCKETS
        found = [(calls, failures) for bucket, calls, failures in self._window if bucket > oldest]
        return int(sum(calls for calls, _ in found)), int(sum(failures for _, failures in found))
