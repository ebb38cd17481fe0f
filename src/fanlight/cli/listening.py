"""The listening sockets, bound before anything else so that a wrong address is said at once."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Final

from fanlight.errors import FanlightError

TRIED: Final = 20
"""Ports after a taken one that are tried for one to suggest."""


class ListenError(FanlightError):
    """An address that cannot be listened on."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of the host, not yet listening; port 0 takes one free port for all.

    Raises ListenError with one line that says how to choose another address.
    """
    bound: list[socket.socket] = []
    refusal: OSError | None = None
    for family, address in _addresses(host, port):
        try:
            bound.append(_bound(family, address, bound[0].getsockname()[1] if bound and port == 0 else address[1]))
        except OSError as error:
            refusal = refusal or error
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                break
    if bound and (refusal is None or refusal.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)):
        return bound
    for each in bound:
        each.close()
    raise ListenError(_reason(refusal, host, port)) from refusal


def is_loopback(sockets: list[socket.socket]) -> bool:
    """Whether only the machine itself can reach these sockets."""
    return all(ipaddress.ip_address(each.getsockname()[0].partition("%")[0]).is_loopback for each in sockets)


def url(host: str, sockets: list[socket.socket]) -> str:
    """Where a browser on this machine finds the sockets."""
    port = sockets[0].getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - names an address, binds none
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(
            f"--host {host!r} is not an address of this machine ({error}); give one, such as --host 127.0.0.1"
        ) from error
    return list(dict.fromkeys((family, (str(address[0]), int(address[1]))) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: tuple[str, int], port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address[0], port))
        return made
    except OSError:
        made.close()
        raise


def _reason(error: OSError | None, host: str, port: int) -> str:
    number = error.errno if error else None
    if number == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another process; stop that one or choose another port, "
            f"such as --port {_another(host, port)} (--port 0 takes a free one)"
        )
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"port {port} on {host} needs privileges this process has not; choose a port from 1024 up, "
            f"such as --port {8001 + port % 1000}, and put a proxy in front of it"
        )
    if number == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; listen on one that is, such as --host 127.0.0.1"
    return f"{host} port {port} cannot be listened on ({error}); choose another with --host and --port"


def _another(host: str, port: int) -> int:
    """The next port that is free; a usual one where none of the next is."""
    return next((each for each in range(port + 1, min(port + TRIED, 65_535) + 1) if _is_free(host, each)), 8_000)


def _is_free(host: str, port: int) -> bool:
    family, address = _addresses(host, port)[0]
    try:
        _bound(family, address, port).close()
    except OSError:
        return False
    return True
