"""The dashboards of this machine: processes that say they have one, and the ports their servers listen on.

Only those processes' own ports are asked, so nothing else on the machine is knocked at.
"""

from __future__ import annotations

import http.client
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from fanlight import presence
from fanlight.presence import Presence

ANSWER_SECONDS: Final = 1.0
"""How long a port may take to answer."""

ANSWERS: Final = (200, 401, 403, 429, 503)
"""What a dashboard's `/health` may say."""


@dataclass(frozen=True)
class Found:
    """A dashboard and the processes that serve it."""

    service: str
    root: str
    pids: tuple[int, ...]


def found(answers: Callable[[str, int, str], bool] | None = None) -> list[Found]:
    """Every dashboard of this user on this machine; several workers behind one port are one. Blocks."""
    asks = answers or answering
    seen: dict[str, tuple[Presence, list[int]]] = {}
    for each in presence.present():
        for root in _roots(each, asks, seen):
            seen.setdefault(root, (each, []))[1].append(each.pid)
    return [Found(first.service, root, tuple(pids)) for root, (first, pids) in seen.items()]


def _roots(each: Presence, asks: Callable[[str, int, str], bool], known: Iterable[str]) -> Iterable[str]:
    """The address of a process's dashboard: the first of its ports that answers like one."""
    for ip, port in presence.listening(each.pid):
        host = reachable(ip)
        root = f"http://{f'[{host}]' if ':' in host else host}:{port}{each.prefix}"
        if root in known or asks(host, port, each.prefix):
            return (root,)
    return ()


def reachable(ip: str) -> str:
    """Where this machine reaches a socket bound to an address."""
    bound = ipaddress.ip_address(ip.partition("%")[0])
    if bound.is_unspecified:
        return "127.0.0.1" if bound.version == 4 else "::1"
    return ip


def answering(host: str, port: int, prefix: str) -> bool:
    """Whether a port answers as a dashboard under the prefix does."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", f"{prefix}/health", headers={"User-Agent": "fanlight"})
        answer = connection.getresponse()
        return answer.status in ANSWERS and (answer.getheader("content-type") or "").startswith("application/json")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
