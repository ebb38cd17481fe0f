"""Compaction: the seconds of all instances become tens of seconds, those minutes, and so on; one does it for all.

Every coarse row is made of the finer ones that the store holds and of nothing else, so making it again changes nothing,
and whoever holds the lease goes on from where the last holder was. All a turn makes is written at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from threading import Lock
from typing import Final

from fanlight.clock import Clock
from fanlight.core.frame import Frame
from fanlight.core.gauge import Gauge
from fanlight.core.pacer import Pacer, unpaced
from fanlight.core.series import BUCKET
from fanlight.core.window import STALE, Window
from fanlight.errors import FanlightError
from fanlight.stores.base import TIERS, InstanceInfo, Store, StoredFrame, all_frames

MERGED: Final = ""
"""The instance name of rows that hold all instances."""

FINER: Final[Mapping[int, int]] = {60: 10, 900: 60, 21600: 900}
"""What each coarse tier is made of; tens of seconds are made of seconds."""

RECORDS: Final[Mapping[int, int]] = {10: 20, 60: 20, 900: 50, 21600: 100}
"""The newest records of each kind that a row of each tier keeps."""

RECORD_KINDS: Final = ("slow", "failed", "events", "audit", "starts")
"""The kinds of records that outlive the fifteen minutes of the finest tier."""

LEASE: Final = "compact"
LEASE_SECONDS: Final = 30.0

GRACE: Final = 2
"""Seconds a bucket is given, after its end, until every instance's share of it is written."""

BACKLOG: Final = 20
"""Tens of seconds made in one turn; the rest in the next, which then comes at once."""

REMEMBERED: Final = 12
"""Buckets of ten seconds that an instance remembers of itself."""

SILENT_SECONDS: Final = 60.0
"""An instance unseen for so long is gone, and its last seconds are added to its totals for it."""

Levels = Mapping[str, Gauge]
Observed = dict[int, dict[str, int]]
"""By bucket of ten seconds: how many seconds of each instance there are."""


class OwnSeconds:
    """This instance's last two minutes, as compaction needs them, so that they need not be read back and decoded.

    `add` is called on the pulse, for each second as it is published; the rest on the store's thread.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._lock = Lock()
        self._since = 0
        self._parts: dict[int, tuple[Frame, list[tuple[int, Levels]]]] = {}

    def add(self, frame: Frame) -> None:
        """Remember what the window does not tell apart: its gauges and records."""
        bucket = frame.start // BUCKET * BUCKET
        with self._lock:
            part, levels = self._parts.setdefault(bucket, (Frame(bucket, bucket + BUCKET), []))
            levels.append((frame.start, unlabelled(frame)))
            for kind in RECORD_KINDS:
                if kind in frame.kept:
                    part.keep(kind, frame.kept[kind])
                    del part.kept[kind][: -RECORDS[BUCKET]]
            for old in sorted(self._parts)[:-REMEMBERED]:
                del self._parts[old]

    def counts(self) -> dict[int, int]:
        """How many seconds are remembered, by bucket of ten."""
        with self._lock:
            return {
                bucket: len({second for second, _ in levels})
                for bucket, (_, levels) in self._parts.items()
                if bucket >= self._since
            }

    def part(self, bucket: int, breathe: Callable[[], None]) -> tuple[Frame, list[tuple[int, Levels]]]:
        """This instance's ten seconds, and its levels by the second."""
        made = self._window.frame(bucket, breathe)
        with self._lock:
            part, levels = self._parts[bucket]
            made.kept = {kind: list(records) for kind, records in part.kept.items()}
            return made, list(levels)

    def forget(self, renamed: bool) -> None:
        """The clock was set back. What the window holds under an earlier name is then not said again under the new."""
        with self._lock:
            if renamed:
                self._since = max(self._parts, default=0) + BUCKET
            self._parts.clear()


def due(observed: Observed, merged: Mapping[int, Mapping[str, int]]) -> list[int]:
    """The buckets of which there is more than was merged, oldest first."""
    return [
        bucket
        for bucket, found in sorted(observed.items())
        if any(seconds > merged.get(bucket, {}).get(instance, 0) for instance, seconds in found.items())
    ]


