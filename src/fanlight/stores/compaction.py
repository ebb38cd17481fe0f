"""Compaction: the seconds of all instances become tens of seconds, those minutes, and so on; one does it for all.

Every coarse row is made of the finer ones that the store holds and of nothing else, so making it again changes nothing,
and whoever holds the lease goes on from where the last holder was. All a turn makes is written at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, count, groupby
from typing import Final

from fanlight.clock import Clock
from fanlight.core.frame import Frame
from fanlight.core.gauge import Gauge
from fanlight.core.pacer import Pacer, unpaced
from fanlight.core.series import BUCKET
from fanlight.core.window import STALE
from fanlight.errors import FanlightError
from fanlight.stores.base import TIERS, InstanceInfo, Store, StoredFrame, all_frames
from fanlight.stores.own_seconds import RECORD_KINDS, RECORDS, Levels, OwnSeconds, unlabelled

MERGED: Final = ""
"""The instance name of rows that hold all instances; "1", "2", ... of time that is lived again, see `row_name`."""

LATE_SECONDS: Final = 3600
"""Coarse rows up to so long ago are made again of finer ones, which are there with their series; no others are."""

FINER: Final[Mapping[int, int]] = {60: 10, 900: 60, 21600: 900}
"""What each coarse tier is made of; tens of seconds are made of seconds."""

LEASE: Final = "compact"
LEASE_SECONDS: Final = 30.0

GRACE: Final = 2
"""Seconds a bucket is given, after its end, until every instance's share of it is written."""

BACKLOG: Final = 20
"""Tens of seconds made in one turn; the rest in the next, which then comes at once."""

SILENT_SECONDS: Final = 60.0
"""An instance unseen for so long is gone, and its last seconds are added to its totals for it."""

Rows = dict[tuple[int, int, str], Frame]
"""What was made, by tier, bucket and name."""

Observed = dict[int, dict[str, int]]
"""By bucket of ten seconds: how many seconds of each instance there are."""


def due(observed: Observed, merged: Mapping[int, Mapping[str, int]]) -> list[int]:
    """The buckets of which there is more than was merged, oldest first."""
    return [
        bucket
        for bucket, found in sorted(observed.items())
        if any(seconds > merged.get(bucket, {}).get(instance, 0) for instance, seconds in found.items())
    ]


def highest(seconds: Iterable[tuple[int, Levels]], breathe: Callable[[], None] = unpaced) -> dict[str, float]:
    """The highest that each gauge came to, its sources combined second by second."""
    levels: dict[str, float] = {}
    present: dict[str, Gauge] = {}
    for second, group in groupby(sorted(seconds, key=_second), key=_second):
        for _, gauges in group:
            for name, gauge in gauges.items():
                present.setdefault(name, Gauge(gauge.merge)).add(gauge)
            breathe()
        for name, gauge in present.items():
            gauge.sources = {s: word for s, word in gauge.sources.items() if word.at >= second - STALE}
            value = gauge.value()
            if value is not None:
                levels[name] = max(value, levels.get(name, value))
    return levels


def _second(item: tuple[int, Levels]) -> int:
    return item[0]


def row_name(bucket: int, reach: Mapping[str, int]) -> str:
    """The name of the rows that a bucket belongs to: the first that do not `reach` over an hour beyond it.

    A clock set back by more leads to time of which only coarse rows are left, which new finer ones must not replace.
    """
    names = chain((MERGED,), map(str, count(1)))
    return next(name for name in names if reach.get(name, 0) <= bucket + LATE_SECONDS)


def coarse(tier: int, bucket: int, finer: Iterable[Frame], breathe: Callable[[], None] = unpaced) -> Frame:
    """A bucket of a coarse tier, made of the finer ones in it; it ends where the last of them does."""
    made = Frame(bucket, bucket)
    for frame in finer:
        made.add(frame, breathe)
    return cut(tier, bucket, made)


def cut(tier: int, bucket: int, made: Frame) -> Frame:
    """What was merged, as a row of its tier."""
    seconds = sum(made.sources.values())
    made.start, made.sources = bucket, {MERGED: seconds} if tier > BUCKET else made.sources
    made.kept = {kind: records[-RECORDS[tier] :] for kind, records in made.kept.items() if records}
    return made


