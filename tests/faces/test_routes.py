"""faces.web.routes and faces.web.app: what a client gets, over a real socket."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket
from tests.faces.service import ScriptedService, busy_service
from tests.faces.serving import Reply, Served, context_of, dashboard, serving

from fanlight.faces.api import routes as api_routes
from fanlight.faces.context import VISIT, ActionResult, Visit
from fanlight.faces.web.app import WebFace
from fanlight.faces.web.assets import BUNDLES, asset_url
from fanlight.faces.web.security import CONTENT_SECURITY_POLICY, HEADERS
from fanlight.pages import PAGES
from fanlight.services.actions import UnknownAction
from fanlight.services.parameters import ParameterError
from fanlight.services.runs import RunState, UnknownRun

OPERATOR = "operator-token-0123456789"
VIEWER = "viewer-token-0123456789"
BEARER: dict[str, Any] = {"Authorization": f"Bearer {OPERATOR}"}
LOOKING: dict[str, Any] = {"Authorization": f"Bearer {VIEWER}"}
STRANGERS = {"Authorization", "Cookie", "Host", "X_Forwarded_Prefix", "X_Real_IP"}
BROWSER: dict[str, Any] = {"Accept": "text/html,application/xhtml+xml"}


class RecordedActions:
    """Actions that say what they were asked for."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, Mapping[str, Any], str]] = []

    def role(self, path: str) -> str:
        return "viewer" if path == "look-again" else "operator"

    async def run(self, path: str, given: Mapping[str, Any], visit: Visit) -> ActionResult:
        self.ran.append((path, given, visit.role))
        if path == "restart/nobody":
            raise UnknownAction("There is no service nobody.")
        if path == "nope":
            raise UnknownAction("There is no action 'nope'.", ("clear-cache", "slow"))
        if path == "broken":
            raise RuntimeError("secret detail")
        if "limit" in given:
            raise ParameterError("limit", "limit is 'many'; expected a whole number")
        return ActionResult("running", "under way", "run-1") if path == "slow" else ActionResult("success", "done")

    def follow(self, run: str) -> RunState:
        raise UnknownRun(f"no run {run}")


async def raising(request: Request) -> Response:
    raise RuntimeError("secret detail")


async def told(request: Request) -> Response:
    return JSONResponse({"base": request.scope[VISIT].base, "role": request.scope[VISIT].role})


EXTRA = (Route("/api/raising", raising), Route("/api/told", told))


@pytest.fixture(scope="module")
def service() -> ScriptedService:
    return busy_service(token=OPERATOR, viewer_token=VIEWER)


@pytest.fixture(scope="module")
def actions() -> RecordedActions:
    return RecordedActions()


