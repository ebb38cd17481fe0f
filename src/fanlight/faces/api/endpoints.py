"""The table of JSON routes: what each answers, and what can be asked of it; routing and OpenAPI are made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fanlight.faces.api import charts, documents, models, services
from fanlight.faces.api import parameters as query
from fanlight.faces.api.data import Data, data
from fanlight.faces.api.documents import Asked
from fanlight.faces.api.parameters import Parameter
from fanlight.faces.tui.document import PageDocument


def _always_ok(document: Any) -> int:
    return 200


def _liveness_status(document: Any) -> int:
    return 503 if document.status == "down" else 200


@dataclass(frozen=True)
class Endpoint:
    """One route: `build` makes its `document` on a thread; `missing` says what 404 means; `csv` its other form,
    `pieces` the same document where it is streamed."""

    path: str
    name: str
    summary: str
    document: type
    build: Callable[[Asked], Any]
    parameters: tuple[Parameter, ...] = (query.SCOPE,)
    missing: str = ""
    status: Callable[[Any], int] = _always_ok
    csv: Callable[[Asked], Iterator[str]] | None = None
    pieces: Callable[[Asked], Iterator[str]] | None = None


def _data(asked: Asked) -> Data:
    return data(asked.snapshot, asked.breathe)


PAGE_PARAMETERS: Final = (
    query.SCOPE,
    *query.SPAN,
    query.SORT,
    query.STATUS,
    query.METHOD,
    query.ROUTE,
    query.LEVEL,
    query.KIND,
    query.AFTER,
)
"""What can be asked of a page, once or as a stream."""

PAGE_STREAM: Final = "/api/pages/{name}/stream"

_REQUEST_LIST: Final = (
    query.SCOPE,
    query.LIMIT,
    query.KIND,
    query.STATUS,
    query.METHOD,
    query.ROUTE,
    query.ERROR_TYPE,
    query.REQUEST_TEXT,
    *query.SPAN[1:],
)

ENDPOINTS: Final = (
    Endpoint("/api/data", "data", "The whole dashboard in one document.", Data, _data),
    Endpoint("/api/stats", "stats", "The system pulse.", documents.Stats, documents.stats),
    Endpoint(
        "/api/requests",
        "requests",
        "Kept requests, the newest first.",
        documents.Requests,
        documents.requests,
        _REQUEST_LIST,
    ),
    Endpoint(
        "/api/requests/{id}",
        "request",
        "The requests an id or correlation ID names, with their logs.",
        documents.OneRequest,
        documents.one_request,
        missing="Nothing kept has that id or correlation ID.",
    ),
    Endpoint(
        "/api/logs",
        "logs",
        "Kept log lines, the newest first.",
        documents.Logs,
        documents.logs,
        (query.SCOPE, query.LOG_LIMIT, query.LEVEL, query.LOG_TEXT),
    ),
    Endpoint("/api/services", "services", "What is depended on.", services.Services, services.services),
    Endpoint("/api/models", "models", "Language models called.", models.Models, models.models),
    Endpoint(
        "/api/pages/{name}",
        "page",
        "A page of the dashboard as data: all its panels, its surroundings and the newest log lines.",
        PageDocument,
        documents.one_page,
        PAGE_PARAMETERS,
        missing="There is no such page.",
    ),
    Endpoint(
        "/api/panels/{name}",
        "panel",
        "A panel of the dashboard as data.",
        documents.OnePanel,
        documents.one_panel,
        (query.SCOPE, *query.SPAN, query.STATUS, query.METHOD, query.ROUTE, query.LEVEL, query.KIND),
        missing="There is no such panel.",
    ),
    Endpoint(
        "/api/runs/{id}",
        "run",
        "How a run of an action stands.",
        documents.OneRun,
        documents.one_run,
        (),
        missing="No run has that id, or it ended more than fifteen minutes ago.",
    ),
    Endpoint(
        "/api/system/health",
        "system_health",
        "How the service is, judged over the last 15 minutes.",
        documents.SystemHealth,
        documents.system_health,
    ),
    Endpoint(
        "/api/wrappers/health",
        "wrappers_health",
        "Every wrapper's health.",
        services.WrappersHealth,
        services.wrappers_health,
    ),
    Endpoint(
        "/api/wrappers/{name}/metrics",
        "wrapper_metrics",
        "One wrapper's operations.",
        services.WrapperMetrics,
        services.wrapper_metrics,
        (query.SCOPE, query.HOURS),
        missing="There is no such wrapper.",
    ),
    Endpoint(
        "/api/metrics/export",
        "metrics_export",
        "All figures of the range, as JSON or CSV.",
        charts.Export,
        charts.export,
        (query.SCOPE, *query.SPAN, query.FORMAT, query.TABLE),
        csv=charts.csv_lines,
        pieces=charts.export_pieces,
    ),
    Endpoint(
        "/api/charts/performance",
        "performance_chart",
        "Success rate and response time, step by step.",
        charts.PerformanceChart,
        charts.performance,
        (query.SCOPE, *query.SPAN),
    ),
    Endpoint("/api/charts/health", "health_chart", "Health scores.", charts.HealthChart, charts.health),
    Endpoint(
        "/health",
        "health",
        "Whether the service answers; 503 only when something it requires is down.",
        documents.Liveness,
        documents.liveness,
        status=_liveness_status,
    ),
    Endpoint(
        "/health/{name}",
        "service_health",
        "One service's health.",
        services.Service,
        services.service_liveness,
        missing="There is no such service.",
    ),
)
"""Every JSON route but `/api/openapi.json` itself."""

EXPORT: Final = next(endpoint for endpoint in ENDPOINTS if endpoint.csv)
"""The one that is also given as CSV."""
