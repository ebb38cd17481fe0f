"""Breakers of one instance: the lock, the clock and the context managers around the state machines.

Each instance has its own breakers and judges by its own calls; what operators do reaches all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from threading import Lock
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

import msgspec

from fanlight.clock import Clock
from fanlight.core import breaker as core
from fanlight.core.breaker import REFUSED, STATES, Policy
from fanlight.core.facts import CANCELLED
from fanlight.core.recorder import Sample
from fanlight.core.records import LABEL_LIMIT, text
from fanlight.core.sections import SEPARATOR
from fanlight.errors import BreakerOpen, FanlightError
from fanlight.services.calls import Call
from fanlight.services.decoration import decorated
from fanlight.services.outcomes import blameless, described, outcome_of, retry_after_of

F = TypeVar("F", bound=Callable[..., Any])

BREAKER_LIMIT: Final = 100
"""Breakers an instance shows and remembers; those beyond never open, and are counted as dropped."""

REASON_LIMIT: Final = 180
"""Characters of a reason that are shown."""

BREAKERS: Final = "breakers"
"""The command and the action that change breakers."""

TRIES: Final = "one call tries it again"
ANSWERED: Final = "the call that tried it again was answered"
"""Why a breaker is half-open, and why it closed by itself."""

CHANGES: Final = ("trip", "reset")
"""What operators can do to a breaker."""


class Told(Protocol):
    """Who is told of what breakers do: a recorder."""

    def count(self, name: str, amount: int = 1) -> None: ...

    def event(self, type: str, fields: Mapping[str, Any], correlation_id: str = "") -> None: ...


class Breaker:
    """A breaker around calls: `with breaker:` (or `async with`), or as a decorator. Thread-safe.

    Entering raises BreakerOpen instead of letting the call be made. What is raised inside counts as a failure, but for
    the caller's own errors (HTTP statuses 400 to 499 other than 408 and 429, and the `ignore`d exceptions); what was
    cancelled counts as nothing.
    """

    def __init__(self, name: str, clock: Clock, told: Callable[[], Told]) -> None:
        self.name = name
        self.ignore: tuple[type[BaseException], ...] = ()
        self._clock = clock
        self._told = told
        self._lock = Lock()
        self._machine = core.Breaker(Policy())
        self._attempts: ContextVar[tuple[Attempt, ...]] = ContextVar(f"fanlight_breaker_{name}", default=())

    def declare(self, policy: Policy | None, ignore: tuple[type[BaseException], ...]) -> None:
        """Use this policy, and these exceptions that are nobody's failure, from now on."""
        with self._lock:
            if policy is not None:
                self._machine.policy = policy
        if ignore:
            self.ignore = ignore

    @property
    def state(self) -> core.State:
        """closed, half_open or open, on this instance."""
        return self._machine.state

    def attempt(self) -> Attempt:
        """One call's passage through it, not begun."""
        return Attempt(self)

    def __enter__(self) -> Attempt:
        attempt = Attempt(self).__enter__()
        self._attempts.set((*self._attempts.get(), attempt))
        return attempt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        *before, attempt = self._attempts.get() or (None,)
        self._attempts.set(tuple(before))
        if attempt is not None:
            attempt.__exit__(kind, error, trace)

    async def __aenter__(self) -> Attempt:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """The function, with each of its runs through the breaker."""
        return decorated(function, self.attempt)

    def admit(self) -> int:
        """A ticket for one call; raises BreakerOpen."""
        with self._lock:
            now, machine, before = self._now(), self._machine, self._machine.state
            ticket = machine.admit(now)
            reason, retry_at, after = machine.reason, machine.retry_at, machine.state
        self._tell(before, after, reason)
        if ticket == REFUSED:
            self._told().count(f"breakers.refused.{self.name}")
            busy = "another call is trying it"
            wait = None if after == "open" and retry_at is None else max((retry_at or now) - now, 0.0)
            raise BreakerOpen(self.name, reason if after == "open" else busy, wait)
        return ticket

    def answered(self, ticket: int) -> int:
        """The call of this ticket is being answered; the ticket by which it goes on."""
        if self._machine.state == "closed":  # as nearly always
            return ticket
        with self._lock:
            before = self._machine.state
            ticket = self._machine.answered(ticket)
            after = self._machine.state
        self._tell(before, after, "")
        return ticket

    def settle(self, ticket: int, outcome: str, reason: str = "", retry_after: float = 0.0) -> None:
        """What became of a call: "", CANCELLED, or the type of its error."""
        with self._lock:
            now, machine, before = self._now(), self._machine, self._machine.state
            if outcome == CANCELLED:
                machine.cancelled(ticket)
            elif not outcome or blameless(outcome):
                machine.succeeded(ticket, now)
            else:
                machine.failed(ticket, now, reason[:REASON_LIMIT], retry_after)
            after, why = machine.state, machine.reason
        self._tell(before, after, why)

    def change(self, change: str, by: str) -> str:
        """Trip or reset it by hand; says what it is now."""
        if change not in CHANGES:
            raise FanlightError(f"a breaker's change is {change[:40]!r}; expected {' or '.join(CHANGES)}")
        with self._lock:
            before = self._machine.state
            if change == "trip":
                self._machine.trip(self._now(), f"tripped by {by}")
            else:
                self._machine.reset()
            after, why = self._machine.state, self._machine.reason
        self._tell(before, after, why or f"reset by {by}")
        return "open" if change == "trip" else "closed"

    def _tell(self, before: core.State, after: core.State, reason: str) -> None:
        if before != after:
            reason = TRIES if after == "half_open" else reason or ANSWERED
            self._told().event("breaker", {"name": self.name, "state": after.replace("_", "-"), "reason": reason})

    def _now(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def samples(self) -> Iterator[Sample]:
        """What it is now, as gauges of this instance; texts are labels, times Unix seconds."""
        with self._lock:
            machine = self._machine
            wall = self._clock.time_ns() / 1e9 - self._now()
            state, reason, opened, retry = machine.state, machine.reason, machine.opened_at, machine.retry_at
            failures, failure, failed_at = machine.failed_in_row, machine.last_failure, machine.last_failure_at
        name = text(self.name, LABEL_LIMIT)
        yield Sample("breaker.state", name, STATES.index(state), "max", "instance")
        yield Sample("breaker.failures", name, failures, "max", "instance")
        if opened is not None:
            yield Sample("breaker.opened", f"{name}{SEPARATOR}{reason}", opened + wall, "min", "instance")
        if retry is not None:
            yield Sample("breaker.retry", name, retry + wall, "max", "instance")
        if failed_at is not None:
            yield Sample("breaker.failed", f"{name}{SEPARATOR}{failure}", failed_at + wall, "max", "instance")


class Attempt(msgspec.Struct, eq=False):
    """One call's passage through a breaker."""

    breaker: Breaker
    ticket: int = REFUSED
    failure: tuple[str, str, float] | None = None

    def fail(self, reason: str, type: str = "failed", retry_after: float = 0.0) -> None:
        """It failed although nothing was raised; `retry_after`: seconds the service asked to be left alone."""
        self.failure = (type, described(reason), retry_after)

    def answered(self) -> None:
        """The service answers, though the answer may take its time: a half-open breaker closes, and does not wait."""
        self.ticket = self.breaker.answered(self.ticket)

    def __enter__(self) -> Attempt:
        self.ticket = self.breaker.admit()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.failure is not None:
            self.breaker.settle(self.ticket, *self.failure)
        elif error is None:
            self.breaker.settle(self.ticket, "")
        else:
            self.breaker.settle(self.ticket, *self._judged(error))

    def _judged(self, error: BaseException) -> tuple[str, str, float]:
        if isinstance(error, BreakerOpen):  # another one's: nothing was asked of this service
            return CANCELLED, "", 0.0
        if isinstance(error, self.breaker.ignore):
            return "", "", 0.0
        return outcome_of(error), described(error), retry_after_of(error)


class GuardedCall(Call):
    """A call of a service that has a breaker: not made, and not recorded, while it is open."""

    breaker: Breaker | None = None
    attempt: Attempt | None = None

    def again(self) -> GuardedCall:
        """Another call of the same operation, not begun."""
        return GuardedCall(
            self.sink, self.service, self.operation, self.kind, dict(self.attributes), breaker=self.breaker
        )

    def __enter__(self) -> Call:
        if self.breaker is not None:
            self.attempt = self.breaker.attempt().__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            if self.failure is not None:
                attempt.fail(self.failure[1], self.failure[0], retry_after_of(error))
            attempt.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)


class Breakers:
    """The breakers of one instance by name. Thread-safe."""

    def __init__(self, clock: Clock, told: Callable[[], Told]) -> None:
        self._clock = clock
        self._told = told
        self._known: dict[str, Breaker] = {}

    def get(self, name: str) -> Breaker:
        """The breaker of that name, made when there is none: one name, one breaker."""
        known = self._known.get(name)
        if known is not None:
            return known
        made = Breaker(name, self._clock, self._told)
        if len(self._known) >= BREAKER_LIMIT:
            self._told().count("fanlight.dropped.breakers")
            return made
        return self._known.setdefault(name, made)

    def withdraw(self, name: str) -> None:
        """Show it no more; who holds it goes on with it."""
        self._known.pop(name, None)

    def all(self) -> tuple[Breaker, ...]:
        """Every breaker, in the order they were made."""
        return tuple(self._known.values())

    def obey(self, orders: Iterable[Mapping[str, Any]]) -> None:
        """Open those that an operator had opened before this instance started."""
        for order in orders:
            self.get(str(order["name"])).change("trip", "an operator")

    def samples(self) -> Iterator[Sample]:
        """All of them as gauges."""
        for breaker in self.all():
            yield from breaker.samples()