@pytest.fixture(scope="module")
def served(service: ScriptedService, actions: RecordedActions) -> Iterator[Served]:
    with dashboard(service, actions=actions, extra_routes=EXTRA) as running:
        ask = running.ask

        def ask_as_viewer(path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
            """A request with the viewer's token, unless it says who it is or comes from elsewhere."""
            known = {} if headers.keys() & STRANGERS else LOOKING
            return ask(path, method, body, **known, **headers)

        running.ask = ask_as_viewer  # type: ignore[method-assign]  # of this one service
        yield running


def failures(service: ScriptedService) -> str:
    """The last failure, forgotten with the asking."""
    last, service.recorder.last_failure = service.recorder.last_failure, ""
    return last


@pytest.mark.parametrize(
    "path", ["", "/", "/login", "/nope", "/api/raising", "/static/x.css", "/stats-partial", "/live?page=nope"]
)
def test_every_answer_is_secured(served: Served, service: ScriptedService, path: str) -> None:
    """X-6: the policy and its companions are on every answer, errors included, and nothing is stored."""
    headers = served.ask(f"/dashboard{path}").headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    for name, value in HEADERS:
        assert headers[name.decode()] == value.decode()
    assert headers["cache-control"] == "no-store"
    failures(service)


@pytest.mark.parametrize(
    "path", ["", "/", *(f"/{name}" for name in PAGES), "/pages/logs", "/requests/x", "/services/ollama"]
)
def test_every_page_of_the_design_is_served(served: Served, service: ScriptedService, path: str) -> None:
    """HUB-1, HUB-8, OBS-1, API-2: each page, with and without a slash at its end, with data in the first paint."""
    for address in (f"/dashboard{path}", f"/dashboard{path}/"):
        reply = served.ask(address, **BROWSER)
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("text/html")
        assert '<base href="/dashboard/">' in reply.text
    assert failures(service) == ""


def test_a_request_has_a_page(served: Served, service: ScriptedService) -> None:
    """X-4: /requests/{id} shows the one request that a correlation ID names."""
    assert "/reports/3" in served.ask("/dashboard/requests/slow-1").text


def test_nothing_inline_is_sent(served: Served) -> None:
    """X-6: no inline script, style or handler, so the policy needs no exception."""
    html = served.ask("/dashboard").text
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", html)


def test_the_two_statistics_fragments_are_two_panels(served: Served) -> None:
    """OBS-3, HUB-8: `api/stats-html` is the system pulse, `stats-partial` the cache panel."""
    assert "System pulse" in served.ask("/dashboard/api/stats-html").text
    assert "System pulse" not in served.ask("/dashboard/stats-partial").text


@pytest.mark.parametrize(
    "path", ["stats-partial", "activity-partial", "health-partial", "api/pulse-html", "api/activity-html"]
)
def test_fragments_have_both_addresses(served: Served, path: str) -> None:
    """HUB-8, OBS-3: a panel is served alone under the names of both documents, as its page holds it."""
    name = path.removeprefix("api/").rsplit("-", 1)[0]
    reply = served.ask(f"/dashboard/{path}")
    assert reply.status == 200
    assert reply.text.lstrip().startswith('<section class="panel')
    assert f'id="panel-{name}"' in reply.text


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("nope-partial", "activity"),
        ("api/nope-html", "activity"),
        ("nope", "requests"),
        ("actions/nope", "clear-cache"),
        ("api/nope", "api/openapi.json"),
    ],
)
def test_what_does_not_exist_names_what_does(served: Served, path: str, names: str) -> None:
    """ORC-3, HUB-8: 404 in the one error format, with the names there are."""
    method = "POST" if path.startswith("actions") else "GET"
    reply = served.ask(f"/dashboard/{path}", method, **BEARER)
    assert reply.status == 404
    assert set(reply.json["error"]) == {"code", "message", "detail"}
    assert reply.json["error"]["code"] == "not_found"
    assert names in reply.json["error"]["detail"]


def test_browsers_get_errors_as_pages(served: Served) -> None:
    """X-6: a person sees a page, with what they sent shown as text; programs get the document."""
    reply = served.ask("/dashboard/%3Cscript%3Ealert(1)%3C%2Fscript%3E", **BROWSER)
    assert reply.status == 404
    assert reply.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in reply.text
    assert '<base href="/dashboard/">' in reply.text
    assert '<a href="./">To the dashboard</a>' in reply.text
    assert served.ask("/dashboard/nope", HX_Request="true", **BROWSER).json["error"]["code"] == "not_found"
    assert served.ask("/dashboard/api/nope", **BROWSER).json["error"]["code"] == "not_found"


def test_a_failure_is_counted_and_tells_nothing(served: Served, service: ScriptedService) -> None:
    """ORC-3, TTY-6: an exception becomes a plain 500 in the error format; its text stays inside."""
    reply = served.ask("/dashboard/api/raising")
    assert (reply.status, reply.json["error"]["code"]) == (500, "internal")
    assert "secret" not in reply.text
    assert "secret detail" in failures(service)


def test_a_query_that_makes_no_sense(served: Served) -> None:
    """ORC-3: a page falls back and says so, a fragment answers 422 and names the parameter."""
    page = served.ask("/dashboard/requests?range=2y")
    assert (page.status, "The defaults are shown" in page.text) == (200, True)
    fragment = served.ask("/dashboard/stats-partial?range=2y")
    assert (fragment.status, fragment.json["error"]["detail"]) == (422, "range")


