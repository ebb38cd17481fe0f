"""JSON-RPC over a stream of lines: many requests at once, each under an id of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from fanlight.gateway.mcp.failure import INTERNAL_ERROR, METHOD_NOT_FOUND, Failure, refusal

LINE_LIMIT: Final = 32 << 20
"""Bytes of the longest message."""

SERVED_LIMIT: Final = 1_024
"""Requests of the other side that are answered at once; further ones are refused."""

Progress = Callable[[dict[str, Any]], None]
Serve = Callable[[str, dict[str, Any], Progress], Awaitable[dict[str, Any]]]
Hear = Callable[[str, dict[str, Any]], None]

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Peer:
    """One side of a conversation. Belongs to one event loop.

    `write` sends a line; `serve` answers what the other side asks, `hear` takes its notifications. Progress
    notifications go to the request they belong to. `over` is why it has ended, None while it goes on.
    """

    def __init__(self, name: str, writer: asyncio.StreamWriter, serve: Serve, hear: Hear) -> None:
        self._name = name
        self._writer = writer
        self._serve = serve
        self._hear = hear
        self._last = 0
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._progress: dict[int, Progress] = {}
        self._served: dict[Any, asyncio.Task[None]] = {}
        self.over: Failure | None = None

    async def request(
        self, method: str, params: dict[str, Any], seconds: float | None, progress: Progress | None = None
    ) -> dict[str, Any]:
        """The result; raises Failure. One that is cancelled, or takes longer than `seconds`, is cancelled there."""
        if self.over is not None:
            raise self.over
        self._last += 1
        number = self._last
        if progress is not None:
            params = {**params, "_meta": {**params.get("_meta", {}), "progressToken": number}}
            self._progress[number] = progress
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        try:
            async with asyncio.timeout(seconds):
                if not self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params}):
                    raise ConnectionResetError
                await self._writer.drain()
                return await answer
        except TimeoutError:
            self._cancel(number, method, "timed out")
            raise Failure("timeout", f"{self._name} did not answer {method} within {seconds:g} s") from None
        except asyncio.CancelledError:
            self._cancel(number, method, "the client left")
            raise
        except ConnectionError as error:
            raise self.over or Failure("crashed", f"{self._name} closed its input during {method}") from error
        finally:
            self._pending.pop(number, None)
            self._progress.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # what failed otherwise than by it: asyncio complains of one nobody looked at

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Tell the other side something."""
        if self.over is None:
            self._send({"jsonrpc": "2.0", "method": method, "params": params})

    async def listen(self, reader: asyncio.StreamReader) -> str:
        """Take what comes until nothing more does; says why that is."""
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                return f"sent a line longer than {LINE_LIMIT >> 20} MiB"
            except OSError as error:
                return f"broke the connection ({error.strerror})"
            if not line:
                return "closed its output"
            self.take(line)

    def take(self, line: bytes) -> None:
        """One message came. What is no message is told as a notification of the name "" and otherwise ignored."""
        try:
            message = _decode(line)
        except msgspec.DecodeError:
            message = None
        if not isinstance(message, dict):
            if line.strip():
                self._hear("", {"line": line[:500].decode(errors="replace")})
        elif "method" not in message:
            self._answered(message)
        elif "id" in message:
            self._asked(message["id"], str(message["method"]), _params(message))
        else:
            self._told(str(message["method"]), _params(message))

    def gone(self, failure: Failure) -> None:
        """The other side is no more: all that waits for it fails at once."""
        self.over = failure
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(failure)
        for task in self._served.values():
            task.cancel()

    def hang_up(self) -> None:
        """End the conversation."""
        self._writer.close()

    def _answered(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        answer = self._pending.get(number) if isinstance(number, int) else None
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(refusal(message["error"]))
        elif isinstance(message.get("result"), dict):
            answer.set_result(message["result"])
        else:
            answer.set_exception(Failure("broken", f"{self._name} answered with neither a result nor an error"))

    def _told(self, method: str, params: dict[str, Any]) -> None:
        token = params.get("progressToken")
        if method == "notifications/progress" and isinstance(token, int) and token in self._progress:
            self._progress[token](params)
        elif method == "notifications/cancelled" and _hashable(params.get("requestId")) in self._served:
            self._served[params["requestId"]].cancel()
        else:
            self._hear(method, params)

    def _asked(self, number: Any, method: str, params: dict[str, Any]) -> None:
        if _hashable(number) is None or number in self._served or len(self._served) >= SERVED_LIMIT:
            error = Failure("refused", "too many requests at once", code=INTERNAL_ERROR)
            self._send({"jsonrpc": "2.0", "id": number, "error": error.document()})
            return
        task = asyncio.get_running_loop().create_task(self._answer(number, method, params))
        self._served[number] = task
        task.add_done_callback(lambda done: self._served.pop(number, None))

    async def _answer(self, number: Any, method: str, params: dict[str, Any]) -> None:
        meta = params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None

        def progress(said: dict[str, Any]) -> None:
            self.notify("notifications/progress", {**said, "progressToken": token})

        try:
            result = await self._serve(method, params, progress)
            answer: dict[str, Any] = {"result": result}
        except Failure as failure:
            answer = {"error": failure.packed()}
        if self.over is None:
            self._send({"jsonrpc": "2.0", "id": number, **answer})

    def _cancel(self, number: int, method: str, reason: str) -> None:
        if method not in ("initialize", "server/discover"):
            self.notify("notifications/cancelled", {"requestId": number, "reason": reason})

    def _send(self, message: dict[str, Any]) -> bool:
        """Whether the stream still took it. To one that has ended uvloop says RuntimeError, asyncio nothing."""
        if self._writer.is_closing():
            return False
        try:
            self._writer.write(_encode(message) + b"\n")
        except RuntimeError:
            return False
        return True


async def offers_nothing(method: str, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """What a server may ask its client here: whether it lives."""
    if method == "ping":
        return {}
    raise Failure("refused", f"the gateway does not offer {method[:100]}", code=METHOD_NOT_FOUND)


def _params(message: dict[str, Any]) -> dict[str, Any]:
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def _hashable(number: Any) -> Any:
    return number if isinstance(number, int | str) else None
