"""Calls: what the application asks of a service, timed and recorded at the price of about a microsecond."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

import msgspec

from fanlight.core import context
from fanlight.core.facts import CALL, Fact, status_of
from fanlight.services.decoration import decorated
from fanlight.services.outcomes import described, named, outcome_of

F = TypeVar("F", bound=Callable[..., Any])

KINDS: Final = ("wrapper", "llm", "mcp", "database", "cache", "http")
"""The kinds of services Fanlight knows something of; others are shown as they are named."""


NO_ATTRIBUTES: Final[dict[str, Any]] = {}
"""What calls without attributes have in common, since those of a call are never changed in place."""


# Bound once, and what a sink holds is taken out before it is called: CPython 3.11 and 3.12 look up what is called as an
# attribute at full length each time where it is no method of the class, which makes a third of the cost of a call here.
_enter: Final = context.call.set
_leave: Final = context.call.reset
_around: Final = context.call.get
_correlation: Final = context.correlation_id.get


class Sink(Protocol):
    """Where calls are recorded: a recorder."""

    append: Callable[[Fact], None]
    begin: Callable[[Any], None]
    next_seq: Callable[[], int]
    now_ns: Callable[[], int]


class Nowhere:
    """A sink that keeps nothing; for a dashboard that is switched off."""

    def __init__(self) -> None:
        self.append: Callable[[Fact], None] = _dropped
        self.begin: Callable[[Any], None] = _dropped
        self.next_seq: Callable[[], int] = int
        self.now_ns: Callable[[], int] = int

    def count(self, name: str, amount: int = 1) -> None:
        """Nothing is counted."""

    def event(self, type: str, fields: Mapping[str, Any], correlation_id: str = "") -> None:
        """Nothing is kept."""


def _dropped(given: Any) -> None:
    """Nothing is kept."""


class Call(msgspec.Struct, eq=False, gc=False):
    """One call of a service: a context manager, sync and async, or a decorator, each of whose runs is one call.

    Records when it ends: success, the type of its error, or that it was cancelled. Never raises, never swallows what
    was raised. One `with` at a time; calls inside of it become its children. `id` is set when it is folded. It has a
    `token` while it is under way.
    """

    sink: Sink
    service: str
    operation: str
    kind: str
    attributes: dict[str, Any]
    began_ns: int = 0
    token: Token[Any] | None = None
    id: int = 0
    failure: tuple[str, str] | None = None

    def set(self, **attributes: Any) -> None:
        """Say more of the call: what was asked for, how much came; the first 20 are kept, secrets masked."""
        self.attributes = {**self.attributes, **attributes}

    def fail(self, reason: str | BaseException, type: str = "") -> None:
        """It failed although nothing was raised; `type` names the kind of error, as few as possible of them."""
        kind = type or (outcome_of(reason) if isinstance(reason, BaseException) else "")
        self.failure = (named(kind), described(reason))

    @property
    def elapsed(self) -> float:
        """Seconds since it began; what `time_to_first_token` is at the first token."""
        return (self.sink.now_ns() - self.began_ns) / 1e9

    def again(self) -> Call:
        """Another call of the same operation, not begun."""
        return self.__class__(self.sink, self.service, self.operation, self.kind, dict(self.attributes))

    def __enter__(self) -> Call:
        sink = self.sink
        now_ns, begin = sink.now_ns, sink.begin
        self.token = _enter(self)
        self.began_ns = now_ns()
        begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sink, token = self.sink, self.token
        now_ns, next_seq, append = sink.now_ns, sink.next_seq, sink.append
        ended_ns = now_ns()
        if token is None:
            return
        self.token = None  # a waiting fact holds the call; a token would hold its whole context
        try:  # noqa: SIM105 - to suppress them by a context manager costs 0.2 µs
            _leave(token)
        except (ValueError, RuntimeError):  # ended in another context than it began in
            pass
        outcome, text = "", None
        if error is not None or self.failure is not None:
            outcome, text = self._judged(error)
        append(
            (
                CALL,
                next_seq(),
                ended_ns,
                ended_ns - self.began_ns,
                self,
                token.old_value,
                _correlation(),
                outcome,
                text,
            )
        )

    def _judged(self, error: BaseException | None) -> tuple[str, str | None]:
        """How it ended, in words: what was said by `fail` counts more than what was raised."""
        failure, self.failure = self.failure, None
        if failure is not None:
            return failure
        if error is None:
            return "", None
        status = status_of(error)
        if status and "status" not in self.attributes:
            self.set(status=status)
        return outcome_of(error), described(error)

    async def __aenter__(self) -> Call:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """The function with each of its runs recorded as a call."""
        return decorated(function, self.again)


LONGEST_SECONDS: Final = 1e9
"""A duration is cut to it: more nanoseconds than 64 bits hold, no frame could carry."""


def _nanoseconds(seconds: float) -> int:
    """Whole nanoseconds, 0 for what is no duration; never fails."""
    try:
        return int(min(max(seconds, 0.0), LONGEST_SECONDS) * 1e9)
    except (TypeError, ValueError):
        return 0


def record_call(
    sink: Sink,
    service: str,
    operation: str,
    *,
    duration: float,
    kind: str = "wrapper",
    error: str | BaseException | None = None,
    error_type: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Record a call that just ended, as a client library's hooks report it; `duration` in seconds.

    It belongs to the correlation ID and the call of the context it is recorded from. Thread-safe; never raises.
    """
    made = Call(sink, service, operation, kind, dict(attributes or {}))
    if error_type:
        made.fail(error or "", error_type)
        outcome, text = made._judged(None)
    else:
        if isinstance(error, str):
            made.fail(error)
        outcome, text = made._judged(error if isinstance(error, BaseException) else None)
    fact = (
        CALL, sink.next_seq(), sink.now_ns(), _nanoseconds(duration), made, _around(), _correlation(),
        outcome, text,
    )  # fmt: skip
    sink.append(fact)
