"""Ranges: stored history read for whoever looks at it, once for all of them, on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from fanlight import formats
from fanlight.clock import Clock
from fanlight.core.frame import SentFrame, decode_family, decode_rows
from fanlight.core.history import RANKING, History, Span, chosen, preset
from fanlight.core.pacer import unpaced, waited_for
from fanlight.core.query import Ranged
from fanlight.core.timeline import Lines, View
from fanlight.core.window import SERVICES
from fanlight.errors import FanlightError
from fanlight.stores.base import SERIES_KEPT, TIERS, Store, all_frames

CACHED: Final = 16
"""Ranges held; the one not asked for longest goes first."""

COURSES: Final = 64
"""Courses of one service's calls held; they are small, and do not push ranges out."""

FRESH_SECONDS: Final = 60
"""The longest that a range which ends now is shown as it was read; finer tiers are read as often as they grow."""

FIRST_WAIT: Final = 3.0
"""How long the first to ask for a range waits for it (seconds); it goes on being read."""

LATER_WAIT: Final = 0.2
"""How long one waits for newer data when there is older."""

RETRY_SECONDS: Final = 5.0
"""Between two tries to read a range that could not be read."""

LATE_SECONDS: Final = 10.0
"""How much older than it should be a range may be before it says so."""

Key = tuple[str, float | None, float | None, str]
"""What was asked for: a named range or a start and an end, and of which service."""


def read(store: Store, service: str, span: Span, now: float, breathe: Callable[[], None]) -> tuple[View, Lines]:
    """The span out of the store: points from its own tier, series from coarser ones. Raises FanlightError.

    Where the span does not begin or end with a bucket of the ranking tier, the finer one fills in while its series are
    kept; where they are not, the whole bucket is ranked.
    """
    history = History(span, breathe)
    exact = span.start >= now - SERIES_KEPT[span.tier]
    try:
        for row in all_frames(store, service, span.tier, span.start, span.end, series=False):
            history.add_head(row.bucket, decode_rows(row.data), whole=not exact)
        rank(store, service, span, history, breathe, exact)
        made = history.view(), history.lines()
        history.release()
        return made
    except ValueError as error:
        raise FanlightError(f"the store holds a frame that cannot be read ({error}); move the store away") from error
    finally:
        history.release()


def read_calls(store: Store, service: str, span: Span, named: str, breathe: Callable[[], None]) -> tuple[View, Lines]:
    """The calls of the service `named` in the span, which has a tier whose series are kept. Raises FanlightError."""
    history = History(span, breathe)
    try:
        for row in all_frames(store, service, span.tier, span.start, span.end):
            family = decode_family(row.series, SERVICES)
            calls = (cell for labels, cell in family if labels[:1] == (named,))
            history.add_calls(row.bucket, decode_rows(row.data).end, SERVICES, calls)
        made = history.view(), history.lines()
        history.release()
        return made
    except ValueError as error:
        raise FanlightError(f"the store holds a frame that cannot be read ({error}); move the store away") from error
    finally:
        history.release()


def rank(
    store: Store,
    service: str,
    span: Span,
    history: History,
    breathe: Callable[[], None] = unpaced,
    exact: bool = True,
) -> None:
    """Lines by the ranking tier, figures from the coarsest buckets that fit.

    Every second of the span counts once, those at its ends from the finer tier. Not `exact`, for its series are gone,
    all buckets of the ranking tier that touch the span count whole, and in the rankings alone.
    """
    frames = partial(_frames, store, service, breathe)
    size = span.ranking
    first = min(_up(span.start, size), span.end) if exact else span.start // size * size
    for bucket, _name, frame in frames(span.tier, span.start, first):
        history.draw(bucket, frame)
        history.rank(frame)
    done: list[tuple[int, int, str]] = []
    coarser = RANKING[size]
    for bucket, name, frame in frames(coarser, _up(first, coarser), span.end) if coarser != size else ():
        if frame.end <= span.end:
            history.rank(frame, whole=exact)
            done.append((bucket, frame.end, name))
    reached = first
    for bucket, name, frame in frames(size, first, span.end):
        if exact and frame.end > span.end:
            continue
        history.draw(bucket, frame)
        if not any(start <= bucket < end and name == whose for start, end, whose in done):
            history.rank(frame, whole=exact)
        reached = max(reached, frame.end)
    for bucket, _name, frame in frames(span.tier, reached, span.end) if exact and size != span.tier else ():
        history.draw(bucket, frame)
        history.rank(frame)