class Compactor:
    """Makes the coarse tiers of a service while it holds the lease, then prunes. `turn` blocks: on the store's thread.

    `failed` is told of rows that cannot be read; they are left out.
    """

    def __init__(
        self,
        store: Store,
        info: Callable[[], InstanceInfo],
        own: OwnSeconds,
        clock: Clock,
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._store = store
        self._info = info
        self._own = own
        self._clock = clock
        self._failed = failed
        self._pacer = Pacer()
        self._holder = ""
        self._next = 0.0
        self._forget()

    def _forget(self) -> None:
        self._merged: Observed | None = None
        self._since = 0  # from when on what was merged is known
        self._reach: dict[str, int] = {}  # up to when rows of each name go
        self._compared = -1  # the minute in which everything was last compared
        self._waiting: dict[int, set[tuple[int, str]]] = {}
        self._settled: set[tuple[str, float]] = set()

    @property
    def is_holder(self) -> bool:
        """Whether this instance compacts at present."""
        return self._merged is not None

    def turn(self) -> None:
        """Do what is due, at most every ten seconds unless there is a backlog. Raises StoreError."""
        now = self._clock.time_ns() / 1e9
        if 0 < self._next - now <= BUCKET + GRACE:
            return
        info = self._info()
        if self._holder not in ("", info.instance):
            self.release()
        self._next = (now - GRACE) // BUCKET * BUCKET + BUCKET + GRACE
        if not self._store.acquire_lease(info.service, LEASE, info.instance, now, LEASE_SECONDS):
            self._forget()
            return
        self._holder = info.instance
        self._pacer.start()
        self._compact(int(now - GRACE) // BUCKET * BUCKET, now)

    def release(self) -> None:
        """Give the lease back, so that the next holder need not wait for its end."""
        if self.is_holder:
            now = self._clock.time_ns() / 1e9
            self._store.acquire_lease(self._info().service, LEASE, self._holder, now, 0.001)
        self._holder = ""
        self._forget()

    def _compact(self, end: int, now: float) -> None:
        """Make everything due before `end`; once a minute compare all there is, and prune."""
        whole = end // 60 != self._compared
        observed = self._observe(0 if whole else end - 60, end)
        oldest = min(observed, default=end)
        if self._merged is None or self._has_older(observed):
            self._take_over(oldest)
        assert self._merged is not None
        wanted = due(observed, self._merged)
        self._pacer.breathe()
        made: Rows = {}
        for bucket in wanted[:BACKLOG]:
            name = row_name(bucket, self._reach)
            made[BUCKET, bucket, name] = self._ten(bucket, name, observed[bucket])
        self._climb(made, end)
        self._write(made)
        if len(wanted) > BACKLOG:
            self._next = 0.0
        elif whole:
            self._compared = end // 60
            self._since = max(self._since, oldest)
            self._merged = {bucket: sources for bucket, sources in self._merged.items() if bucket >= oldest}
            self._settle(now)
            self._store.prune(self._info().service, now)

    def _observe(self, since: int, end: int) -> Observed:
        info = self._info()
        observed: Observed = {}
        for row in all_frames(self._store, info.service, 1, since, end, series=False):
            found = observed.setdefault(row.bucket // BUCKET * BUCKET, {})
            found[row.instance] = found.get(row.instance, 0) + 1
            self._pacer.breathe()
        own = self._own.label(info.instance)
        for bucket, seconds in self._own.counts().items():
            if since <= bucket < end:
                found = observed.setdefault(bucket, {})
                found[own] = max(seconds, found.get(own, 0))
        return observed

    def _has_older(self, observed: Observed) -> bool:
        """Whether seconds come, of another whose clock is behind, from before what is known of what was merged."""
        own = self._info().instance
        return any(bucket < self._since and found.keys() - {own} for bucket, found in observed.items())

    def _take_over(self, since: int) -> None:
        """Learn from the store what the last holder did, and what it left undone."""
        self._merged, self._since = {}, since
        for name, end in self._heads(max(TIERS), 0):
            self._reach[name] = max(end, self._reach.get(name, 0))
        for stored in self._rows(BUCKET, since, series=False):
            head = self._decoded(stored) if stored.instance == row_name(stored.bucket, self._reach) else None
            if head is not None:
                self._merged[stored.bucket] = head.sources
        for tier, finer in FINER.items():
            rows = self._rows(finer, self._covered(tier), series=False)
            self._waiting[tier] = {(row.bucket // tier * tier, row.instance) for row in rows}

    def _heads(self, tier: int, since: int) -> Iterator[tuple[str, int]]:
        """The name and the end of each row from a moment on."""
        for row in self._rows(tier, since, series=False):
            head = self._decoded(row)
            if head is not None:
                yield row.instance, head.end

    def _covered(self, tier: int) -> int:
        """Up to when the tier was made; 0 when it never was."""
        now = self._clock.time_ns() // 1_000_000_000
        for span in (3600, 86400, TIERS[tier]):
            rows = self._rows(tier, now - span, now, series=False)
            heads = [head for head in map(self._decoded, rows[-1:]) if head is not None]
            if heads:
                return heads[0].end
        return 0

    def _ten(self, bucket: int, name: str, observed: Mapping[str, int]) -> Frame:
        """Ten seconds of all instances: this one's from memory when it remembers them all, the others' from the store.

        Of instances whose seconds are gone already (the clock was set back) what was merged before stays.
        """
        levels: list[tuple[int, Levels]] = []
        made = coarse(BUCKET, bucket, self._parts(bucket, name, observed, levels), self._pacer.breathe)
        made.end = bucket + BUCKET
        for gauge, level in highest(levels, self._pacer.breathe).items():
            made.levels[gauge] = max(level, made.levels.get(gauge, level))
        self._waiting.setdefault(60, set()).add((bucket // 60 * 60, name))
        return made

    def _parts(
        self, bucket: int, name: str, observed: Mapping[str, int], levels: list[tuple[int, Levels]]
    ) -> Iterator[Frame]:
        """What ten seconds are made of, one after the other: all of them held would be freed in one go."""
        assert self._merged is not None
        before = self._merged.get(bucket, {})
        gone = any(seconds > observed.get(instance, 0) for instance, seconds in before.items())
        if gone:
            rows = self._rows(BUCKET, bucket, bucket + BUCKET)
            yield from filter(None, [self._decoded(row) for row in rows if row.instance == name])
        own = self._own.label(self._info().instance)
        remembered = self._own.counts().get(bucket, 0)
        mine = remembered > 0 and remembered >= observed.get(own, 0) and not (gone and own in before)
        if mine:
            part, seconds = self._own.part(bucket, self._pacer.breathe)
            part.sources = {own: remembered}
            levels += seconds
            yield part
            part.release(self._pacer.breathe)
        for row in all_frames(
            self._store, self._info().service, 1, bucket, bucket + BUCKET, exclude=own if mine else ""
        ):
            frame = None if gone and row.instance in before else self._decoded(row)
            if frame is not None:
                levels.append((frame.start, unlabelled(frame)))
                frame.sources, frame.gauges = {row.instance: 1}, {}
                frame.kept = {kind: frame.kept[kind] for kind in RECORD_KINDS if kind in frame.kept}
                yield frame
                frame.release(self._pacer.breathe)

    def _climb(self, made: Rows, end: int) -> None:
        """Make the coarser buckets that what was made is in; minutes when they are over, the rest as they grow."""
        for tier, finer in FINER.items():
            waiting = self._waiting.setdefault(tier, set())
            for bucket, name in sorted(waiting):
                if tier == 60 and bucket + tier > end:
                    continue
                waiting.remove((bucket, name))
                made[tier, bucket, name] = self._coarse(tier, bucket, name, finer, made)
                parent = next((above for above, below in FINER.items() if below == tier), None)
                if parent is not None:
                    self._waiting.setdefault(parent, set()).add((bucket // parent * parent, name))

    def _coarse(self, tier: int, bucket: int, name: str, finer: int, made: Rows) -> Frame:
        """A bucket of the finer frames in it: those just made, the others from the store."""
        ends, breathe = bucket + tier, self._pacer.breathe
        own = ((start, frame) for (size, start, whose), frame in made.items() if (size, whose) == (finer, name))
        found = {start: frame for start, frame in own if bucket <= start < ends}
        whole = Frame(bucket, bucket)
        for row in all_frames(self._store, self._info().service, finer, bucket, ends):
            breathe()
            if row.instance == name and row.bucket not in found:
                try:
                    whole.add_encoded(row.data, row.series, breathe)
                except FanlightError as error:
                    self._failed("compaction", error)
        for frame in found.values():
            whole.add(frame, breathe)
        return cut(tier, bucket, whole)

    def _write(self, made: Rows) -> None:
        assert self._merged is not None
        if not made:
            return
        rows, sources = [], {}
        for (tier, bucket, name), frame in made.items():
            self._reach[name] = max(frame.end, self._reach.get(name, 0))
            rows.append(StoredFrame(tier, bucket, name, *frame.parts(self._pacer.breathe)))
            if tier == BUCKET:
                sources[bucket] = frame.sources
            frame.release(self._pacer.breathe)
        try:
            self._store.write(self._info(), rows, None)
        except FanlightError:
            self._forget()  # what is in the store now is for the next turn to find out
            raise
        self._merged |= sources

    def _settle(self, now: float) -> None:
        """Add the last seconds of instances that were lost to their totals, before those seconds are pruned."""
        own = self._info()
        for info in self._store.instances(own.service):
            key = (info.instance, info.last_seen)
            if info.closed or info.last_seen > now - SILENT_SECONDS or key in self._settled:
                continue
            self._settle_one(info)
            self._settled.add(key)

    def _settle_one(self, info: InstanceInfo) -> None:
        blob = self._store.totals(info.service).get(info.instance)
        totals = Frame(int(info.started), int(info.started)) if blob is None else self._decoded_totals(blob)
        if totals is None or totals.end > info.last_seen + 1:
            return
        for row in all_frames(self._store, info.service, 1, totals.end if blob else 0):
            frame = self._decoded(row) if row.instance == info.instance else None
            if frame is not None:
                totals.add(frame, self._pacer.breathe)
        totals.gauges.clear()
        self._store.write(info, [], totals.encode(self._pacer.breathe))

    def _decoded_totals(self, blob: bytes) -> Frame | None:
        return self._decoded(StoredFrame(1, 0, MERGED, blob))

    def _rows(self, tier: int, since: int, until: int | None = None, series: bool = True) -> list[StoredFrame]:
        return list(all_frames(self._store, self._info().service, tier, since, until, series=series))

    def _decoded(self, stored: StoredFrame) -> Frame | None:
        """The frame of a row; None when it cannot be read, which is told."""
        self._pacer.breathe()
        try:
            return Frame.decode(stored.data, stored.series, self._pacer.breathe)
        except FanlightError as error:
            self._failed("compaction", error)
            return None
