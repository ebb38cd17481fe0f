"""Providers behind HTTP/1.1: connections that are kept for the next request, and errors that name no address."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from fanlight.gateway.llm.connection import HEAD_LIMIT, RESET, Answer, Connection
from fanlight.gateway.llm.upstream import UpstreamError

Pair = tuple[bytes, bytes]

KEEP_ALIVE_SECONDS: Final = 15.0
"""Shorter than any provider's, so that a kept connection is rarely one it has just closed."""

ONCE_SECONDS: Final = 2.0
"""How long a connection is kept where nothing may be sent twice: shorter than any server's own patience."""

KEPT_LIMIT: Final = 512
"""Connections that are kept although nobody uses them; further ones are closed after their answer."""

STALE_SECONDS: Final = 1.0
"""A kept connection that was closed meanwhile says so within a round trip; what comes later is the provider's doing."""

NAME_SECONDS: Final = 10.0
"""How long the addresses of a name are remembered."""

TARGETS_KNOWN: Final = 64

Address = tuple[Any, ...]


class HttpUpstream:
    """One address; its connections are kept and shared by its requests. Made on any thread, used on one event loop.

    Redirects are not followed, proxies of the environment not used, and bodies not decompressed. `place` is what makes
    an address of a path; all of them must be at the same host. `once`: nothing may be sent twice, whatever happens.
    """

    def __init__(self, name: str, place: Callable[[str], str], connect_seconds: float, *, once: bool = False) -> None:
        parts = urlsplit(place("/"))
        self._name = name
        self._place = place
        self._connect_seconds = connect_seconds
        self._stale_seconds = 0.0 if once else STALE_SECONDS
        self._kept_seconds = ONCE_SECONDS if once else KEEP_ALIVE_SECONDS
        self._host = parts.hostname or ""
        self._tls = trusted() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._targets: dict[str, bytes] = {}
        self._idle: dict[Connection, float] = {}
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._addresses: list[Address] = []
        self._looked_up = 0.0
        self._closed = False

    def ask(self, method: str, path: str, headers: Sequence[Pair], body: bytes | None) -> Coroutine[Any, Any, Answer]:
        """Send a request, at once where a connection is kept; the answer once its head is there. Raises UpstreamError.

        A kept connection that turns out to be closed, without a byte of an answer, is no failure: a new one is asked.
        """
        parts = self._request(method, path, headers, body)
        connection = self._kept()
        if connection is None:
            return self._anew(parts)
        return self._again(connection.ask(parts), parts)

    async def _again(self, answer: Answer, parts: list[bytes]) -> Answer:
        """What comes back by a kept connection, or by a new one where that had been closed."""
        began = answer.now()
        try:
            return await answer.begun()
        except UpstreamError as error:
            if answer.touched or error.kind != RESET or answer.now() - began > self._stale_seconds:
                raise
        return await self._anew(parts)

    async def _anew(self, parts: list[bytes]) -> Answer:
        return await (await self._connected()).ask(parts).begun()

    def _request(self, method: str, path: str, headers: Sequence[Pair], body: bytes | None) -> list[bytes]:
        """A request's head and body; what could be read as more than one of them is refused."""
        target = self._targets.get(path) or self._target(path)
        lines = [method.encode("ascii") + target, *[name + b": " + value for name, value in headers]]
        if body is not None:
            lines.append(b"content-length: %d" % len(body))
        head = b"\r\n".join(lines)
        breaks = len(lines)  # the first line holds one
        if head.count(b"\r") != breaks or head.count(b"\n") != breaks or b"\0" in head:
            raise UpstreamError(f"{self._name} cannot be sent a header with a line break in it", kind="protocol")
        if len(head) > HEAD_LIMIT:
            raise UpstreamError(f"{self._name} cannot be sent headers of over {HEAD_LIMIT >> 10} KiB", kind="protocol")
        return [head + b"\r\n\r\n"] if body is None else [head + b"\r\n\r\n", body]

    def _target(self, path: str) -> bytes:
        parts = urlsplit(self._place(path))
        query = f"?{parts.query}" if parts.query else ""
        target = f" {parts.path or '/'}{query} HTTP/1.1\r\nhost: {parts.netloc}".encode("ascii")
        if len(self._targets) < TARGETS_KNOWN:
            self._targets[path] = target
        return target

    def _kept(self) -> Connection | None:
        """The connection that was used last, of those that are still open."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if not connection.closed:
                return connection
        return None

    async def _connected(self) -> Connection:
        """A new connection, by the first address that accepts one; each gets its share of the time."""
        try:
            async with asyncio.timeout(self._connect_seconds) as limit:
                addresses = await self._resolved()
                for turn, address in enumerate(addresses):
                    left = (limit.when() or 0.0) - asyncio.get_running_loop().time()
                    try:
                        async with asyncio.timeout(left / (len(addresses) - turn)):
                            return await self._connected_to(address)
                    except (OSError, TimeoutError):
                        if turn + 1 == len(addresses):
                            raise
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error
        raise self._unreachable(OSError())

    async def _resolved(self) -> list[Address]:
        loop = asyncio.get_running_loop()
        if not self._addresses or loop.time() - self._looked_up > NAME_SECONDS:
            self._addresses = list(await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
            self._looked_up = loop.time()
        return self._addresses

    async def _connected_to(self, address: Address) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._name, self._free, self._gone),
            *address[4][:2],
            ssl=self._tls,
            family=address[0],
            server_hostname=self._host if self._tls else None,
        )
        self._open.add(connection)
        return connection

    def _free(self, connection: Connection) -> None:
        if self._closed or len(self._idle) >= KEPT_LIMIT:
            connection.abort()
            return
        self._idle[connection] = connection.loop.time()
        if self._sweep is None:
            self._sweep = connection.loop.call_later(self._kept_seconds, self._swept)

    def _swept(self) -> None:
        """Close what nobody used for too long; the first of the kept ones is the one unused longest."""
        loop = asyncio.get_running_loop()
        self._sweep = None
        for connection, since in [*self._idle.items()]:
            due = since + self._kept_seconds
            if due > loop.time():
                self._sweep = loop.call_at(due, self._swept)
                return
            connection.abort()

    def _gone(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in [*self._open]:
            connection.abort()

    def _unreachable(self, error: Exception) -> UpstreamError:
        if isinstance(error, TimeoutError):
            return UpstreamError(f"{self._name} did not accept a connection in time", kind="timeout")
        if isinstance(error, ssl.SSLCertVerificationError):
            return UpstreamError(f"{self._name} has no certificate that can be trusted", kind="connect")
        if isinstance(error, ssl.SSLError):
            return UpstreamError(f"{self._name} does not speak TLS that can be trusted", kind="connect")
        number = getattr(error, "errno", None)
        known = isinstance(number, int) and number > 0 and not isinstance(error, socket.gaierror)
        said = os.strerror(number) if known and number else "no address was found"  # never where
        return UpstreamError(f"{self._name} cannot be reached ({said})", kind="connect")


@functools.cache
def trusted() -> ssl.SSLContext:
    """What the system trusts, for all providers: reading it takes a while."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
