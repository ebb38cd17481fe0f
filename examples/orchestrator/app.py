"""The orchestrator with its dashboard: `python examples/orchestrator`, or `uvicorn orchestrator.app:app`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import fanlight
from fanlight import BreakerOpen, Fanlight, Policy
from fanlight.panels import State, Status, StatusItem
from fanlight.probes import http

from .knobs import MOODS, WRAPPERS, Knobs, Mood, Wrapper, WrapperError
from .knowledge import Server, facts_about
from .wrappers import TEMPLATES, Answer, Compiler, Model, route, summarise

TEXT_LIMIT: Final = 20_000
SAMPLE: Final = "Why does the queue grow while the cache is cold? Retry storms make latency worse. Compare both."
STATES: Final[dict[Mood, State]] = {"fine": "ok", "slow": "warn", "fail": "error", "hang": "error"}

log = logging.getLogger("orchestrator")
log.setLevel(logging.INFO)


class Orchestrator(Starlette):
    """An application whose dashboard answers `/health...` and `/api/...` too, beside its own place below the prefix."""

    prefix = "/dashboard"

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve; the dashboard's addresses are led to where it is."""
        path = scope.get("path", "")
        if path == "/health" or path.startswith(("/health/", "/api/")):
            path = self.prefix + path
            scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "replace")}
        await super().__call__(scope, receive, send)


class Pipelines:
    """Runs a text through compiler, knowledge, router and model, each call of a wrapper recorded."""

    def __init__(self, dashboard: Fanlight) -> None:
        self.dashboard = dashboard
        self.knobs = Knobs()
        self.compiler = Compiler()
        self.cache = dashboard.cache("prompts", clear=self.forget)
        self.knowledge: Server | None = None

    def forget(self) -> None:
        """Empty the cache of prompts."""
        self.compiler.clear()
        self.cache.size(0)

    async def run(self, name: str, text: str) -> dict[str, Any]:
        """The answer of a pipeline. Raises WrapperError and BreakerOpen."""
        prompt = await self._compiled(name, text)
        model, scores = await self._routed(prompt)
        answer = await self._answered(model, prompt)
        log.info("pipeline=%s model=%s tokens=%d", name, model.name, answer.input_tokens + answer.output_tokens)
        return {"pipeline": name, "model": model.name, "scores": scores, "answer": answer.text}

    async def _compiled(self, name: str, text: str) -> str:
        known = self.compiler.remembered(name, text)
        if known is not None:
            self.cache.hit()
            return known
        self.cache.miss()
        facts = await self._facts(text) if "{{facts}}" in TEMPLATES[name] else ""
        async with self.dashboard.call("poml", "compile", template=name) as call:
            await self.knobs.suffer("poml")
            prompt = self.compiler.compile(name, {"text": text, "facts": facts, "sentences": "two"})
            call.set(characters=len(prompt))
        self.cache.size(len(self.compiler.prompts))
        return prompt

    async def _facts(self, text: str) -> str:
        server = self.knowledge
        if server is None:
            raise WrapperError(503, "the knowledge API is not started")
        async with self.dashboard.call("knowledge", "GET /facts") as call:
            found = await asyncio.to_thread(facts_about, server.server_port, text)
            call.set(facts=len(found))
        return " ".join(found) or "none"

    async def _routed(self, prompt: str) -> tuple[Model, dict[str, float]]:
        async with self.dashboard.call("routellm", "route") as call:
            await self.knobs.suffer("routellm")
            model, scores = route(prompt)
            call.set(chosen=model.name)
        return model, scores

    async def _answered(self, model: Model, prompt: str) -> Answer:
        async with self.dashboard.call("models", "summarise", kind="llm", model=model.name) as call:
            await self.knobs.suffer("models")
            await asyncio.sleep(0.02 + 0.08 * model.strength)  # as long as a model of its size would think
            answer = summarise(prompt)
            tokens = answer.input_tokens + answer.output_tokens
            call.set(
                input_tokens=answer.input_tokens, output_tokens=answer.output_tokens, usage="exact",
                cost=tokens / 1_000 * model.price, finish_reason="stop",
            )  # fmt: skip
        return answer

    def turn(self, wrapper: Wrapper, mood: Mood) -> str:
        """Turn a knob, and have the dashboard say so."""
        self.knobs.turn(wrapper, mood)
        self.dashboard.event("knob", wrapper=wrapper, mood=mood)
        log.info("knob wrapper=%s mood=%s", wrapper, mood)
        return f"{wrapper} is {mood}"