def _frames(
    store: Store, service: str, breathe: Callable[[], None], tier: int, start: int, end: int
) -> Iterator[tuple[int, str, SentFrame]]:
    for row in all_frames(store, service, tier, start, end) if start < end else ():
        frame = decode_rows(row.data, row.series, breathe)
        yield row.bucket, row.instance, frame
        frame.release(breathe)


def _up(moment: int, step: int) -> int:
    return -(-moment // step) * step


class Ranges:
    """Thread-safe. `get` returns soon: what was read, or what was read before while it is read anew.

    `kept` says which tiers the store has and for how many seconds. `error` is why the last reading failed, or "".
    """

    def __init__(self, store: Store, service: str, clock: Clock, kept: Mapping[int, int] = TIERS) -> None:
        self.error = ""
        self._store = store
        self._service = service
        self._clock = clock
        self._kept = kept
        self._series_kept = {tier: seconds for tier, seconds in SERIES_KEPT.items() if tier > 1 and tier in kept}
        self._changed = threading.Condition()
        self._held: OrderedDict[Key, Ranged] = OrderedDict()
        self._reading: set[Key] = set()
        self._failed: dict[Key, float] = {}
        self._turn = threading.Lock()

    def get(self, name: str, start: float | None = None, end: float | None = None, service: str = "") -> Ranged:
        """A named range, or one from `start` to `end`; of a `service` its calls alone. May wait a moment; when it could
        not be read it is empty, or as it was, and its note says why."""
        now = self._clock.time_ns() / 1e9
        if start is None or end is None:
            span, ends = preset(name, now), now
            begins: float = span.start
        else:
            span, begins, ends = chosen(start, end, now, self._kept), start, end
        if service:
            span = chosen(begins, ends, now, self._series_kept)
        key = (name if start is None else "", start, end, service)
        with self._changed:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
                if now - held.at < min(span.tier, FRESH_SECONDS) or ends < held.at - FRESH_SECONDS:
                    return held
            self._begin(key, span, service)
            self._changed.wait_for(lambda: key not in self._reading, FIRST_WAIT if held is None else LATER_WAIT)
            return self._told(self._held.get(key), span, now, key)

    def _told(self, held: Ranged | None, span: Span, now: float, key: Key) -> Ranged:
        problem = self.error if key in self._failed else "it is still being read"
        if held is None:
            empty = History(span)
            return Ranged(0.0, empty.view()._replace(note=f"not read yet: {problem}"), empty.lines())
        if now - held.at <= min(span.tier, FRESH_SECONDS) + LATE_SECONDS:
            return held
        return held._replace(view=held.view._replace(note=f"as of {formats.span(now - held.at)} ago: {problem}"))

    def _begin(self, key: Key, span: Span, service: str) -> None:
        recent = time.monotonic() - self._failed.get(key, -RETRY_SECONDS) < RETRY_SECONDS
        if key not in self._reading and not recent:
            self._reading.add(key)
            threading.Thread(target=self._read, args=(key, span, service), name="fanlight-range", daemon=True).start()

    def _read(self, key: Key, span: Span, service: str) -> None:
        made, error = None, ""
        try:
            with self._turn:  # one after the other, or they would take turns holding the interpreter
                pacer = waited_for()
                pacer.start()
                now = self._clock.time_ns() / 1e9
                if service:
                    found = read_calls(self._store, self._service, span, service, pacer.breathe)
                else:
                    found = read(self._store, self._service, span, now, pacer.breathe)
                made = Ranged(now, *found)
        except Exception as failure:  # shown with the range; the thread must say that it has ended
            error = str(failure)
        with self._changed:
            self._reading.discard(key)
            self.error = error
            self._failed.pop(key, None)
            if made is None:
                self._failed[key] = time.monotonic()
                while len(self._failed) > CACHED:
                    del self._failed[next(iter(self._failed))]
            else:
                self._held[key] = made
                self._drop_oldest(bool(service))
            self._changed.notify_all()

    def _drop_oldest(self, courses: bool) -> None:
        """Keep either sort within its limit."""
        alike = [key for key in self._held if bool(key[3]) == courses]
        for key in alike[: -(COURSES if courses else CACHED)]:
            del self._held[key]
