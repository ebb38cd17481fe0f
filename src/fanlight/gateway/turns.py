"""Who of several processes does a thing that one of them is to do, by key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 7
"""Bytes of a key that count: as many as a place in a file has. Two keys that share them wait for each other."""


class Turns:
    """Turns among the processes that share a file; belongs to one event loop. Blocks for no longer than a system call.

    The kernel gives a turn back when its process ends, however it ends. Without a path, and where there are no locks,
    everybody may at once.
    """

    def __init__(self, path: Path | None) -> None:
        self._fd = -1
        if path is not None:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, key: bytes) -> bool:
        """Whether it is this process's turn now, until it is given back; whose it is already is not told it is not."""
        return self._lock(key, taken=True)

    def give_back(self, key: bytes) -> None:
        """Let the next one."""
        self._lock(key, taken=False)

    def close(self) -> None:
        """Give all of them back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self, key: bytes, *, taken: bool) -> bool:
        try:
            import fcntl
        except ImportError:  # Windows: one worker there
            return True
        if self._fd < 0:
            return True
        try:
            how = fcntl.LOCK_EX | fcntl.LOCK_NB if taken else fcntl.LOCK_UN
            fcntl.lockf(self._fd, how, 1, int.from_bytes(key[:KEY_BYTES], "big"))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks
            return True
        return True