def test_wrong_methods_are_refused_with_what_is_allowed(served: Served) -> None:
    """ORC-3: 405 in the error format with the Allow header; GET never runs an action."""
    assert served.ask("/dashboard/logs", "POST", **BEARER).status == 405
    reply = served.ask("/dashboard/actions/clear-cache", **BEARER)
    assert (reply.status, reply.headers["allow"], reply.json["error"]["code"]) == (405, "POST", "method_not_allowed")


@pytest.mark.parametrize("path", ["", "/logs", "/stats-partial", "/live", "/login", "/nope"])
def test_head_is_get_without_a_body(served: Served, path: str) -> None:
    """ORC-3: HEAD answers as GET does, and leaves no stream open."""
    assert served.ask(f"/dashboard{path}", "HEAD").body == b""


def test_pages_are_compressed_when_asked(served: Served) -> None:
    """HUB-11: gzip for pages and fragments, never unasked."""
    plain = served.ask("/dashboard/pages/logs")
    packed = served.ask("/dashboard/pages/logs", Accept_Encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert b"<!doctype html>" in gzip.decompress(packed.body)
    assert len(packed.body) < len(plain.body) / 2


@pytest.mark.parametrize("name", BUNDLES)
def test_assets_are_kept_for_ever(served: Served, name: str) -> None:
    """HUB-1: hashed names, immutable, compressed, answered with 304 when known."""
    path = f"/dashboard/{asset_url(name)}"
    plain = served.ask(path)
    assert "immutable" in plain.headers["cache-control"]
    assert gzip.decompress(served.ask(path, Accept_Encoding="gzip").body) == plain.body
    assert served.ask(path, If_None_Match=plain.headers["etag"]).status == 304


def test_assets_need_no_role(served: Served) -> None:
    """X-6: a refusal page can be styled; the files say nothing of the service."""
    assert served.ask(f"/dashboard/{asset_url('app.css')}", Host="evil.example").status == 200


def test_extra_routes_know_their_visit(served: Served) -> None:
    """ORC-3: the JSON routes given to the face are behind the same gate and know the root and the role."""
    assert served.ask("/dashboard/api/told").json == {"base": "/dashboard", "role": "viewer"}
    assert served.ask("/dashboard/api/told", **BEARER).json["role"] == "operator"
    assert served.ask("/dashboard/api/told", Host="evil.example").status == 401


def test_behind_a_proxy_the_root_is_the_browsers(served: Served) -> None:
    """HUB-1: a proxy's prefix is part of every address, for those with a token; the proxy closes the local way in."""
    reply = served.ask("/dashboard", X_Forwarded_Prefix="/svc", **BEARER)
    assert '<base href="/svc/dashboard/">' in reply.text
    assert served.ask("/dashboard", X_Forwarded_Prefix="/svc").status == 401
    forged = served.ask("/dashboard", X_Forwarded_Prefix='//evil.example/"><script>', **BEARER)
    assert '<base href="/dashboard/">' in forged.text


def test_any_mount_any_prefix() -> None:
    """HUB-1: under a mount, a root_path and a prefix of its own, pages and links stay below the root."""
    service = busy_service(prefix="/ops/live")
    face = WebFace(context_of(service))
    app = Router(routes=[Mount("/m/{tenant}", app=face)])
    with serving(app) as served:
        assert '<base href="/m/one/ops/live/">' in served.ask("/m/one/ops/live/logs").text
    with serving(face, root_path="/svc") as served:
        assert '<base href="/svc/ops/live/">' in served.ask("/ops/live/logs").text


def test_two_hosts_are_none(served: Served) -> None:
    """X-6: a second Host header never passes for the first."""
    assert served.ask("/dashboard", X_Real_IP="127.0.0.1").status == 401
    assert "evil.example" in served.ask("/dashboard", Host="evil.example", **BROWSER).text


ACTIONS = ("clear-cache", "restart/ollama", "breakers/ollama/trip", "breakers/ollama/reset", "pipelines/nightly")


@pytest.mark.parametrize("path", ACTIONS)
def test_actions_run_for_operators(served: Served, actions: RecordedActions, path: str) -> None:
    """HUB-7, HUB-8: each action of the design is run by its path and the role, and reports what became of it."""
    reply = served.ask(f"/dashboard/actions/{path}", "POST", **BEARER)
    assert (reply.status, reply.json) == (200, {"status": "success", "message": "done", "run": None})
    assert actions.ran[-1] == (path, {}, "operator")


BODIES: tuple[tuple[bytes, str, dict[str, Any]], ...] = (
    (b'{"name": "a b", "force": true}', "application/json; charset=utf-8", {"name": "a b", "force": True}),
    (b"name=a+b&force=on&note=", "application/x-www-form-urlencoded", {"name": "a b", "force": "on", "note": ""}),
    (b"  ", "", {}),
)


@pytest.mark.parametrize(("body", "kind", "given"), BODIES)
def test_an_action_gets_what_is_sent(
    served: Served, actions: RecordedActions, body: bytes, kind: str, given: dict[str, Any]
) -> None:
    """HUB-7: JSON of a program and the form of a page give the same."""
    assert served.ask("/dashboard/actions/index", "POST", body, **BEARER, Content_Type=kind).status == 200
    assert actions.ran[-1] == ("index", given, "operator")


WRONG_BODIES = (
    (b"[1]", "application/json", 422),
    (b'{"a":' * 5000, "application/json", 422),
    (b"a=1", "multipart/form-data; boundary=x", 415),
    (b"x" * 40_000, "application/json", 413),
    (b"&".join(b"a%d=1" % n for n in range(60)), "application/x-www-form-urlencoded", 413),
    (b'{"limit": "many"}', "application/json", 422),
)


@pytest.mark.parametrize(("body", "kind", "status"), WRONG_BODIES)
def test_a_wrong_body_is_refused_in_one_line(served: Served, body: bytes, kind: str, status: int) -> None:
    """HUB-7, X-6: what is no set of values, too large, or of a wrong type runs nothing."""
    reply = served.ask("/dashboard/actions/index", "POST", body, **BEARER, Content_Type=kind)
    assert (reply.status, set(reply.json["error"])) == (status, {"code", "message", "detail"})


def test_an_action_may_be_for_viewers(served: Served, actions: RecordedActions) -> None:
    """HUB-7: an action declared for viewers is run by one; no other is."""
    assert served.ask("/dashboard/actions/look-again", "POST", **LOOKING).status == 200
    assert actions.ran[-1] == ("look-again", {}, "viewer")
    assert served.ask("/dashboard/actions/index", "POST", **LOOKING).status == 403


def test_actions_tell_the_truth(served: Served, service: ScriptedService) -> None:
    """HUB-7: what goes on says so, what is unknown is a 404, what fails is counted."""
    running = served.ask("/dashboard/actions/slow", "POST", **BEARER)
    assert (running.status, running.json["run"]) == (202, "run-1")
    unknown = served.ask("/dashboard/actions/restart/nobody", "POST", **BEARER)
    assert (unknown.status, unknown.json["error"]["message"]) == (404, "There is no service nobody.")
    assert served.ask("/dashboard/actions/broken", "POST", **BEARER).status == 500
    assert "secret detail" in failures(service)


def test_actions_are_refused_to_viewers_and_other_sites(served: Served, actions: RecordedActions) -> None:
    """HUB-7, X-6: neither a viewer nor another site's page can act."""
    before = len(actions.ran)
    assert served.ask("/dashboard/actions/clear-cache", "POST").status == 403
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert served.ask("/dashboard/actions/clear-cache", "POST", None, **BEARER, **headers).status == 403
    assert len(actions.ran) == before


def cookie_of(reply: Reply) -> str:
    return reply.headers["set-cookie"].split(";")[0]


def test_the_login_link_logs_in(served: Served) -> None:
    """X-6: the link sets a cookie made of the token and leads to the root without the token in the address."""
    reply = served.ask(f"/dashboard/login?token={OPERATOR}", Host="chat.example")
    assert (reply.status, reply.headers["location"]) == (303, "/dashboard/")
    assert OPERATOR not in reply.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/dashboard"} <= set(reply.headers["set-cookie"].split("; "))
    told = served.ask("/dashboard/api/told", Host="chat.example", Cookie=cookie_of(reply))
    assert told.json["role"] == "operator"


def test_the_login_form_logs_in(served: Served) -> None:
    """X-6: a refused browser gets a form, whose token logs in; another site's form does not."""
    refused = served.ask("/dashboard/logs", Host="chat.example", **BROWSER)
    assert refused.status == 401
    assert '<form class="login" method="post" action="login">' in refused.text
    form: dict[str, Any] = {"Content-Type": "application/x-www-form-urlencoded", "Host": "chat.example"}
    body = f"token={OPERATOR}".encode()
    assert served.ask("/dashboard/login", "POST", body, **form, Origin="http://chat.example").status == 303
    assert served.ask("/dashboard/login", "POST", body, **form, Origin="http://evil.example").status == 403
    assert served.ask("/dashboard/login", "POST", b"x" * 5_000, **form).status == 413


def test_logout_takes_the_cookie_away(served: Served) -> None:
    """X-6: logging out ends the session of that browser."""
    reply = served.ask("/dashboard/logout", "POST")
    assert (reply.status, "Max-Age=0" in reply.headers["set-cookie"]) == (303, True)


def test_a_wrong_token_is_refused(served: Served) -> None:
    """X-6: a login with a wrong token is a 401 with the form again."""
    reply = served.ask("/dashboard/login?token=wrong", Host="chat.example", **BROWSER)
    assert (reply.status, 'action="login"' in reply.text) == (401, True)


def test_what_is_delivered_is_counted() -> None:
    """OBS-2: refreshes delivered and requests by htmx are counted."""
    service = ScriptedService()
    with dashboard(service) as served:
        served.ask("/dashboard")
        served.ask("/dashboard/stats-partial", HX_Request="true")
        served.ask("/dashboard/nope", HX_Request="true")
    service.tick()
    own = service.snapshot().own
    assert (own.refreshes, own.htmx_events) == (2, 2)


def test_the_json_face_sits_behind_the_gate() -> None:
    """API-2, API-10: JSON and metrics are served under the root, to those the gate lets in."""
    service = busy_service(token=OPERATOR)
    context = context_of(service)
    with serving(WebFace(context, api_routes(context))) as served:
        assert served.ask("/dashboard/api/data", **BEARER).json["service"] == "chat-api"
        assert served.ask("/dashboard/metrics").status == 401
        assert served.ask("/dashboard/metrics", Host="chat.example").status == 401
        assert served.ask("/dashboard/metrics", Host="chat.example", **BEARER).status == 200


def test_the_applications_error_handling_is_not_reached() -> None:
    """TTY-6: inside an application with handlers of its own, the dashboard's errors stay the dashboard's."""
    service = ScriptedService()
    face = WebFace(replace(context_of(service), extra_routes=EXTRA))
    seen: list[object] = []

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        handlers = ({RuntimeError: seen.append}, {404: seen.append})
        await face({**scope, "starlette.exception_handlers": handlers, "app": object()}, receive, send)  # type: ignore[arg-type]

    with serving(app) as served:  # type: ignore[arg-type]
        assert served.ask("/dashboard/api/raising").status == 500
        assert served.ask("/dashboard/nope").status == 404
    assert seen == []


def handshake(face: WebFace, headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """What a WebSocket handshake from this machine is answered with."""
    sent: list[dict[str, Any]] = []
    given = [(name.encode(), value.encode()) for name, value in {"host": "localhost:8001", **headers}.items()]
    scope = {"type": "websocket", "path": "/dashboard/api/live", "headers": given, "client": ("127.0.0.1", 9)}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    asyncio.run(face({**scope, "http_version": "1.1", "query_string": b"", "subprotocols": []}, receive, send))
    return sent


async def accepting(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")


def test_websockets_pass_the_same_gate() -> None:
    """X-6: a handshake from another site is refused before it is accepted, one from the dashboard's pages gets in."""
    face = WebFace(context_of(ScriptedService(), extra_routes=(WebSocketRoute("/api/live", accepting),)))
    own = handshake(face, {"origin": "http://localhost:8001"})
    assert [message["type"] for message in own] == ["websocket.accept", "websocket.send"]
    for headers in ({"origin": "http://evil.example"}, {"host": "evil.example"}, {"x-forwarded-for": "10.0.0.1"}):
        assert [(message["type"], message["code"]) for message in handshake(face, headers)] == [
            ("websocket.close", 1008)
        ]
