"""Folders that the processes of one command share: private, gone at its end, and swept up later where it was killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows: no command has several processes there
    fcntl = None  # type: ignore[assignment]

PREFIX: Final = "fanlight-"
LOCK: Final = "owner.lock"
"""Held by the command for as long as it lives: the kernel lets go of it, however it ends."""

SWEPT: Final = 256
"""Folders that are looked at."""

YOUNG_SECONDS: Final = 5.0
"""A folder that young is left alone: its owner may be about to take the lock."""


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder nobody else can read, until the context ends; those of commands that were killed are removed first."""
    _sweep(Path(tempfile.gettempdir()))
    temporary = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
    with temporary as name, (Path(name) / LOCK).open("w") as lock:
        _locked(lock.fileno())
        yield Path(name)


def _sweep(place: Path) -> None:
    for folder in islice(place.glob(f"{PREFIX}*"), SWEPT):
        with suppress(OSError):
            if _ours(folder) and _abandoned(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)


def _ours(folder: Path) -> bool:
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        return False
    return time.time() - about.st_mtime > YOUNG_SECONDS


def _abandoned(lock: Path) -> bool:
    """Whether nobody holds it; without it, a folder is none of ours."""
    with lock.open("r+") as file:
        return _locked(file.fileno())


def _locked(descriptor: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
