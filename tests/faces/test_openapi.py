"""faces.api.openapi: the description is sound, complete, and what the routes really answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Mount, Router
from tests.faces.service import busy_service, get

from fanlight.faces.api import routes
from fanlight.faces.api.endpoints import ENDPOINTS, Endpoint
from fanlight.pages import PANELS

OPERATION = {"operationId", "summary", "parameters", "responses"}


def description() -> Any:
    """The document as served."""
    return busy_service().get("/api/openapi.json").json


def everything(part: Any) -> Iterator[Any]:
    """A document's parts, all of them."""
    yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from everything(inner)


def check(schema: dict[str, Any], document: Any, body: Any) -> None:
    """The body is what the schema says."""
    Draft202012Validator({**schema, "components": document["components"]}).validate(body)


def content(document: Any, path: str, code: int) -> dict[str, Any]:
    """The JSON schema of what a path answers with a status."""
    response = document["paths"][path]["get"]["responses"][str(code)]
    schema: dict[str, Any] = response["content"]["application/json"]["schema"]
    return schema


def test_structure() -> None:
    """ORC-3: OpenAPI 3.1 with unique operation ids, declared path values and described responses."""
    document = description()
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    operations = [path["get"] for path in document["paths"].values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for path, item in document["paths"].items():
        operation = item["get"]
        assert set(operation) == OPERATION
        in_path = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        names = [(parameter["in"], parameter["name"]) for parameter in operation["parameters"]]
        assert len(set(names)) == len(names)
        assert all(response["description"] for response in operation["responses"].values())


def test_references_lead_somewhere_and_schemas_are_sound() -> None:
    """ORC-3: every $ref is defined, and every schema is JSON Schema 2020-12."""
    document = description()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    references = {part["$ref"] for part in everything(document) if isinstance(part, dict) and "$ref" in part}
    assert references
    assert references <= known
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_json_route_is_described() -> None:
    """ORC-3: what is routed is described and the other way round, the Prometheus text apart."""
    routed = {route.path.replace(":path", "") for route in routes(busy_service().context)}
    assert routed - {"/metrics"} == set(description()["paths"])


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if not endpoint.missing])
def test_answers_match_their_schema(endpoint: Endpoint) -> None:
    """ORC-3: each route answers 200 with a body its schema accepts."""
    service, document = busy_service(), description()
    answer = service.get(endpoint.path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    check(content(document, endpoint.path, 200), document, answer.json)


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if endpoint.missing])
def test_what_is_missing_matches_the_error_schema(endpoint: Endpoint) -> None:
    """ORC-3: an unknown name answers 404 in the one error format."""
    document = description()
    answer = busy_service().get(endpoint.path.replace("{id}", "nope").replace("{name}", "nope"))
    assert answer.status == 404
    check(content(document, endpoint.path, 404), document, answer.json)


def test_a_found_request_matches_its_schema() -> None:
    """API-3: a request looked up by its correlation ID is described too."""
    document = description()
    answer = busy_service().get("/api/requests/bad-1")
    check(content(document, "/api/requests/{id}", 200), document, answer.json)


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_matches_its_schema(name: str) -> None:
    """X-5: each panel of the dashboard is answered as data that its schema accepts."""
    document = description()
    answer = busy_service().get(f"/api/panels/{name}?id=bad-1")
    assert answer.status == 200
    check(content(document, "/api/panels/{name}", 200), document, answer.json)


def declared() -> list[Any]:
    """Every query parameter of every route: (path, parameter)."""
    return [
        pytest.param(endpoint, parameter["name"], parameter["schema"], id=f"{endpoint.name}-{parameter['name']}")
        for endpoint in ENDPOINTS
        for parameter in description()["paths"][endpoint.path]["get"]["parameters"]
        if parameter["in"] == "query"
    ]


@pytest.mark.parametrize(("endpoint", "name", "schema"), declared())
def test_every_parameter_refuses_nonsense_by_name(endpoint: Endpoint, name: str, schema: dict[str, Any]) -> None:
    """ORC-3: a wrong value of any described parameter is 422 and names the parameter."""
    document = description()
    path = endpoint.path.replace("{id}", "bad-1").replace("{name}", "health")
    wrong = "x" * 300 if schema == {"type": "string", "maxLength": 200} else "\x00 nonsense"
    answer = busy_service().get(f"{path}?{urlencode({name: wrong})}")
    assert answer.status == 422
    check(content(document, endpoint.path, 422), document, answer.json)
    assert answer.json["error"]["detail"] == name or {name, answer.json["error"]["detail"]} == {"from", "to"}


def test_the_server_is_where_the_dashboard_is_mounted() -> None:
    """ORC-3: under a prefix or behind a sub-path proxy the description names the mount point."""
    app = Router(routes=[Mount("/watch", routes=routes(busy_service().context))])
    assert get(app, "/watch/api/openapi.json").json["servers"] == [{"url": "/watch"}]
    assert description()["servers"] == [{"url": "/"}]
