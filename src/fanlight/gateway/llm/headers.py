"""Which headers pass the gateway, in each direction."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Final

from fanlight.clock import SystemClock

Pair = tuple[bytes, bytes]

HOP_BY_HOP: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip
"""RFC 9110, 7.6.1; what Connection names is dropped too."""

_KEPT_FROM_UPSTREAM: Final = HOP_BY_HOP | {
    b"host", b"content-length", b"expect", b"accept-encoding", b"authorization", b"x-api-key", b"api-key", b"cookie",
    b"x-goog-api-key", b"forwarded", b"via", b"x-real-ip", b"origin", b"referer", b"content-encoding",
}  # fmt: skip
_PREFIXES_KEPT: Final = (b"x-forwarded-", b"sec-", b"cf-", b"access-control-")
_KEPT_FROM_CLIENT: Final = HOP_BY_HOP | {b"set-cookie", b"alt-svc", b"server", b"date", b"strict-transport-security"}


def to_upstream(headers: Iterable[Pair], own: dict[bytes, bytes]) -> list[Pair]:
    """What the provider gets: the client's headers without credentials, cookies and what names the hop; and `own`.

    Names come in lower case, as ASGI has them.
    """
    passed = [
        pair
        for pair in headers
        if (name := pair[0]) not in _KEPT_FROM_UPSTREAM and not name.startswith(_PREFIXES_KEPT) and name not in own
    ]
    named = _named_by_connection(headers)
    if named:
        passed = [pair for pair in passed if pair[0] not in named]
    passed += own.items()
    return passed


def to_client(headers: Iterable[Pair], *, sized: bool) -> list[Pair]:
    """What the client gets: the provider's headers without its cookies and what names the hop.

    `sized` is whether the body stays as long as it was. Names come in lower case, as Reply has them.
    """
    pairs = [pair for pair in headers if pair[0] not in _KEPT_FROM_CLIENT]
    dropped = _named_by_connection(headers)
    if not sized:
        dropped = dropped | {b"content-length"}
    return [pair for pair in pairs if pair[0] not in dropped] if dropped else pairs


def _named_by_connection(headers: Iterable[Pair]) -> frozenset[bytes]:
    """The headers that a Connection header declares to be of this hop."""
    named: frozenset[bytes] = frozenset()
    for name, value in headers:
        if name == b"connection" and value.lower() not in (b"keep-alive", b"close"):
            named = named | {each.strip().lower() for each in value.split(b",")}
    return named


def retry_after(headers: Iterable[Pair]) -> float | None:
    """The seconds of a Retry-After (or of `retry-after-ms`), 0 for a date that is past, None where there is none."""
    found = {name: value for name, value in headers if name in (b"retry-after", b"retry-after-ms")}
    for name, unit in ((b"retry-after-ms", 1e-3), (b"retry-after", 1.0)):
        try:
            seconds = _seconds(found[name].decode("latin-1")) * unit
        except (KeyError, ValueError, OverflowError):
            continue
        if 0 <= seconds < 1e6:
            return seconds
    return None


def _seconds(said: str) -> float:
    """Seconds, or how far away an HTTP date is."""
    try:
        return float(said)
    except ValueError:
        return max(parsedate_to_datetime(said).timestamp() - SystemClock().time_ns() / 1e9, 0.0)