def unlabelled(frame: Frame) -> Levels:
    """The gauges whose past is kept: those without a label."""
    return {name: gauge for (name, label), gauge in frame.gauges.items() if not label}


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
        self._compared = -1  # the minute in which everything was last compared
        self._waiting: dict[int, set[int]] = {}
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
        if self._merged is None:
            self._take_over(min(observed, default=end))
        assert self._merged is not None
        wanted = due(observed, self._merged)
        self._pacer.breathe()
        made = {(BUCKET, bucket): self._ten(bucket, observed[bucket]) for bucket in wanted[:BACKLOG]}
        self._climb(made, end)
        self._write(made)
        if len(wanted) > BACKLOG:
            self._next = 0.0
        elif whole:
            self._compared = end // 60
            oldest = min(observed, default=end)
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
        for bucket, seconds in self._own.counts().items():
            if since <= bucket < end:
                found = observed.setdefault(bucket, {})
                found[info.instance] = max(seconds, found.get(info.instance, 0))
        return observed

    def _take_over(self, since: int) -> None:
        """Learn from the store what the last holder did, and what it left undone."""
        self._merged = {}
        for stored in self._rows(BUCKET, since, series=False):
            head = self._decoded(stored)
            if head is not None:
                self._merged[stored.bucket] = head.sources
        for tier, finer in FINER.items():
            covered = self._covered(tier)
            self._waiting[tier] = {row.bucket // tier * tier for row in self._rows(finer, covered, series=False)}

    def _covered(self, tier: int) -> int:
        """Up to when the tier was made; 0 when it never was."""
        now = self._clock.time_ns() // 1_000_000_000
        for span in (3600, 86400, TIERS[tier]):
            rows = self._rows(tier, now - span, series=False)
            heads = [head for head in map(self._decoded, rows[-1:]) if head is not None]
            if heads:
                return heads[0].end
        return 0

    def _ten(self, bucket: int, observed: Mapping[str, int]) -> Frame:
        """Ten seconds of all instances: this one's from memory when it remembers them all, the others' from the store.

        Of instances whose seconds are gone already (the clock was set back) what was merged before stays.
        """
        levels: list[tuple[int, Levels]] = []
        made = coarse(BUCKET, bucket, self._parts(bucket, observed, levels), self._pacer.breathe)
        made.end = bucket + BUCKET
        for name, level in highest(levels, self._pacer.breathe).items():
            made.levels[name] = max(level, made.levels.get(name, level))
        self._waiting.setdefault(60, set()).add(bucket // 60 * 60)
        return made

    def _parts(self, bucket: int, observed: Mapping[str, int], levels: list[tuple[int, Levels]]) -> Iterator[Frame]:
        """What ten seconds are made of, one after the other: all of them held would be freed in one go."""
        assert self._merged is not None
        before = self._merged.get(bucket, {})
        gone = any(seconds > observed.get(instance, 0) for instance, seconds in before.items())
        if gone:
            yield from filter(None, map(self._decoded, self._rows(BUCKET, bucket, bucket + BUCKET)))
        own = self._info().instance
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

    def _climb(self, made: dict[tuple[int, int], Frame], end: int) -> None:
        """Make the coarser buckets that what was made is in; minutes when they are over, the rest as they grow."""
        for tier, finer in FINER.items():
            waiting = self._waiting.setdefault(tier, set())
            for bucket in sorted(waiting):
                if tier == 60 and bucket + tier > end:
                    continue
                waiting.remove(bucket)
                made[tier, bucket] = self._coarse(tier, bucket, finer, made)
                parent = next((above for above, below in FINER.items() if below == tier), None)
                if parent is not None:
                    self._waiting.setdefault(parent, set()).add(bucket // parent * parent)

    def _coarse(self, tier: int, bucket: int, finer: int, made: Mapping[tuple[int, int], Frame]) -> Frame:
        """A bucket of the finer frames in it: those just made, the others from the store."""
        ends, breathe = bucket + tier, self._pacer.breathe
        found = {start: frame for (size, start), frame in made.items() if size == finer and bucket <= start < ends}
        whole = Frame(bucket, bucket)
        for row in all_frames(self._store, self._info().service, finer, bucket, ends):
            breathe()
            if row.bucket not in found:
                try:
                    whole.add_encoded(row.data, row.series, breathe)
                except FanlightError as error:
                    self._failed("compaction", error)
        for frame in found.values():
            whole.add(frame, breathe)
        return cut(tier, bucket, whole)

    def _write(self, made: Mapping[tuple[int, int], Frame]) -> None:
        assert self._merged is not None
        if not made:
            return
        rows, sources = [], {}
        for (tier, bucket), frame in made.items():
            rows.append(StoredFrame(tier, bucket, MERGED, *frame.parts(self._pacer.breathe)))
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
