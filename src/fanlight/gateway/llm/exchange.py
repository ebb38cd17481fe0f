"""One request passed through: asked of its providers in turn; from the first byte on, what comes is passed on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from fanlight.errors import BreakerOpen
from fanlight.gateway import refusals
from fanlight.gateway.access import Caller
from fanlight.gateway.asgi import BodyRefused, Message, Receive, Scope, Send, answer, body_of
from fanlight.gateway.llm import attempts, wish
from fanlight.gateway.llm.attempt import Attempt
from fanlight.gateway.llm.attempts import Failure
from fanlight.gateway.llm.delivery import Delivery
from fanlight.gateway.llm.departure import Departure
from fanlight.gateway.llm.endpoints import Endpoint
from fanlight.gateway.llm.headers import to_client, to_upstream
from fanlight.gateway.llm.routing import UNLISTED, Refused, Target
from fanlight.gateway.llm.runtime import Lane, Runtime
from fanlight.gateway.llm.wish import Wish

if TYPE_CHECKING:
    from fanlight import Fanlight

LINGER_SECONDS: Final = 0.5
"""How long what is left of a request that was refused for its length may still come, unread."""

_QUERY: Final = re.compile(rb"[\w.~!$&'()*+,;=:@/?%-]{0,2000}")
_CHANCE: Final = random.Random()  # noqa: S311 - spreads retries, no secret


class Exchange:
    """Passes one request through. Retries and fallbacks come before the first byte only; every attempt is a call."""

    def __init__(
        self, dashboard: Fanlight, runtime: Runtime, endpoint: Endpoint, provider: str, caller: Caller,
        scope: Scope, receive: Receive, send: Send,
    ) -> None:  # fmt: skip
        self._dashboard = dashboard
        self._runtime = runtime
        self._endpoint = endpoint
        self._provider = provider
        self._caller = caller
        self._scope = scope
        self._receive = receive
        self._send = send

    async def run(self) -> None:
        """Answer the request, or find that its client has left."""
        try:
            body = await body_of(self._scope, self._receive, self._runtime.config.gateway.max_body_megabytes << 20)
            if body is None:
                return
            asked = wish.read(body, self._endpoint)
            path = self._path()
            targets = self._targets(asked.model)
        except BodyRefused as error:
            if error.status == 413:
                self._send = partial(self._send_and_linger, self._send)
            await self._refuse(error.status, error.code, str(error))
            return
        except Refused as refusal:
            await self._refuse(refusal.status, refusal.code, str(refusal), *refusal.headers)
            return
        except wish.Malformed as error:
            await self._refuse(400, "invalid_request", str(error))
            return
        with Departure(self._receive, late=True) as departure:
            failure = await self._ask_all(targets, asked, path, departure)
            departure.over()
            if failure is not None:
                await self._give_up(failure)

    async def _refuse(self, status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> None:
        """Answer with an error in the shape of the API that was called."""
        await answer(self._send, status, refusals.body(self._endpoint.protocol, status, message, code), headers)

    async def _send_and_linger(self, send: Send, message: Message) -> None:
        """`send`, but that the end of the answer waits a moment for the rest of the request.

        Closing a connection on bytes nobody has read resets it, and the client might never see why it was refused.
        """
        if message["type"] == "http.response.body":
            await send({**message, "more_body": True})
            message = {"type": "http.response.body", "body": b""}
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    while (await self._receive()).get("more_body"):
                        continue
        await send(message)

    def _path(self) -> str:
        query: bytes = self._scope.get("query_string", b"")
        if not query:
            return self._endpoint.path
        if not _QUERY.fullmatch(query):
            raise Refused(400, "invalid_request", "the query holds characters that no query holds")
        return f"{self._endpoint.path}?{query.decode('ascii')}"

    def _targets(self, model: str) -> tuple[Target, ...]:
        router, protocol, allowed = self._runtime.router, self._endpoint.protocol, self._caller.models
        if self._provider:
            found = router.at(self._provider, model, protocol, allowed)
        else:
            found = router.targets(model, protocol, allowed)
        return self._runtime.purse.affordable(found, self._caller)

    async def _ask_all(
        self, targets: tuple[Target, ...], asked: Wish, path: str, departure: Departure
    ) -> Failure | None:
        """Ask one after the other until one answers; None when it did, else how the last one failed."""
        failure: Failure | None = None
        for target in targets:
            lane = self._runtime.lanes[target.provider]
            turn = 0
            while True:
                failure = await self._attempt(target, lane, asked, path, departure)
                if failure is None:
                    return None
                wait = attempts.pause(failure, turn, lane.settings.retries, _CHANCE)
                if wait is None:
                    break
                turn += 1
                await asyncio.sleep(wait)
        return failure

    async def _attempt(
        self, target: Target, lane: Lane, asked: Wish, path: str, departure: Departure
    ) -> Failure | None:
        """Ask one provider once; None when its answer went to the client, whole or not."""
        endpoint = self._endpoint
        silent = asked.stream and endpoint.tells_usage and lane.settings.ask_usage and not wish.asks_usage(asked)
        model = target.model if target.listed else UNLISTED
        call = self._dashboard.call(lane.name, endpoint.operation, kind="llm", model=model, stream=asked.stream)
        if self._caller.name:
            call.set(caller=self._caller.name)
        try:
            with lane.breaker.attempt() as guard, call:
                delivery = Delivery(
                    endpoint, self._send, departure, call, lane.settings.idle_seconds, strips_usage=silent
                )
                body = wish.body_for(asked, target.upstream, ask_usage=silent)
                attempt = Attempt(lane, call, guard, delivery)
                try:
                    return await attempt.run(path, to_upstream(self._scope["headers"], lane.headers), body)
                finally:
                    attempt.tell(target)
        except BreakerOpen as refusal:
            return Failure("open", str(refusal), retry_after=refusal.retry_after)

    async def _give_up(self, failure: Failure) -> None:
        """Tell the client how the last attempt failed: the provider's own answer where there is one."""
        if failure.status:
            headers = to_client(failure.headers, sized=False)
            size = (b"content-length", str(len(failure.body)).encode())
            await self._send({"type": "http.response.start", "status": failure.status, "headers": [*headers, size]})
            await self._send({"type": "http.response.body", "body": failure.body})
            return
        wait = failure.retry_after
        again = ((b"retry-after", str(int(wait) + 1).encode()),) if wait is not None else ()
        await self._refuse(attempts.STATUS.get(failure.kind, 502), f"upstream_{failure.kind}", failure.message, *again)
