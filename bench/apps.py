"""The applications that are measured, bare and under each middleware."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from driver import App, Message, Subject, by_hand
from fanlight import Fanlight

ROUTES = 30
KINDS = ("bare", "fastapi")


class MissingPeerError(Exception):
    """A peer is not installed; its text names the command that installs it."""


class Contender(NamedTuple):
    """One row of the table; `wraps` maps the kind of application to what puts the middleware on it."""

    name: str
    package: str
    wraps: Mapping[str, Callable[[], Subject]]


def module(name: str, package: str) -> Any:
    """A peer's module, untyped."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPeerError(f"pip install {package}") from error


def nothing() -> None:
    """The background work of a middleware that has none."""


async def bare(scope: Message, receive: Any, send: Any) -> None:
    """The least an ASGI application can do."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"ok"})


def fastapi(**options: Any) -> Any:
    """A FastAPI application of 30 routes, its own telemetry off unless asked for."""
    app: Any = module("fastapi", "fastapi").FastAPI(**({"telemetry": {**SILENT}} | options))
    for number in range(ROUTES):
        app.get(f"/r{number}/{{item}}")(_endpoint())
    return app


SILENT = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def _endpoint() -> Callable[[int], Awaitable[dict[str, int]]]:
    """A function of its own for each route, as in any application."""

    async def read(item: int) -> dict[str, int]:
        return {"item": item}

    return read


def paths(kind: str) -> list[str]:
    """What is asked of an application of that kind, in turn."""
    return ["/"] if kind == "bare" else [f"/r{number}/{number}" for number in range(ROUTES)]


def no_op(app: App) -> Subject:
    """A wrapper of `send` that does nothing: what any middleware must cost."""

    async def wrapper(scope: Message, receive: Any, send: Any) -> None:
        async def wrapped_send(message: Message) -> None:
            await send(message)

        await app(scope, receive, wrapped_send)

    return Subject(wrapper, nothing)


def fanlight_bare() -> Subject:
    dashboard = Fanlight("bench", store="memory://")
    return Subject(dashboard.asgi(bare), by_hand(dashboard.pulse))


def fanlight_fastapi() -> Subject:
    dashboard, app = Fanlight("bench", store="memory://"), fastapi()
    dashboard.install(app)
    return Subject(app, by_hand(dashboard.pulse))


def instrumentator_bare() -> Subject:
    middleware = module("prometheus_fastapi_instrumentator.middleware", "prometheus-fastapi-instrumentator")
    return Subject(middleware.PrometheusInstrumentatorMiddleware(bare, registry=_registry()), nothing)


def instrumentator_fastapi() -> Subject:
    peer, app = module("prometheus_fastapi_instrumentator", "prometheus-fastapi-instrumentator"), fastapi()
    peer.Instrumentator(registry=_registry()).instrument(app)
    return Subject(app, nothing)


def _registry() -> Any:
    return module("prometheus_client", "prometheus-client").CollectorRegistry()


def exporter_fastapi() -> Subject:
    peer, app = module("starlette_exporter", "starlette_exporter"), fastapi()
    app.add_middleware(peer.PrometheusMiddleware, app_name="fastapi", prefix="bench_fastapi")
    return Subject(app, nothing)


def telemetry_fastapi() -> Subject:
    """FastAPI's own telemetry (0.165 and later): on as soon as it is given a provider; metrics only."""
    module("fastapi.telemetry", "'fastapi>=0.165'")
    app = fastapi(telemetry={**SILENT, "metrics": True, "meter_provider": _meters()})
    return Subject(app, nothing)


def opentelemetry_bare() -> Subject:
    peer = module("opentelemetry.instrumentation.asgi", "opentelemetry-instrumentation-asgi")
    return Subject(peer.OpenTelemetryMiddleware(bare, meter_provider=_meters(), tracer_provider=_no_traces()), nothing)


def opentelemetry_fastapi() -> Subject:
    peer = module("opentelemetry.instrumentation.fastapi", "opentelemetry-instrumentation-fastapi")
    app = fastapi()
    peer.FastAPIInstrumentor.instrument_app(app, meter_provider=_meters(), tracer_provider=_no_traces())
    return Subject(app, nothing)


def _meters() -> Any:
    metrics = module("opentelemetry.sdk.metrics", "opentelemetry-sdk")
    export = module("opentelemetry.sdk.metrics.export", "opentelemetry-sdk")
    return metrics.MeterProvider(metric_readers=[export.InMemoryMetricReader()])


def _no_traces() -> Any:
    return module("opentelemetry.trace", "opentelemetry-api").NoOpTracerProvider()


BASE = "no middleware"
FANLIGHT = "Fanlight, all on, folding included"
RIVAL = "prometheus-fastapi-instrumentator"

CONTENDERS = (
    Contender(BASE, "", {"bare": lambda: Subject(bare, nothing), "fastapi": lambda: Subject(fastapi(), nothing)}),
    Contender("a wrapper that does nothing", "", {"bare": lambda: no_op(bare), "fastapi": lambda: no_op(fastapi())}),
    Contender(FANLIGHT, "fanlight", {"bare": fanlight_bare, "fastapi": fanlight_fastapi}),
    Contender(RIVAL, RIVAL, {"bare": instrumentator_bare, "fastapi": instrumentator_fastapi}),
    Contender("FastAPI's own telemetry (metrics)", "fastapi", {"fastapi": telemetry_fastapi}),
    Contender("starlette_exporter", "starlette_exporter", {"fastapi": exporter_fastapi}),
    Contender(
        "opentelemetry (metrics)",
        "opentelemetry-instrumentation-fastapi",
        {"bare": opentelemetry_bare, "fastapi": opentelemetry_fastapi},
    ),
)
