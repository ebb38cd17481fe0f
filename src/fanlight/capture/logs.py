"""Capturing the application's log lines, and giving its own output `%(correlation_id)s`, without changing what it logs.

Where we listen. A handler on the root logger would be seen by the application: `logging.basicConfig` does nothing
once root has a handler, `dictConfig` removes it, warnings of an application that configured nothing no longer reach
stderr (`logging.lastResort`), and loggers with `propagate = False` (uvicorn's) pass it by. So `install_logging` wraps
`Logger.callHandlers` instead: the one place every enabled record of every logger comes through, after levels and
loggers' filters and whatever the handlers are. Handlers, levels, filters and the last resort stay the application's
alone, configured before or after us.

The correlation ID is put on records there too, not by a log record factory: a factory's attribute makes the
application's own `extra={"correlation_id": ...}` raise, and is lost when the application sets a factory. It costs
about 0.4 µs a record.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any, Final

from fanlight.clock import Clock
from fanlight.core.context import correlation_id
from fanlight.core.facts import LOG
from fanlight.core.recorder import Recorder, Sample
from fanlight.core.redaction import printable, redact

MESSAGE_LIMIT: Final = 2000
"""Characters of a message that are kept."""
TRACEBACK_LIMIT: Final = 4000
"""Characters of a traceback that are kept: its end."""
FRAME_LIMIT: Final = 20
"""Stack frames of a traceback that are kept: the innermost."""
NAME_LIMIT: Final = 200
"""Characters kept of a logger's name, a file's name, a level's name, a correlation ID."""
LINES_PER_SECOND: Final = 200
BURST: Final = 1000

ACCESS_LOGGERS: Final = frozenset(
    {"uvicorn.access", "granian.access", "gunicorn.access", "hypercorn.access", "aiohttp.access"}
)
"""Servers' access logs: not captured, they would say every recorded request a second time."""

OWN_LOGGER: Final = "fanlight"
"""Fanlight's own logger: not captured with its children, lest recording a line cause a line, but for the gateway's."""

NO_ID: Final = "-"
"""What `%(correlation_id)s` shows outside a request."""


class CorrelationFilter(logging.Filter):
    """Gives every record it sees a `correlation_id`, "-" outside a request; keeps one the application gave.

    `install_logging` does the same for every logger. Put this on a handler whose format asks for `%(correlation_id)s`
    where lines may come before Fanlight starts or while it is disabled.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        _stamp(record)
        return True


class LogHandler(logging.Handler):
    """Puts log records on a recorder as LOG facts; a flood is cut to `rate` lines a second after a burst.

    What is cut is counted as `fanlight.dropped.logs` by `report_dropped`, a sampler for the recorder. From any
    thread; takes no lock, never raises, never handles a record that handling one has caused.
    """

    def __init__(
        self,
        recorder: Recorder,
        clock: Clock | None = None,
        level: int | str = logging.NOTSET,
        *,
        rate: int = LINES_PER_SECOND,
        burst: int = BURST,
    ) -> None:
        super().__init__(level)
        self._recorder = recorder
        self._clock = recorder.clock if clock is None else clock
        self._rate, self._burst = rate, burst
        # Threads may race on the bucket: a line too many or too few is cheaper than a lock for each.
        self._tokens = burst
        self._second = self._clock.monotonic_ns() // 1_000_000_000
        self._dropped = 0
        self._reported = 0
        self._local = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        """Keep the record if it is wanted and affordable; under 1 µs when it is not."""
        name = record.name
        if record.levelno < self.level or name in ACCESS_LOGGERS or (name.startswith(OWN_LOGGER) and _is_own(name)):
            return False
        if (self._tokens <= 0 and not self._refill()) or getattr(self._local, "busy", False):
            self._dropped += 1
            return False
        if self.filters and not self.filter(record):
            return False
        self._tokens -= 1
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record on the recorder; a failure is counted there and goes no further."""
        self._local.busy = True
        try:
            self._recorder.append(self._fact(record))
        except Exception as error:  # formatting runs the application's code; it may raise anything
            self._recorder.failed("capture.logs", error)
        finally:
            self._local.busy = False

    def report_dropped(self) -> Iterable[Sample]:
        """Count what was dropped since the last call; a sampler without samples."""
        dropped = self._dropped
        if dropped > self._reported:
            self._recorder.count("fanlight.dropped.logs", dropped - self._reported)
            self._reported = dropped
        return ()

    def _refill(self) -> bool:
        second = self._clock.monotonic_ns() // 1_000_000_000
        seconds, self._second = second - self._second, second
        self._tokens = min(self._tokens + seconds * self._rate, self._burst)
        return seconds > 0

    def _fact(self, record: logging.LogRecord) -> tuple[Any, ...]:
        recorder, clock = self._recorder, self._clock
        return (
            LOG,
            recorder.next_seq(),
            clock.monotonic_ns(),
            clock.time_ns(),
            record.levelno,
            _name(record.levelname),
            _name(record.name),
            _text(record),
            _name(record.filename),
            record.lineno,
            correlation_id.get() or _given_id(record),
        )