def create_app(dashboard: Fanlight) -> Orchestrator:
    """The orchestrator, watched by this dashboard."""
    pipelines = Pipelines(dashboard)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pipelines.knowledge = server = Server(pipelines.knobs)
        _declare(dashboard, pipelines, server)
        try:
            yield
        finally:
            await asyncio.to_thread(server.close)

    async def index(request: Request) -> Response:
        return JSONResponse({"pipelines": list(TEMPLATES), "knobs": "/knobs", "dashboard": f"{app.prefix}/"})

    async def run(request: Request) -> Response:
        name, text = request.url.path.rpartition("/")[2], (await _body(request)).get("text")
        if not isinstance(text, str) or not 0 < len(text) <= TEXT_LIMIT:
            return JSONResponse({"error": f"text is missing; expected 1 to {TEXT_LIMIT} characters"}, 422)
        return JSONResponse(await pipelines.run(name, text))

    async def knobs(request: Request) -> Response:
        return JSONResponse(pipelines.knobs.all())

    async def turn(request: Request) -> Response:
        wrapper, mood = request.path_params["wrapper"], (await _body(request)).get("mood")
        if wrapper not in WRAPPERS:
            return JSONResponse({"error": f"there is no wrapper {wrapper!r}; expected one of {WRAPPERS}"}, 404)
        if mood not in MOODS:
            return JSONResponse({"error": f"mood is {mood!r}; expected one of {MOODS}"}, 422)
        return JSONResponse({"said": pipelines.turn(wrapper, mood)})

    app = Orchestrator(
        routes=[
            Route("/", index),
            *(Route(f"/pipelines/{name}", run, methods=["POST"]) for name in TEMPLATES),
            Route("/knobs", knobs),
            Route("/knobs/{wrapper}", turn, methods=["PUT"]),
        ],
        exception_handlers={WrapperError: _failed, BreakerOpen: _refused, OSError: _failed},
        lifespan=lifespan,
    )
    app.prefix = dashboard.settings.prefix
    _panels(dashboard, pipelines)
    dashboard.install(app)
    return app


def _declare(dashboard: Fanlight, pipelines: Pipelines, server: Server) -> None:
    """Say what the orchestrator depends on; a restart of any of them turns its knob back."""

    def restart(wrapper: Wrapper) -> Any:
        async def run() -> str:
            return pipelines.turn(wrapper, "fine")

        return run

    policy = Policy(failures=5, recovery=3.0)
    dashboard.service("routellm", breaker=policy, restart=restart("routellm"))
    dashboard.service("poml", restart=restart("poml"))
    dashboard.service(
        "knowledge", kind="http", probe=http(server.url), breaker=policy, restart=restart("knowledge"), interval=2.0
    )
    dashboard.service("models", kind="llm", restart=restart("models"))


def _panels(dashboard: Fanlight, pipelines: Pipelines) -> None:
    @dashboard.panel("Knobs", every=1)
    def knobs() -> Status:
        items = [StatusItem(name=name, state=STATES[mood], text=mood) for name, mood in pipelines.knobs.all().items()]
        return Status(note="how each wrapper behaves", items=tuple(items))

    @dashboard.action("Turn a knob", name="turn-knob", concurrent=True)
    async def turn(wrapper: Wrapper = "routellm", mood: Mood = "slow") -> str:
        return pipelines.turn(wrapper, mood)

    @dashboard.action("Run every pipeline", confirm="Run every pipeline once?", timeout=120)
    async def run_pipelines() -> str:
        for number, name in enumerate(TEMPLATES):
            fanlight.progress(number, len(TEMPLATES), name)
            await pipelines.run(name, SAMPLE)
        return f"{len(TEMPLATES)} pipelines"


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _failed(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 504 if isinstance(error, TimeoutError) else 502)
    log.warning("pipeline failed path=%s reason=%s", request.url.path, error)
    return JSONResponse({"error": str(error)}, status)


async def _refused(request: Request, error: Exception) -> Response:
    seconds = max(1, round(getattr(error, "retry_after", None) or 1))
    return JSONResponse({"error": str(error)}, 503, {"Retry-After": str(seconds)})


dashboard = Fanlight("orchestrator", release="2.0.0")
app = create_app(dashboard)
