"""Which dashboards run on this machine: a small file for each process, in a folder only its user can read.

A process cannot know under which port it will be reached, its server does: a reader looks that up. Nothing depends on
these files but `fanlight top` without an address.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import psutil

FILES_READ: Final = 256
"""Files of one folder that are read."""

FILE_LIMIT: Final = 4_096
"""Bytes of one of them."""

SAME_SECONDS: Final = 2.0
"""How far two readings of a process's start may be apart; the pid of one that is gone may be another's by now."""


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """A process with a dashboard; `born` is the process's start in Unix seconds."""

    pid: int
    born: float
    service: str
    instance: str
    prefix: str


def announce(service: str, instance: str, prefix: str) -> Callable[[], None]:
    """Write this process down; what is returned takes it away again. Where nothing can be written nothing is."""
    pid = os.getpid()
    presence = Presence(pid=pid, born=psutil.Process().create_time(), service=service, instance=instance, prefix=prefix)
    place = folders()[0]
    path = place / f"{pid}-{abs(hash(instance)):x}.json"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        if not _ours(place):
            return lambda: None
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(presence))
    except OSError:  # a read-only machine has nothing to be found by
        return lambda: None
    return lambda: path.unlink(missing_ok=True) if os.getpid() == pid else None


def present() -> list[Presence]:
    """The processes that are still there; files of those that are gone are removed."""
    found = [each for folder in folders() if _ours(folder) for each in _present_in(folder)]
    return sorted(found, key=lambda each: (each.service, each.pid))


def folders() -> list[Path]:
    """Where files are: the first is written to, a service of the same user may have had another one."""
    user = str(os.getuid()) if hasattr(os, "getuid") else ""
    temporary = Path(tempfile.gettempdir()) / f"fanlight-{user}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [Path(runtime)] if runtime else [Path(f"/run/user/{user}")]
    return [*(each / "fanlight" for each in candidates if each.is_dir() and os.access(each, os.W_OK)), temporary]


def listening(pid: int) -> list[tuple[str, int]]:
    """The addresses a process listens on with TCP."""
    try:
        process = psutil.Process(pid)
        connections = getattr(process, "net_connections", None) or process.connections
        found = connections(kind="tcp")
    except (psutil.Error, OSError):
        return []
    return sorted({(each.laddr.ip, each.laddr.port) for each in found if each.status == psutil.CONN_LISTEN})


def _ours(folder: Path) -> bool:
    """Whether nobody else can write into a folder; the temporary folder is everybody's."""
    try:
        about = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "getuid") or about.st_uid == os.getuid()
    return stat.S_ISDIR(about.st_mode) and mine and not about.st_mode & 0o022


def _present_in(folder: Path) -> Iterator[Presence]:
    for path in islice(folder.glob("*.json"), FILES_READ):
        try:
            with path.open("rb") as file:
                presence = msgspec.json.decode(file.read(FILE_LIMIT), type=Presence)
        except (OSError, msgspec.MsgspecError):
            continue
        if _alive(presence):
            yield presence
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _alive(presence: Presence) -> bool:
    try:
        return abs(psutil.Process(presence.pid).create_time() - presence.born) < SAME_SECONDS
    except (psutil.Error, OSError, ValueError):
        return False
