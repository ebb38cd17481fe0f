"""A GET passed to one provider as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from fanlight.gateway import refusals
from fanlight.gateway.asgi import Scope, Send, answer
from fanlight.gateway.llm.attempts import STATUS
from fanlight.gateway.llm.headers import to_client, to_upstream
from fanlight.gateway.llm.runtime import Lane
from fanlight.gateway.llm.upstream import UpstreamError

if TYPE_CHECKING:
    from fanlight import Fanlight

SECONDS: Final = 30.0
BODY_LIMIT: Final = 8 << 20


async def relay(dashboard: Fanlight, lane: Lane, path: str, protocol: str, scope: Scope, send: Send) -> None:
    """Answer with what a provider answers to a GET of this path, at most 8 MiB within 30 s."""
    with dashboard.call(lane.name, "list", kind="http") as call:
        try:
            async with asyncio.timeout(SECONDS):
                reply = await lane.upstream.ask("GET", path, to_upstream(scope["headers"], lane.headers), None)
                try:
                    body = b""
                    while (chunk := await reply.chunk()) and len(body) <= BODY_LIMIT:
                        body += chunk
                finally:
                    reply.close()
        except (UpstreamError, TimeoutError) as error:
            kind = error.kind if isinstance(error, UpstreamError) else "timeout"
            said = str(error) or f"{lane.name} did not answer in {SECONDS:g} s"
            call.fail(said, type="timeout" if kind == "timeout" else "upstream")
            status = STATUS.get(kind, 502)
            await answer(send, status, refusals.body(protocol, status, said, f"upstream_{kind}"))
            return
        call.set(status=reply.status)
        if len(body) > BODY_LIMIT:
            call.fail("its answer is longer than 8 MiB", type="upstream")
            await answer(
                send, 502, refusals.body(protocol, 502, f"{lane.name} answers without end", "upstream_protocol")
            )
            return
    headers = [*to_client(reply.headers, sized=False), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
