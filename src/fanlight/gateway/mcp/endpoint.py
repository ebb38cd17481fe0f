"""MCP over streamable HTTP, for clients of both eras, and the same as plain HTTP.

No sessions are made, also for clients of the old era, which may go without: any worker answers any request, nothing
of one client can reach another, and a gateway that starts again is not noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fanlight.gateway.asgi import BodyRefused, Pair, Receive, Scope, Send, answer, body_of
from fanlight.gateway.llm.departure import Departure
from fanlight.gateway.mcp.eras import HANDSHAKE, MODERN, OURS, VERSION_KEY, result_for
from fanlight.gateway.mcp.failure import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
    Failure,
)
from fanlight.gateway.mcp.headers import decoded, named
from fanlight.gateway.mcp.joined import Joined
from fanlight.gateway.mcp.tools import Tools

PROGRESS_LIMIT: Final = 1_000
"""Progress notifications that wait for a client that does not read."""

EVENTS: Final = (b"content-type", b"text/event-stream")
_DONE: Final = object()


class Rejected(Failure):
    """A request that is answered with an error and a status of its own."""

    def __init__(self, code: int, message: str, data: Any = None, http_status: int = 400) -> None:
        super().__init__("refused", message, code=code, data=data)
        self.http_status = http_status


class Endpoint:
    """`/mcp` (`server` empty: all of them) or `/mcp/{server}`, for one request."""

    def __init__(self, tools: Tools, server: str, limit: int) -> None:
        self._tools = tools
        self._server = server
        self._limit = limit
        self._joined = Joined(tools)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        if scope["method"] != "POST":
            await _fail(send, None, Rejected(INVALID_REQUEST, "expected POST", http_status=405), (b"allow", b"POST"))
            return
        try:
            body = await body_of(scope, receive, self._limit)
        except BodyRefused as error:
            await _fail(send, None, Rejected(INVALID_REQUEST, str(error), http_status=error.status))
            return
        if body is not None:
            await self._answer(_headers(scope), body, receive, send)

    async def _answer(self, headers: Mapping[str, str], body: bytes, receive: Receive, send: Send) -> None:
        number: Any = None
        try:
            message = _message(body)
            number = message.get("id")
            modern = _checked(headers, message)
        except Rejected as rejected:
            await _fail(send, number, rejected)
            return
        if number is None or "method" not in message:
            await _accept(send)
            return
        params = message.get("params") or {}
        token = (params.get("_meta") or {}).get("progressToken")
        streams = token is not None and "text/event-stream" in headers.get("accept", "")
        delivery = _Delivery(send, number, token if streams else None)
        with Departure(receive) if modern else _Stays() as departure:
            try:
                result = await delivery.follow(self._result(message["method"], params, delivery, modern=modern))
            except Failure as failure:
                departure.over()
                await delivery.fail(failure, modern=modern)
            else:
                departure.over()
                await delivery.finish({"jsonrpc": "2.0", "id": number, "result": result})

    async def _result(
        self, method: str, params: Mapping[str, Any], delivery: _Delivery, *, modern: bool
    ) -> dict[str, Any]:
        if modern and method == "server/discover":
            return result_for(method, self._discovered(), modern=True)
        if not modern and method == "initialize":
            return self._initialized(params)
        if not modern and method == "ping":
            return {}
        progress = delivery.progress if delivery.token is not None else None
        if self._server:
            return await self._tools.ask(self._server, method, params, progress, modern=modern)
        return await self._joined.ask(method, params, progress, modern=modern)

    def _discovered(self) -> dict[str, Any]:
        return {
            "supportedVersions": [MODERN, *HANDSHAKE],
            "capabilities": self._capabilities(),
            "serverInfo": self._info(),
            **self._instructions(),
        }

    def _initialized(self, params: Mapping[str, Any]) -> dict[str, Any]:
        wished = params.get("protocolVersion")
        version = wished if wished in HANDSHAKE else HANDSHAKE[0]
        capabilities = self._capabilities()
        return {
            "protocolVersion": version, "capabilities": capabilities, "serverInfo": self._info(),
            **self._instructions(),
        }  # fmt: skip

    def _capabilities(self) -> dict[str, Any]:
        return self._tools.capabilities(self._server) if self._server else {"tools": {}}

    def _info(self) -> dict[str, Any]:
        return {**OURS, "name": self._server or OURS["name"]}

    def _instructions(self) -> dict[str, str]:
        said = self._tools.status(self._server).instructions if self._server else ""
        return {"instructions": said} if said else {}


class _Stays:
    """In the old era a client that leaves has not cancelled."""

    def __enter__(self) -> _Stays:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing was watched."""

    def over(self) -> None:
        """Nothing was watched."""


