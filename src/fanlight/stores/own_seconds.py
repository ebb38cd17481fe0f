"""An instance's own last seconds, as compaction needs them, so that they need not be read back and decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

from fanlight.core.frame import Frame
from fanlight.core.gauge import Gauge
from fanlight.core.series import BUCKET
from fanlight.core.window import Window

RECORDS: Final[Mapping[int, int]] = {10: 20, 60: 20, 900: 50, 21600: 100}
"""The newest records of each kind that a row of each tier keeps."""

RECORD_KINDS: Final = ("slow", "failed", "events", "audit", "starts")
"""The kinds of records that outlive the fifteen minutes of the finest tier."""

REMEMBERED: Final = 12
"""Buckets of ten seconds that an instance remembers of itself."""

Levels = Mapping[str, Gauge]


class OwnSeconds:
    """This instance's last two minutes.

    `add` is called on the pulse, for each second as it is published; the rest on the store's thread.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._lock = Lock()
        self._since = 0
        self._lives = 0  # how often the window began anew under one name
        self._again = 0  # seconds counted more in buckets up to `_again_until`: the window holds them from before
        self._again_until = 0
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
                bucket: len({second for second, _ in levels}) + (self._again if bucket < self._again_until else 0)
                for bucket, (_, levels) in self._parts.items()
                if bucket >= self._since
            }

    def label(self, instance: str) -> str:
        """What these seconds are called among the sources of a row: under one name time may be lived twice."""
        return f"{instance}~{self._lives}" if self._lives else instance

    def part(self, bucket: int, breathe: Callable[[], None]) -> tuple[Frame, list[tuple[int, Levels]]]:
        """This instance's ten seconds, and its levels by the second."""
        made = self._window.frame(bucket, breathe)
        with self._lock:
            part, levels = self._parts[bucket]
            made.kept = {kind: list(records) for kind, records in part.kept.items()}
            return made, list(levels)

    def forget(self, renamed: bool, anew: bool) -> None:
        """The clock was set back; the instance may have another name now, and the window may have begun `anew`.

        What the window holds under an earlier name is not said again under the new. Under the same name it is said
        again with what is added to it, and counts as more, or else beside what was said before.
        """
        with self._lock:
            end = max(self._parts, default=0) + BUCKET
            if renamed:
                self._since = end
            elif anew:
                self._lives += 1
            else:
                self._again, self._again_until = self._again + BUCKET, max(end, self._again_until)
            self._parts.clear()


def unlabelled(frame: Frame) -> Levels:
    """The gauges whose past is kept: those without a label."""
    return {name: gauge for (name, label), gauge in frame.gauges.items() if not label}
