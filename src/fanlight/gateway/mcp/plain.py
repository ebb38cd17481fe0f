"""MCP without MCP: tools listed and called by plain HTTP."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fanlight.gateway.asgi import BodyRefused, Pair, Receive, Scope, Send, answer, body_of
from fanlight.gateway.llm.departure import Departure
from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.mcp.tools import Tools

CALL: Final = "tools/call"
LISTS: Final = ("tools", "tools/list")


class _Wish(msgspec.Struct):
    name: str
    arguments: dict[str, Any] = {}


async def serve(tools: Tools, server: str, rest: str, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `GET /mcp/{server}/tools` and `POST /mcp/{server}/tools/call`."""
    expected = "POST" if rest == CALL else "GET"
    if scope["method"] != expected:
        await refuse(send, 405, "method_not_allowed", f"expected {expected} here", (b"allow", expected.encode()))
        return
    try:
        body = b"" if rest in LISTS else await body_of(scope, receive, limit)
        if body is None:
            return
        wish = msgspec.json.decode(body, type=_Wish) if body or rest == CALL else None
    except BodyRefused as error:
        await refuse(send, error.status, error.code, str(error))
        return
    except msgspec.DecodeError as error:
        said = f'{error}; expected {{"name": "a tool", "arguments": {{}}}}'
        await refuse(send, 400, "invalid_request", said)
        return
    with Departure(receive) as departure:
        try:
            if wish is None:
                result: dict[str, Any] = {"tools": await tools.all_tools(server)}
            else:
                params = {"name": wish.name, "arguments": wish.arguments}
                result = await tools.ask(server, CALL, params, modern=False)
        except Failure as failure:
            departure.over()
            await _fail(send, failure)
        else:
            departure.over()
            await answer(send, 200, msgspec.json.encode(result))


async def _fail(send: Send, failure: Failure) -> None:
    wait = failure.retry_after
    again = ((b"retry-after", str(int(wait) + 1).encode()),) if wait is not None else ()
    await refuse(send, failure.status, f"mcp_{failure.kind}", str(failure), *again)


async def refuse(send: Send, status: int, code: str, message: str, *headers: Pair) -> None:
    """Answer with an error in the shape of the dashboard's own API."""
    body = {"error": {"code": code, "message": message, "detail": ""}}
    await answer(send, status, msgspec.json.encode(body), headers)
