"""Flask and Django, real ones: route templates and the exceptions they answer themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import AsyncToSync
from asgiref.wsgi import WsgiToAsgi
from flask import Blueprint, Flask, Response, abort
from tests.capture import django_project
from tests.capture.conftest import ListRecorder, http_scope, run
from tests.capture.wsgi_specimen import wsgi_capture
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from fanlight.capture.frameworks import template
from fanlight.core.context import correlation_id


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    yield
    correlation_id.set("")


def flask_app() -> Flask:
    app = Flask("shop", static_folder=None)
    orders = Blueprint("orders", __name__, url_prefix="/orders")

    @app.get("/users/<int:user_id>/<path:rest>")
    def user(user_id: int, rest: str) -> str:
        return rest

    @orders.get("/<order>")
    def order(order: str) -> str:
        return abort(404) if order == "none" else order

    @app.post("/boom")
    def boom() -> str:
        raise RuntimeError("secret=hunter2 went wrong")

    @app.get("/events")
    def events() -> Response:
        return Response(iter(["data: 1\n\n"]), mimetype="text/event-stream")

    app.register_blueprint(orders)
    return app


def seen(recorder: ListRecorder) -> list[tuple[str, str, int]]:
    return [(fact["method"], fact["template"], fact["status"]) for fact in recorder.requests()]


def test_flask(recorder: ListRecorder) -> None:
    """X-8, HUB-3: rules become templates, those of blueprints too; the exception behind a 500 is kept."""
    app = flask_app()
    app.wsgi_app = wsgi_capture(app.wsgi_app, recorder)  # type: ignore[method-assign]  # Flask's own way
    client = app.test_client()
    for path in ("/users/7/a/b", "/orders/1f", "/orders/none", "/nowhere", "/events", "/boom"):
        client.get(path).close()
    client.post("/boom").close()
    assert seen(recorder) == [
        ("GET", "/users/{user_id}/{rest}", 200),
        ("GET", "/orders/{order}", 200),
        ("GET", "/orders/{order}", 404),
        ("GET", "unmatched", 404),
        ("GET", "/events", 200),
        ("GET", "/boom", 405),
        ("POST", "/boom", 500),
    ]
    failed = recorder.requests()[-1]
    assert failed["error"].startswith("RuntimeError: secret=[redacted] went wrong")
    assert recorder.failures == []


def test_a_mounted_flask_keeps_its_mount(recorder: ListRecorder) -> None:
    """X-8: an application mounted in another counts under its mount; what the server mounts both at does not."""
    mounted = DispatcherMiddleware(flask_app(), {"/admin": flask_app()})
    client = Client(wsgi_capture(mounted, recorder))
    client.get("/admin/orders/5", base_url="http://localhost/site").close()
    client.get("/orders/5").close()
    assert [fact["template"] for fact in recorder.requests()] == ["/admin/orders/{order}", "/orders/{order}"]
    assert recorder.requests()[0]["path"] == "/site/admin/orders/5"


def test_flask_behind_an_adapter_of_asgi(recorder: ListRecorder) -> None:
    """TTY-6: `send` is still a coroutine function, as asgiref, which bridges Flask to ASGI, wants (it warns of others,
    and warnings are errors here)."""
    bridge = WsgiToAsgi(flask_app())  # type: ignore[no-untyped-call]  # asgiref has no types here
    sent = run(bridge, recorder, http_scope("/orders/1f"))
    assert [message["type"] for message in sent[:2]] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200
    assert [fact["status"] for fact in recorder.requests()] == [200]


def test_a_bridge_over_a_websocket(recorder: ListRecorder) -> None:
    """TTY-6: the same of a WebSocket's `send`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bridged.append(AsyncToSync(send))
        await send({"type": "websocket.close"})

    bridged: list[Any] = []
    run(app, recorder, http_scope(type="websocket"))
    assert len(bridged) == 1


@pytest.fixture(scope="module")
def django_app() -> Any:
    return django_project.application


def test_django(django_app: Any, recorder: ListRecorder) -> None:
    """X-8, HUB-3: path() and re_path() become templates, for files and streams too; the exception is kept."""
    client = Client(wsgi_capture(django_app, recorder))
    for path in ("/users/7/orders/a-b", "/users/7/orders/none", "/years/1999-12/", "/file", "/stream", "/nowhere"):
        client.get(path).close()
    client.get("/boom").close()
    assert seen(recorder) == [
        ("GET", "/users/{pk}/orders/{order}", 200),
        ("GET", "/users/{pk}/orders/{order}", 404),
        ("GET", "/years/{year}/", 200),
        ("GET", "/file", 200),
        ("GET", "/stream", 200),
        ("GET", "unmatched", 404),
        ("GET", "/boom", 500),
    ]
    assert recorder.requests()[-1]["error"].startswith("RuntimeError: secret=[redacted] went wrong")
    assert recorder.failures == []


def test_a_django_file_sent_by_the_server(django_app: Any, recorder: ListRecorder) -> None:
    """X-8: with the server's own file wrapper the response is the server's, and the template still found."""
    from wsgiref.util import FileWrapper, setup_testing_defaults

    environ: dict[str, Any] = {"PATH_INFO": "/file", "wsgi.file_wrapper": FileWrapper}
    setup_testing_defaults(environ)
    body = wsgi_capture(django_app, recorder)(environ, lambda status, headers: None)
    assert type(body) is FileWrapper
    assert b"urlpatterns" in b"".join(body)
    body.close()
    assert seen(recorder) == [("GET", "/file", 200)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("/", "/"),
        ("/a/<b>", "/a/{b}"),
        ("/a/<int(min=1):b>/<any(x,y):c>", "/a/{b}/{c}"),
        ("/^a/(?P<b>[0-9]{4})/$", "/a/{b}/"),
        (r"/^a/(\d+)/(?:page-(?P<n>\d+)/)?$", "/a/{arg}/{arg}"),
        (r"/^a\.json\Z", "/a.json"),
        ("/users/<int:pk>/^extra/(?P<x>.*)$", "/users/{pk}/extra/{x}"),
        ("/(((((", "/{arg}"),
    ],
)
def test_rules_become_templates(rule: str, expected: str) -> None:
    """HUB-3, X-8: what frameworks write is shown in one way, whatever it holds."""
    assert template(rule) == expected
