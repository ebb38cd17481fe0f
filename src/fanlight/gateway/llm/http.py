"""Providers behind HTTP, by aiohttp."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import aiohttp
from yarl import URL

from fanlight.gateway.llm.routing import address
from fanlight.gateway.llm.upstream import UpstreamError
from fanlight.gateway.schema import Provider

KEEP_ALIVE_SECONDS: Final = 15.0
"""Shorter than any provider's, so that a kept connection is rarely one it has just closed."""

LINE_LIMIT: Final = 16_384
AUTOMATIC: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add by itself."""

URL_CACHE: Final = 64


class HttpUpstream:
    """One provider; connections are kept and shared by its requests. For one event loop."""

    def __init__(self, name: str, provider: Provider) -> None:
        self._name = name
        self._provider = provider
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}

    async def ask(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes | None) -> HttpReply:
        session = self._session or self._open()
        try:
            response = await session.request(method, self._url(path), data=body, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise translated(error, self._name) from error
        return HttpReply(response, self._name)

    def _open(self) -> aiohttp.ClientSession:
        session = self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._provider.connect_seconds),
            skip_auto_headers=AUTOMATIC,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
        )
        return session

    def _url(self, path: str) -> URL:
        known = self._urls.get(path)
        if known is None:
            known = URL(address(self._provider, path), encoded=True)
            if len(self._urls) < URL_CACHE:
                self._urls[path] = known
        return known

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class HttpReply:
    """An answer over HTTP."""

    __slots__ = ("_name", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, name: str) -> None:
        self._response = response
        self._name = name
        self.status = response.status
        self.headers: Sequence[tuple[bytes, bytes]] = response.raw_headers

    async def chunk(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise translated(error, self._name) from error

    def close(self) -> None:
        self._response.close()


def translated(error: BaseException, name: str) -> UpstreamError:
    """aiohttp's error as ours."""
    if isinstance(error, TimeoutError):
        return UpstreamError(f"{name} did not accept a connection in time", kind="timeout")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return UpstreamError(f"{name} has no certificate that can be trusted", kind="connect")
    if isinstance(error, aiohttp.ClientConnectorError):
        said = os.strerror(error.os_error.errno) if error.os_error.errno else "no address was found"  # never where
        return UpstreamError(f"{name} cannot be reached ({said})", kind="connect")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | OSError):
        return UpstreamError(f"{name} closed the connection before its answer was whole", kind="reset")
    return UpstreamError(f"{name} does not answer as HTTP ({type(error).__name__})", kind="protocol")
