"""A server that speaks streamable HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from fanlight.errors import FanlightError
from fanlight.gateway.config import variable
from fanlight.gateway.llm.framing import Lines
from fanlight.gateway.llm.upstream import Reply, Upstream, UpstreamError
from fanlight.gateway.mcp.eras import MODERN, VERSION_KEY, dressed, negotiate
from fanlight.gateway.mcp.failure import Failure, refusal
from fanlight.gateway.mcp.headers import encoded, named
from fanlight.gateway.mcp.peer import LINE_LIMIT, Progress
from fanlight.gateway.mcp.server import START_SECONDS, Connection
from fanlight.gateway.schema import McpServer

WATCH_SECONDS: Final = 5.0
"""How often a server is asked whether it lives, by a request that costs it nothing."""

CONNECT_SECONDS: Final = 10.0

_PLACE: Final = "this address needs httptools, which the base install leaves out; run pip install 'fanlight[gateway]'"


class HttpConnection(Connection):
    """A conversation with an address. Sessions are the server's wish; one that is lost ends the conversation."""

    def __init__(self, name: str, http: Upstream, key: str) -> None:
        self._name = name
        self._http = http
        self._key = key
        self._last = 0
        self._session = ""
        self._version = ""
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def request(
        self, method: str, params: dict[str, Any], seconds: float | None, progress: Progress | None = None
    ) -> dict[str, Any]:
        self._last += 1
        message = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        if progress is not None:
            message["params"] = {**params, "_meta": {**params.get("_meta", {}), "progressToken": self._last}}
        try:
            async with asyncio.timeout(seconds or START_SECONDS):
                result = await self._post(message, progress)
        except TimeoutError:
            raise Failure("timeout", f"{self._name} did not answer {method} in time") from None
        except UpstreamError as error:
            raise self._lost(str(error).removeprefix(f"{self._name} ")) from error
        if method == "initialize":
            self._version = str(result.get("protocolVersion", ""))[:20]
        return result

    async def notify(self, method: str, params: dict[str, Any]) -> None:
        """Tell the server something; it may not care."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        (await self._asked(message)).close()

    async def ended(self) -> str:
        while not self._over.done():
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    return await asyncio.shield(self._over)
            except TimeoutError:
                await self._alive()
        return self._over.result()

    async def _alive(self) -> None:
        """Ask for what costs nothing; a server that refuses lives, one that cannot be asked ends the conversation."""
        method = "server/discover" if self.leg.modern else "ping"
        try:
            await self.request(method, dressed({}, self.leg.version), WATCH_SECONDS)
        except Failure as failure:
            if failure.kind != "refused":
                self._lost(str(failure).removeprefix(f"{self._name} "))

    async def _asked(self, message: dict[str, Any]) -> Reply:
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in self._headers(message).items()]
        return await self._http.ask("POST", "", headers, msgspec.json.encode(message))

    async def _post(self, message: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
        reply = await self._asked(message)
        try:
            named = dict(reply.headers)
            self._session = named.get(b"mcp-session-id", self._session.encode())[:200].decode("latin-1")
            if reply.status == 404 and self._session and message["method"] != "initialize":
                raise self._lost("has forgotten the session")
            if named.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"text/event-stream":
                return await self._stream(reply, message["id"], progress)
            body = bytearray()
            while (piece := await reply.chunk()) and len(body) <= LINE_LIMIT:
                body += piece
            return self._result(_decoded(body), reply.status)
        finally:
            reply.close()

    async def _stream(self, reply: Reply, number: int, progress: Progress | None) -> dict[str, Any]:
        lines, data = Lines(LINE_LIMIT), b""
        while (piece := await reply.chunk()) and not lines.overlong:
            for line in lines.cut(piece):
                if line.startswith(b"data:"):
                    data += line[5:].strip()
                elif not line.strip() and data:
                    message, data = _decoded(data), b""
                    if message.get("id") == number and "method" not in message:
                        return self._result(message, reply.status)
                    if message.get("method") == "notifications/progress" and progress is not None:
                        progress(message.get("params") or {})
            if len(data) > LINE_LIMIT:
                break
        raise Failure("broken", f"{self._name} ended its stream without an answer")

    def _result(self, message: dict[str, Any], status: int) -> dict[str, Any]:
        if "error" in message:
            raise refusal(message["error"])
        result = message.get("result")
        if not isinstance(result, dict):
            said = f"{self._name} answered {status} and no result"
            raise Failure("refused", said) if 400 <= status < 500 else Failure("broken", said)
        return result

    def _headers(self, message: Mapping[str, Any]) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",
        }
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        params = message["params"]
        if params.get("_meta", {}).get(VERSION_KEY) == MODERN:
            headers |= {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
            name = named(message["method"], params)
            return headers | ({"mcp-name": encoded(name)} if name is not None else {})
        if self._session:
            headers["mcp-session-id"] = self._session
        return headers | ({"mcp-protocol-version": self._version} if self._version else {})

    def _lost(self, reason: str) -> Failure:
        if not self._over.done():
            self._over.set_result(f"{self._name} {reason}")
        return Failure("crashed", f"{self._name} {reason}")


def _decoded(body: bytes | bytearray) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


@asynccontextmanager
async def http(name: str, settings: McpServer, environ: Mapping[str, str]) -> AsyncIterator[Connection]:
    """A conversation with a server at an address, negotiated. Raises Failure."""
    try:
        from fanlight.gateway.llm.http import HttpUpstream
    except ImportError as error:
        raise FanlightError(_PLACE) from error
    key = variable(("mcp", name, "key_env"), settings.key_env, environ) if settings.key_env else ""
    upstream = HttpUpstream(name, lambda _: settings.url, CONNECT_SECONDS, once=True)
    try:
        connection = HttpConnection(name, upstream, key)
        connection.leg = await negotiate(connection.request, connection.notify)
        yield connection
    finally:
        await upstream.close()
