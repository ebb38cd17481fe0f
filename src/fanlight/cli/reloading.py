"""Which files of an application have changed since the last look, by their times: no library, no thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

LOOK_SECONDS: Final = 0.5
"""Between two looks."""

FILE_LIMIT: Final = 20_000
"""Files that are looked at; those beyond are not watched."""

SUFFIX: Final = ".py"

PASSED_OVER: Final = frozenset({"node_modules", "site-packages", "__pycache__"})
"""Folders whose files are no source of the application; hidden ones are none either."""


class Changes:
    """The Python files below a folder. For one thread."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._known = self._times()

    def look(self) -> str:
        """A file that was changed, added or removed since the last look, relative to the folder; "" for none."""
        known, self._known = self._known, self._times()
        if known == self._known:
            return ""
        changed = {path for path, _ in known.items() ^ self._known.items()}
        return os.path.relpath(min(changed), self._folder)

    def _times(self) -> dict[str, int]:
        times: dict[str, int] = {}
        for path, time in _files(self._folder):
            times[path] = time
            if len(times) >= FILE_LIMIT:
                break
        return times


def _files(folder: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith(".") and entry.name not in PASSED_OVER:
                        yield from _files(entry.path)
                elif entry.name.endswith(SUFFIX):
                    yield entry.path, entry.stat().st_mtime_ns
    except OSError:  # gone between two looks, or not to be read
        return
