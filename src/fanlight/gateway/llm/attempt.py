"""One attempt at one provider: asked once, its answer judged, passed on or held, and what it came to recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fanlight import error_type
from fanlight.gateway import unfinished
from fanlight.gateway.asgi import Pair
from fanlight.gateway.llm.attempts import RETRIED, Failure
from fanlight.gateway.llm.delivery import Delivery
from fanlight.gateway.llm.headers import retry_after
from fanlight.gateway.llm.patience import Patience
from fanlight.gateway.llm.routing import Target, cost
from fanlight.gateway.llm.upstream import Reply, UpstreamError

if TYPE_CHECKING:
    from fanlight.gateway.llm.runtime import Lane

HELD_LIMIT: Final = 64 << 10
"""The longest error of a provider that is held while others are asked; a longer one is passed on at once."""


class Attempt:
    """One attempt, around which a call and a passage through the breaker are open already."""

    def __init__(self, lane: Lane, call: Any, guard: Any, delivery: Delivery) -> None:
        self._lane = lane
        self._call = call
        self._guard = guard
        self._delivery = delivery

    async def run(self, path: str, headers: list[Pair], body: bytes) -> Failure | None:
        """Ask; None when the answer went to the client, else how it failed before its first byte."""
        lane = self._lane
        try:
            asked = lane.upstream.ask("POST", path, headers, body)  # on its way while the rest is made ready
            with self._delivery.departure.patience(lane.settings.first_byte_seconds) as limit:
                reply = await asked
                try:
                    return await self._judge(reply, limit)
                finally:
                    reply.close()
        except (UpstreamError, TimeoutError) as error:
            return await self._broken(error)

    async def _judge(self, reply: Reply, limit: Patience) -> Failure | None:
        """Pass an answer on, or hold it where another attempt may bring a better one."""
        delivery = self._delivery
        status = delivery.status = reply.status
        if status < 400:
            self._guard.answered()
        failure = await _held(reply) if status in RETRIED else None
        if failure is not None:
            delivery.reader.take(failure.body)
        else:
            await delivery.run(reply, limit)
        if status >= 400:
            kind = "rate_limit" if status == 429 else error_type(status)
            self._call.set(status=status)
            self._fail(f"{status} {delivery.reader.error}".strip(), kind, retry_after(reply.headers))
        elif delivery.reader.error:
            self._fail(delivery.reader.error, "upstream")
        return failure

    async def _broken(self, error: UpstreamError | TimeoutError) -> Failure:
        """The provider broke off or fell silent: a failure before the first byte, the end of the answer after it."""
        delivery = self._delivery
        if delivery.sending:
            unfinished.unread(self._lane.name)
        if isinstance(error, UpstreamError):
            kind, message = error.kind, str(error)
        else:
            after = "in the middle of its answer" if delivery.begun else "and sent no byte of an answer"
            kind, message = "timeout", f"{self._lane.name} fell silent {after}"
        self._fail(message, "timeout" if kind == "timeout" else "upstream")
        if delivery.begun:
            await delivery.break_off(kind, message)
        return Failure(kind, message)

    def _fail(self, said: str, kind: str, wait: float | None = None) -> None:
        self._call.fail(said, type=kind)
        self._guard.fail(said, kind, wait or 0.0)

    def tell(self, target: Target) -> None:
        """Record what it came to, in the attributes of a language model's call."""
        delivery, reader = self._delivery, self._delivery.reader
        good = 200 <= delivery.status < 300
        made = reader.output()
        figures = {
            "model": target.model if good and not target.listed else None,
            "input_tokens": reader.input_tokens,
            "output_tokens": made,
            "cached_tokens": reader.cached_tokens,
            "reasoning_tokens": reader.reasoning_tokens,
            "finish_reason": reader.finish_reason,
            "time_to_first_token": delivery.first_token,
            "cost": cost(target.prices, reader.input_tokens, made, reader.cached_tokens, reader.cache_write_tokens),
            "usage": reader.usage() if good and reader.decoder is not None else None,
        }
        self._call.set(**{name: value for name, value in figures.items() if value is not None})


async def _held(reply: Reply) -> Failure | None:
    """An error of a provider, whole; None, and nothing read, when it says that it is too long to be held."""
    sizes = [int(value) for name, value in reply.headers if name == b"content-length" and value.isdigit()]
    if sizes and sizes[0] > HELD_LIMIT:
        return None
    body = b""
    while chunk := await reply.chunk():
        body += chunk
        if len(body) > HELD_LIMIT:
            raise UpstreamError("the provider's error is longer than anybody reads", kind="protocol")
    return Failure("status", "", reply.status, tuple(reply.headers), body, retry_after(reply.headers))
