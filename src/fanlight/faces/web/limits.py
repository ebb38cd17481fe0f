"""Limits against floods: attempts per peer, audit facts per second; bounded however many peers there are."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

ATTEMPTS: Final = 10
"""Wrong tokens a peer may send per WINDOW."""

WINDOW: Final = 60.0
"""Seconds after the first wrong token in which they are counted."""

PEERS: Final = 1_024
"""Peers remembered; the one that failed first is forgotten for a new one."""


class Attempts:
    """Wrong tokens by peer; `now` is monotonic seconds. Not thread-safe: belongs to the serving loop."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, peer: str, now: float) -> int:
        """Whole seconds until the peer may try again, 0 when it may now."""
        since, count = self._failed.get(_network(peer), (now, 0))
        left = since + WINDOW - now
        return max(1, round(left)) if count >= ATTEMPTS and left > 0 else 0

    def failed(self, peer: str, now: float) -> None:
        """A wrong token came."""
        key = _network(peer)
        since, count = self._failed.get(key, (now, 0))
        if now - since >= WINDOW:
            since, count = now, 0
            self._failed.pop(key, None)
        self._failed[key] = (since, count + 1)
        while len(self._failed) > PEERS:
            self._failed.popitem(last=False)

    def __len__(self) -> int:
        return len(self._failed)


class Allowance:
    """So many at once, and so many a second after that; what was held back is counted until the next that passes."""

    def __init__(self, burst: int = 20, per_second: float = 1.0) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._left = float(burst)
        self._at = 0.0
        self.held_back = 0

    def take(self, now: float) -> bool:
        """Whether one more passes at `now` (monotonic seconds)."""
        self._left = min(self._burst, self._left + max(now - self._at, 0.0) * self._per_second)
        self._at = now
        if self._left < 1.0:
            self.held_back += 1
            return False
        self._left -= 1.0
        return True

    def release(self) -> int:
        """How many were held back since the last release."""
        held, self.held_back = self.held_back, 0
        return held


def _network(peer: str) -> str:
    """What one party controls: an IPv4 address, the /64 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer[:64]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(getattr(address, "ipv4_mapped", None) or address)
