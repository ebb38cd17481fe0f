"""`GET /api/openapi.json`: the JSON face described in OpenAPI 3.1, made from the table of routes and its documents."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import msgspec

from fanlight.faces.api.endpoints import ENDPOINTS, PAGE_STREAM, Endpoint
from fanlight.faces.tui.document import PageUpdate
from fanlight.version import VERSION

_REFERENCE: Final = "#/components/schemas/{name}"
_PATH_VALUE: Final = re.compile(r"\{(\w+)\}")

REFUSALS: Final = (
    ("401", "A token is needed."),
    ("403", "This caller is not let in."),
    ("500", "Fanlight itself failed; the failure is counted."),
)
"""What any route may answer besides its own."""


class ErrorText(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong: a code for programs, a message for people, a detail."""

    code: str
    message: str
    detail: str


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """The one error format."""

    error: ErrorText


def document(service: str, root: str) -> dict[str, Any]:
    """The description of a dashboard whose root is the path `root` ("" for none)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Fanlight: {service}",
            "version": VERSION,
            "description": "Times are RFC 3339 UTC, durations milliseconds, rates percent, lists newest first.",
        },
        "servers": [{"url": root or "/"}],
        "security": [{}, {"bearer": []}],
        **_described(),
    }


@cache
def _described() -> dict[str, Any]:
    """What does not depend on where it is asked: paths and schemas."""
    types = [endpoint.document for endpoint in ENDPOINTS]
    schemas, components = msgspec.json.schema_components([*types, PageUpdate, Error], ref_template=_REFERENCE)
    *documents, update, error = schemas
    paths = {
        endpoint.path: {"get": _operation(endpoint, schema, error)}
        for endpoint, schema in zip(ENDPOINTS, documents, strict=True)
    }
    bearer = {"type": "http", "scheme": "bearer", "description": "A token of the dashboard's settings."}
    return {
        "paths": paths | {PAGE_STREAM: {"get": _streamed(update, error)}, "/api/openapi.json": {"get": _itself()}},
        "components": {"schemas": components, "securitySchemes": {"bearer": bearer}},
    }


def _operation(endpoint: Endpoint, schema: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if endpoint.csv:
        content["text/csv"] = {"schema": {"type": "string"}}
    responses = {"200": {"description": endpoint.summary, "content": content}}
    if endpoint.status is not ENDPOINTS[0].status:
        responses["503"] = {"description": "Something required is down.", "content": content}
    wrong = [("422", "A parameter's value is wrong; the message names it.")]
    if endpoint.missing:
        wrong.append(("404", endpoint.missing))
    for code, text in (*wrong, *REFUSALS):
        responses[code] = {"description": text, "content": {"application/json": {"schema": error}}}
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_path_values(endpoint.path), *_query_values(endpoint)],
        "responses": dict(sorted(responses.items())),
    }


def _streamed(update: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    (page,) = (endpoint for endpoint in ENDPOINTS if f"{endpoint.path}/stream" == PAGE_STREAM)
    content = {"application/x-ndjson": {"schema": update}}
    summary = "A page as it changes, a document a line."
    operation = _operation(page, update, error)
    responses = {**operation["responses"], "200": {"description": summary, "content": content}}
    full = {"description": "All streams are taken.", "content": {"application/json": {"schema": error}}}
    return {**operation, "operationId": "page_stream", "summary": summary, "responses": {**responses, "503": full}}


def _path_values(path: str) -> Iterable[dict[str, Any]]:
    for name in _PATH_VALUE.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_values(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for parameter in endpoint.parameters:
        yield {
            "name": parameter.name,
            "in": "query",
            "required": False,
            "description": parameter.description,
            "schema": dict(parameter.schema),
        }


def _itself() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}}}
    summary = "This description."
    return {
        "operationId": "openapi",
        "summary": summary,
        "parameters": [],
        "responses": {"200": {"description": summary, "content": content}},
    }