def install_logging(
    recorder: Recorder, level: int | str = logging.INFO, *, clock: Clock | None = None, lower: bool = False
) -> Callable[[], None]:
    """Capture records of at least `level` from every logger and give each a `correlation_id`; returns what undoes it.

    The application's levels decide first: with the root logger at WARNING, as Python has it, an INFO line does not
    exist and is not captured. `lower=True` lowers the root logger to `level` so that it is, and keeps such lines from
    the application's handlers: what the application prints stays the same, only `Logger.isEnabledFor` tells. It gives
    way as soon as the application sets the root's level itself.
    """
    handler = LogHandler(recorder, clock, level)
    with _lock:
        _add(handler, handler.level if lower else None)
    recorder.samplers.append(handler.report_dropped)

    def uninstall() -> None:
        with _lock:
            _remove(handler)
        if handler.report_dropped in recorder.samplers:
            recorder.samplers.remove(handler.report_dropped)
        handler.close()

    return uninstall


class _Lowered(int):
    """A root level of ours in place of `application`; any other object there is a level the application has set."""

    application: int

    def __new__(cls, level: int, application: int) -> _Lowered:
        lowered = super().__new__(cls, level)
        lowered.application = application
        return lowered


class _Tap:
    """One wrapper around `Logger.callHandlers`; without handlers it only passes records on.

    With someone else's wrapper over it it cannot be taken out: it stays, idle, and the next installation makes another.
    """

    def __init__(self) -> None:
        self.handlers: tuple[LogHandler, ...] = ()
        self.lowest: dict[LogHandler, int] = {}
        self._inner = logging.Logger.callHandlers
        self._outer = self._wrapped()

    def open(self) -> None:
        logging.Logger.callHandlers = self._outer  # type: ignore[method-assign, assignment]

    def close(self) -> None:
        if logging.Logger.callHandlers is self._outer:
            logging.Logger.callHandlers = self._inner  # type: ignore[method-assign]

    def _wrapped(self) -> Callable[[logging.Logger, logging.LogRecord], None]:
        inner, tap = self._inner, self

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            handlers = tap.handlers
            if not handlers:
                inner(logger, record)
                return
            _stamp(record)
            try:
                if not _held_back(logger, record):
                    inner(logger, record)
            finally:  # afterwards, so that what the application's handlers mask in a record stays masked
                for handler in handlers:
                    handler.handle(record)

        return update_wrapper(call_handlers, inner)


_lock = threading.Lock()
_taps: list[_Tap] = []  # the one in use, or none


def _add(handler: LogHandler, lowest: int | None) -> None:
    if not _taps:
        _taps.append(_Tap())
        _taps[0].open()
    tap = _taps[0]
    if lowest is not None:
        tap.lowest[handler] = lowest
    tap.handlers = (*tap.handlers, handler)
    _settle_root_level(tap)


def _remove(handler: LogHandler) -> None:
    tap = _taps[0] if _taps else None
    if tap is None or handler not in tap.handlers:
        return
    tap.handlers = tuple(other for other in tap.handlers if other is not handler)
    tap.lowest.pop(handler, None)
    _settle_root_level(tap)
    if not tap.handlers:
        _taps.clear()
        tap.close()


def _settle_root_level(tap: _Tap) -> None:
    root = logging.getLogger()
    application = root.level.application if isinstance(root.level, _Lowered) else root.level
    wanted = min(tap.lowest.values(), default=application)
    if wanted < application:
        root.setLevel(_Lowered(wanted, application))
    elif isinstance(root.level, _Lowered):
        root.setLevel(application)


def _held_back(logger: logging.Logger, record: logging.LogRecord) -> bool:
    """The record exists only because we lowered the root's level."""
    level = logging.root.level
    if not isinstance(level, _Lowered) or record.levelno >= level.application:
        return False
    return logger.getEffectiveLevel() is level


def _stamp(record: logging.LogRecord) -> None:
    if "correlation_id" not in record.__dict__:
        record.__dict__["correlation_id"] = correlation_id.get() or NO_ID


def _given_id(record: logging.LogRecord) -> str:
    given = _name(record.__dict__.get("correlation_id"))
    return "" if given == NO_ID else given


def _is_own(name: str) -> bool:
    return f"{name}.".startswith(f"{OWN_LOGGER}.") and not f"{name}.".startswith(f"{OWN_LOGGER}.gateway.")


def _name(value: object) -> str:
    return printable(value[:NAME_LIMIT]) if isinstance(value, str) else ""


def _text(record: logging.LogRecord) -> str:
    text = _clipped(_message(record).rstrip(), MESSAGE_LIMIT)
    trace = _traceback(record)
    if trace:
        text = f"{text}\n{trace}" if text else trace
    return _clipped(redact(printable(text)), MESSAGE_LIMIT + TRACEBACK_LIMIT)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit: logging itself tells the application
        return f"{record.msg} (its arguments do not fit)"


def _traceback(record: logging.LogRecord) -> str:
    ready = record.exc_text  # a formatter of the application's has often made it already
    if ready and ready.startswith("Traceback (most recent call last)"):
        return _ending(ready)
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    kind, error, trace = record.exc_info
    return _ending("".join(traceback.format_exception(kind, error, trace, limit=-FRAME_LIMIT)).rstrip())


def _ending(text: str) -> str:
    """The end of a traceback, cut between lines so that no value loses the name that tells it is secret."""
    if len(text) <= TRACEBACK_LIMIT:
        return text
    frames, _, last = text.rpartition("\n")
    last = _clipped(last, TRACEBACK_LIMIT // 4)
    cut = frames.find("\n", max(len(frames) - TRACEBACK_LIMIT + len(last) + 2, 0))
    return f"…{frames[cut:]}\n{last}" if cut >= 0 else last


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