class _Delivery:
    """How an answer goes out: as JSON, or as a stream once there is progress to tell (`token` not None)."""

    def __init__(self, send: Send, number: Any, token: Any) -> None:
        self._send = send
        self._number = number
        self.token = token
        self._told: asyncio.Queue[Any] = asyncio.Queue(PROGRESS_LIMIT)
        self._streams = False

    def progress(self, said: dict[str, Any]) -> None:
        """The server told how far it is; what a client does not read in time is left out."""
        if not self._told.full():
            self._told.put_nowait({**said, "progressToken": self.token})

    async def follow(self, work: Any) -> dict[str, Any]:
        """The result of the work, its progress sent meanwhile."""
        if self.token is None:
            found: dict[str, Any] = await work
            return found
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: self._told.put_nowait(_DONE) if not self._told.full() else None)
        try:
            while not task.done() or not self._told.empty():
                said = await self._told.get()
                if said is not _DONE:
                    await self._event({"jsonrpc": "2.0", "method": "notifications/progress", "params": said})
            result: dict[str, Any] = await task
            return result
        finally:
            task.cancel()

    async def _event(self, message: dict[str, Any], *, more: bool = True) -> None:
        if not self._streams:
            self._streams = True
            headers = [EVENTS, (b"cache-control", b"no-store")]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        data = b"event: message\ndata: " + msgspec.json.encode(message) + b"\n\n"
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def finish(self, message: dict[str, Any]) -> None:
        """Send the answer, the end of it all."""
        if self._streams:
            await self._event(message, more=False)
        else:
            await answer(self._send, 200, msgspec.json.encode(message))

    async def fail(self, failure: Failure, *, modern: bool) -> None:
        """Send the error. It has a status of its own only where the new era says so: clients read it as JSON-RPC."""
        if self._streams:
            await self._event({"jsonrpc": "2.0", "id": self._number, "error": failure.document()}, more=False)
            return
        missing = modern and failure.kind == "refused" and failure.code == METHOD_NOT_FOUND
        await _fail(self._send, self._number, failure, status=404 if missing else 200)


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise Rejected(PARSE_ERROR, f"the body is no JSON: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("method", ""), str):
        raise Rejected(INVALID_REQUEST, "expected one JSON-RPC message")
    if not isinstance(message.get("id", 0), int | str) or not isinstance(message.get("params") or {}, dict):
        raise Rejected(INVALID_REQUEST, "expected an id that is a number or a text, and params that are an object")
    if not isinstance((message.get("params") or {}).get("_meta") or {}, dict):
        raise Rejected(INVALID_PARAMS, "expected _meta to be an object")
    return message


def _checked(headers: Mapping[str, str], message: Mapping[str, Any]) -> bool:
    """Whether a message is of the new era; raises Rejected when it is of neither."""
    params = message.get("params") or {}
    said, inside = headers.get("mcp-protocol-version"), (params.get("_meta") or {}).get(VERSION_KEY)
    if inside is None and (said is None or said in HANDSHAKE):
        return False
    if inside is None and said == MODERN:
        if "id" not in message:
            return True
        raise Rejected(INVALID_PARAMS, f"_meta lacks {VERSION_KEY}, which {MODERN} asks for")
    if inside is not None and said != inside:
        raise Rejected(
            HEADER_MISMATCH, f"the header MCP-Protocol-Version is {said!r:.40}, the body says {inside!r:.40}"
        )
    if said != MODERN:
        known = {"supported": [MODERN, *HANDSHAKE], "requested": str(said)[:40]}
        raise Rejected(UNSUPPORTED_VERSION, f"version {said!r:.40} is not spoken here", known)
    _check_header(headers, "mcp-method", message.get("method"))
    name = named(str(message.get("method")), params)
    if name is not None:
        _check_header(headers, "mcp-name", name)
    return True


def _check_header(headers: Mapping[str, str], header: str, expected: Any) -> None:
    if decoded(headers.get(header, "")) != expected:
        raise Rejected(HEADER_MISMATCH, f"the header {header} does not say what the body says; expected it to")


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def _accept(send: Send) -> None:
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _fail(send: Send, number: Any, failure: Failure, *headers: Pair, status: int = 0) -> None:
    code = status or (failure.http_status if isinstance(failure, Rejected) else 200)
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": number, "error": failure.document()})
    await answer(send, code, body, headers)
