"""Files of our own: one that cannot be used gets another name beside its own, and nothing is ever deleted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import getLogger
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be renamed anyway
    fcntl = None  # type: ignore[assignment]

SIDES: Final = ("-wal", "-shm", "")
"""What follows the name of each file of a SQLite database; the database itself last."""

Identity = tuple[int, int]


def make_private(path: Path) -> None:
    """Make a file 0600 and its directory 0700; what is there already keeps its mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def identity(path: Path) -> Identity:
    """Which file the path names now; (0, 0) when none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def set_aside(path: Path, why: str, seen: Identity) -> Path | None:
    """Rename a database and the files beside it to `<name>.<why>-<time>`, and log a warning that says so.

    Only while the path still names the file that was `seen`: of several processes that find the same damage one acts,
    and none touches the new file of another. Returns where it is now, None when there was nothing to do; raises
    OSError.
    """
    with _claimed(path):
        if identity(path) != seen or seen == (0, 0):
            return None
        target = _unused(path.with_name(f"{path.name}.{why}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"))
        for side in SIDES:
            with suppress(FileNotFoundError):
                os.rename(f"{path}{side}", f"{target}{side}")
    getLogger("fanlight").warning("the store %s was set aside as %s (%s); a new one is begun", path, target.name, why)
    return target


def _unused(path: Path) -> Path:
    number = 0
    candidate = path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    """Hold the file's lock, which is not SQLite's; a process that waited finds that the path names another file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
