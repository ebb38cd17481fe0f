"""Names and addresses of hosts: what a Host header says, and whether that can only be this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

HOST_LIMIT: Final = 300
"""Characters of a Host header that can be a name."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*")
_PORT: Final = re.compile(r":\d{0,5}$")
_ADDRESS: Final = re.compile(r"[0-9a-f.:]*:[0-9a-f.:]*")  # without a zone: no browser sends one


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own loopback one, IPv4-mapped IPv6 included."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def host_name(host: str) -> str:
    """The name of a Host header without its port, "" when it is not one."""
    host = host.lower()
    if len(host) > HOST_LIMIT:
        return ""
    if host.startswith("["):
        inside, closing, port = host[1:].partition("]")
        return inside if closing and (not port or _PORT.fullmatch(port)) and _ADDRESS.fullmatch(inside) else ""
    name = _PORT.sub("", host).removesuffix(".")
    return name if _NAME.fullmatch(name) else ""


def is_loopback_name(name: str) -> bool:
    """Whether a host name can only mean this machine: localhost, *.localhost, 127.x.x.x or ::1."""
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)
