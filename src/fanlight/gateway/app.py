"""The gateway as an ASGI application: which request is whose, and the configuration it works by."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from fanlight import Fanlight
from fanlight.errors import FanlightError
from fanlight.gateway import collector, enhancement, pipeline_routes, refusals, servers, unfinished
from fanlight.gateway.access import Caller
from fanlight.gateway.asgi import BodyRefused, Receive, Scope, Send, answer, body_of
from fanlight.gateway.budgets import Purse
from fanlight.gateway.config import ConfigError
from fanlight.gateway.enhancement import Enhancement
from fanlight.gateway.llm.endpoints import ENDPOINTS, LISTS, Endpoint, protocol_of
from fanlight.gateway.llm.exchange import Exchange
from fanlight.gateway.llm.inside import Unanswered
from fanlight.gateway.llm.listing import listed, one, served
from fanlight.gateway.llm.relay import relay
from fanlight.gateway.llm.routing import Refused
from fanlight.gateway.llm.runtime import Runtime
from fanlight.gateway.loading import keep, loaded
from fanlight.gateway.mcp import plain
from fanlight.gateway.mcp.states import USUAL, Policy
from fanlight.gateway.pages import overview
from fanlight.gateway.pages import pipelines as pipelines_page
from fanlight.gateway.pages import servers as servers_page
from fanlight.gateway.pipelines import Pipelines
from fanlight.gateway.refusals import OLLAMA
from fanlight.gateway.schema import summary
from fanlight.gateway.servers import Servers

CONFIG_VARIABLE: Final = "FANLIGHT_GATEWAY_CONFIG"
"""The path of the configuration, for the processes of one command."""

PUBLIC_VARIABLE: Final = "FANLIGHT_GATEWAY_PUBLIC"
"""Set where the gateway listens elsewhere than on loopback: a configuration without keys is refused then."""

PLACE_VARIABLE: Final = "FANLIGHT_GATEWAY_PLACE"
"""The folder that the workers of one command share, where there are several."""

KEPT_VARIABLE: Final = "FANLIGHT_GATEWAY_KEPT"
"""Where the configuration is kept as it was right last: what a worker works by that starts while it is wrong."""

MODEL: Final = "/v1/models/"
PROVIDER: Final = "/{provider}"
"""Before the paths of all three protocols, the name of a provider that is asked whatever the model."""

PATIENCE_SECONDS: Final = 30.0
"""How long an answer may take before its request is slow; how models and servers are is judged by their calls."""

_MODELS: Final = (*ENDPOINTS, *(PROVIDER + path for path in ENDPOINTS))
SLOW_ROUTES: Final = dict.fromkeys(
    (*_MODELS, enhancement.PATH, *servers.TEMPLATES, pipeline_routes.ONE), PATIENCE_SECONDS
)

logger = logging.getLogger("fanlight.gateway")


def create() -> Any:
    """The gateway of the `fanlight gateway` command, with its dashboard."""
    unfinished.explain()
    path = Path(os.environ[CONFIG_VARIABLE])
    place, kept = os.environ.get(PLACE_VARIABLE), os.environ.get(KEPT_VARIABLE)
    gateway = Gateway(
        Fanlight("gateway", slow_routes=SLOW_ROUTES),
        path,
        public=bool(os.environ.get(PUBLIC_VARIABLE)),
        owns_process=True,
        place=Path(place) if place else None,
        kept=Path(kept) if kept else None,
    )
    return gateway.dashboard.asgi(gateway)


class Gateway:
    """Passes LLM APIs through by a configuration, and answers 404 for all else. Belongs to one event loop.

    `owns_process`: nothing else lives here, so SIGHUP and the garbage collector are its own.
    """

    def __init__(
        self, dashboard: Fanlight, path: Path, *, public: bool = False, owns_process: bool = False,
        environ: Mapping[str, str] = os.environ, place: Path | None = None, kept: Path | None = None,
        policy: Policy = USUAL,
    ) -> None:  # fmt: skip
        self.dashboard = dashboard
        self._kept = kept
        self._path = path
        self._public = public
        self._owns_process = owns_process
        self._environ = environ
        self.purse = Purse(dashboard)
        self.runtime = self._begun()
        self.purse.apply(self.runtime.config.budgets)
        self.servers = Servers(dashboard, lambda: self.runtime.config, environ, place, policy)
        self.enhancement = Enhancement(dashboard)
        self.pipelines = Pipelines(dashboard, self)
        overview.declare(dashboard, lambda: self.runtime.config)
        servers_page.declare(dashboard, self.servers)
        pipelines_page.declare(dashboard, self.pipelines)
        self._pipeline_routes = pipeline_routes.Routes(self.pipelines)
        again = dashboard.action(
            "Reload the configuration", name="reload", runs="everywhere", confirm="Read the configuration again?"
        )
        again(self.reload)

    def _begun(self) -> Runtime:
        """What a worker begins with: the file or, where that became wrong since the command began, as it was last."""
        try:
            return self._made(self._path)
        except ConfigError as error:
            if self._kept is None or not self._kept.exists():
                raise
            logger.error("the configuration stays as it was: %s", error)
            return self._made(self._kept)

    def _made(self, path: Path) -> Runtime:
        found = loaded(path, self._environ, public=self._public)
        made = Runtime(found, self._environ, self.dashboard, self.purse)
        if self._kept is not None and path != self._kept:
            keep(path, self._kept, self._environ)
        return made

    async def reload(self) -> str:
        """Work by the file as it is now; what is wrong with it changes nothing and raises ConfigError.

        Requests that have begun end by the configuration they began with.
        """
        try:
            fresh = await asyncio.to_thread(self._made, self._path)
        except FanlightError as error:
            logger.error("the configuration stays as it was: %s", error)
            self.dashboard.event("gateway_reload", result="refused", reason=str(error))
            raise
        old, self.runtime = self.runtime, fresh
        self.purse.apply(fresh.config.budgets)
        for name in old.lanes.keys() - fresh.lanes.keys():
            self.dashboard.withdraw_service(name)
        await old.retire()
        await self.servers.apply()
        self.pipelines.declare()
        said = summary(fresh.config)
        logger.info("the configuration was read again: %s", said)
        self.dashboard.event("gateway_reload", result="done", reason=said)
        return said

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        kind = scope["type"]
        if kind == "http":
            return self._serve(scope, receive, send)
        if kind == "lifespan":
            return self._live(receive, send)
        return send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = self.runtime
        path: str = scope["path"].removeprefix(scope.get("root_path") or "")
        endpoint, provider, local = ENDPOINTS.get(path), "", path
        if endpoint is None:
            if servers.is_below(path) or pipeline_routes.is_below(path) or path == enhancement.PATH:
                await self._serve_own(runtime, path, scope, receive, send)
                return
            provider, local = _below(path, runtime)
            endpoint = ENDPOINTS.get(local)
        if endpoint is None and not _is_list(local):
            await self._elsewhere(runtime, path, scope, send)
            return
        scope["path_template"] = _template(local, provider)
        try:
            caller = runtime.doorkeeper.admit(scope["headers"], keyless=scope["method"] == "OPTIONS")
        except Refused as refusal:
            await _refuse(send, local, scope, refusal)
            return
        if caller.origin:
            send = _shared(send, caller.origin)
        if caller.origin and scope["method"] == "OPTIONS":
            await _preflight(scope, send)
        elif scope["method"] != ("GET" if endpoint is None else "POST"):
            wanted = "GET" if endpoint is None else "POST"
            await _refuse(send, local, scope, Refused(405, "method_not_allowed", f"expected {wanted} here"))
        elif runtime.in_flight >= runtime.config.gateway.max_in_flight:
            await _refuse(send, local, scope, _busy())
        else:
            runtime.in_flight += 1
            try:
                await self._admitted(runtime, endpoint, local, provider, caller, scope, receive, send)
            finally:
                runtime.in_flight -= 1
                if runtime.retired:
                    await runtime.settle()

    async def _serve_own(self, runtime: Runtime, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is not passed through to a provider."""
        scope["path_template"] = _own_template(path)
        try:
            caller = runtime.doorkeeper.admit(scope["headers"], keyless=scope["method"] == "OPTIONS")
            if runtime.in_flight >= runtime.config.gateway.max_in_flight:
                raise _busy()
        except Refused as refusal:
            await _refuse(send, path, scope, refusal)
            return
        if caller.origin:
            send = _shared(send, caller.origin)
            if scope["method"] == "OPTIONS":
                await _preflight(scope, send)
                return
        limit = runtime.config.gateway.max_body_megabytes << 20
        runtime.in_flight += 1
        try:
            if path == enhancement.PATH:
                await self._enhance(runtime, caller, limit, scope, receive, send)
            elif pipeline_routes.is_below(path):
                await self._pipeline_routes.serve(path, caller, scope, receive, send)
            else:
                await self.servers.serve(path, limit, scope, receive, send)
        finally:
            runtime.in_flight -= 1
            if runtime.retired:
                await runtime.settle()

    async def _enhance(
        self, runtime: Runtime, caller: Caller, limit: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["method"] != "POST":
            await plain.refuse(send, 405, "method_not_allowed", "expected POST here", (b"allow", b"POST"))
            return
        try:
            body = await body_of(scope, receive, limit)
            if body is None:
                return
            wish = msgspec.json.decode(body, type=enhancement.Wish)
            made = await self.enhancement.enhance(runtime, caller, wish)
        except BodyRefused as error:
            await plain.refuse(send, error.status, error.code, str(error))
        except msgspec.DecodeError as error:
            await plain.refuse(send, 400, "invalid_request", f'{error}; expected {{"prompt", "model"?, "style"?}}')
        except Unanswered as error:
            await plain.refuse(send, error.status, "not_enhanced", str(error))
        else:
            said = (b"x-fanlight-cache", b"hit" if made.cached else b"miss")
            await answer(send, 200, msgspec.json.encode(made), [said])

    def _admitted(
        self, runtime: Runtime, endpoint: Endpoint | None, local: str, provider: str, caller: Caller,
        scope: Scope, receive: Receive, send: Send,
    ) -> Awaitable[None]:  # fmt: skip
        if endpoint is None:
            return self._list(runtime, local, provider, caller, scope, send)
        return Exchange(self.dashboard, runtime, endpoint, provider, caller, scope, receive, send).run()

    async def _list(
        self, runtime: Runtime, local: str, provider: str, caller: Caller, scope: Scope, send: Send
    ) -> None:
        protocol = protocol_of(local, dict(scope["headers"]))
        lane = runtime.lanes.get(provider)
        if lane is None and local in ("/api/ps", "/api/version"):
            lane = next((each for each in runtime.lanes.values() if OLLAMA in each.speaks), None)
        if lane is not None:
            await relay(self.dashboard, lane, local, protocol, scope, send)
            return
        models = served(runtime.config, protocol, caller.models)
        if local.startswith(MODEL):
            name = local.removeprefix(MODEL)
            if name not in models:
                await _refuse(send, local, scope, Refused(404, "model_not_found", f"no model {name[:128]!r} here"))
                return
            await answer(send, 200, msgspec.json.encode(one(name, models[name], protocol)))
        elif local in ("/v1/models", "/api/tags"):
            await answer(send, 200, msgspec.json.encode(listed(models, protocol)))
        else:
            await _refuse(send, local, scope, Refused(404, "not_found", "no provider here speaks Ollama"))

    async def _elsewhere(self, runtime: Runtime, path: str, scope: Scope, send: Send) -> None:
        """Not an address of the API: the front door leads to the dashboard, all else is nothing. No key is asked."""
        try:
            runtime.doorkeeper.admit(scope["headers"], keyless=True)
        except Refused as refusal:
            await _refuse(send, path, scope, refusal)
            return
        if path == "/" and scope["method"] in ("GET", "HEAD"):
            scope["path_template"] = "/"
            place = f"{scope.get('root_path') or ''}{self.dashboard.settings.prefix}"
            await answer(send, 307, b"{}", [(b"location", place.encode())])
            return
        nothing = refusals.body(protocol_of(path, {}), 404, "there is nothing at this address", "not_found")
        await answer(send, 404, nothing)

    async def _live(self, receive: Receive, send: Send) -> None:
        loop, hears = asyncio.get_running_loop(), False
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                hears = self._owns_process and _listen(loop, self)
                await self.servers.apply()
                await self.enhancement.begin(lambda: self.servers.board.owns)
                await self.pipelines.begin()
                if self._owns_process:
                    collector.settle()
            else:
                if hears:
                    loop.remove_signal_handler(signal.SIGHUP)
                await self.pipelines.close()
                await self.servers.close()
                await self.enhancement.close()
                await self.runtime.retire()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return


def _listen(loop: asyncio.AbstractEventLoop, gateway: Gateway) -> bool:
    """Have SIGHUP read the configuration again, where there is such a signal."""
    tasks: set[asyncio.Task[None]] = set()

    async def again() -> None:
        try:
            await gateway.reload()
        except FanlightError:
            return  # said already

    def hang_up() -> None:
        task = loop.create_task(again())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        loop.add_signal_handler(signal.SIGHUP, hang_up)
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        return False
    return True


def _below(path: str, runtime: Runtime) -> tuple[str, str]:
    """The provider a path is below, and the rest; ("", path) when it is below none."""
    head, slash, rest = path[1:].partition("/")
    return (head, f"/{rest}") if slash and head in runtime.lanes else ("", path)


def _own_template(path: str) -> str:
    if path == enhancement.PATH:
        return path
    return servers.template(path) if servers.is_below(path) else pipeline_routes.template(path)


def _is_list(local: str) -> bool:
    return local in LISTS or (local.startswith(MODEL) and len(local) > len(MODEL))


def _template(local: str, provider: str) -> str:
    template = local if local in ENDPOINTS or local in LISTS else f"{MODEL}{{model}}"
    return f"{PROVIDER}{template}" if provider else template


def _busy() -> Refused:
    said = "as many requests as `max_in_flight` allows are being answered"
    return Refused(429, "too_many_requests", said, (b"retry-after", b"1"))


async def _refuse(send: Send, local: str, scope: Scope, refusal: Refused) -> None:
    protocol = protocol_of(local, dict(scope["headers"]))
    said = refusals.body(protocol, refusal.status, str(refusal), refusal.code)
    await answer(send, refusal.status, said, refusal.headers)


def _shared(send: Send, origin: str) -> Send:
    """`send` that lets pages of this origin read the answer."""
    allows = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin")]

    async def shared(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *allows]}
        await send(message)

    return shared


async def _preflight(scope: Scope, send: Send) -> None:
    wished = dict(scope["headers"]).get(b"access-control-request-headers", b"")
    headers = [
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", wished[:1_000]),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
