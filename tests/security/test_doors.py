"""Who gets in, over real sockets: names, addresses, proxies and request targets somebody made up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.security.wire import PARSERS, Parser, Wire, collected, dashboard, served

from fanlight.faces.web.access import Caller, decide, forwarding_header
from fanlight.faces.web.addresses import root_of
from fanlight.faces.web.session import cookie_name, make_session
from fanlight.settings import Settings

TOKEN = "operator-token-0123456789"
LOCAL = "Host: localhost"


@pytest.fixture(scope="module", params=PARSERS)
def door(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """A dashboard without a token."""
    parser: Parser = request.param
    with served(dashboard()[0], parser) as wire:
        yield wire


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "localhost.", "[::1]:80", "[::ffff:127.0.0.1]"])
def test_names_of_this_machine_get_in(door: Wire, host: str) -> None:
    """X-6: whatever names this machine lets its user in."""
    assert door.ask("GET /dashboard/health", f"Host: {host}").status == 200


@pytest.mark.parametrize(
    "host", ["localhost.evil.example", "127.0.0.1.nip.io", "localhost:80@evil.example", "localhost..", "",
             "[::ffff:8.8.8.8]", "[::1%.evil.example]", "localhost\tevil.example", "l\xf6calhost", "0.0.0.0"],
)  # fmt: skip
def test_names_of_others_do_not(door: Wire, host: str) -> None:
    """X-6: a page that points a name of its own at this machine is refused."""
    assert door.ask("GET /dashboard/health", f"Host: {host}").status == 403


def test_two_hosts_are_no_host(door: Wire) -> None:
    """X-6: a second Host never passes for the first."""
    assert door.ask("GET /dashboard/health", "Host: evil.example", LOCAL).status in (400, 403)
    assert door.ask("GET http://localhost/dashboard/health", "Host: evil.example").status in (403, 404)


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 127.0.0.1", "x-FORWARDED-for: 127.0.0.1", "X_Forwarded_For: 127.0.0.1",
               "X-Forwarded-For:", "Forwarded: for=127.0.0.1", "X-Forwarded: 127.0.0.1", "Via: 1.1 x",
               "X-Real-IP: 127.0.0.1"],
)  # fmt: skip
def test_a_proxy_that_shows_itself_is_refused(door: Wire, header: str) -> None:
    """X-6: the server takes 127.0.0.1 from such a header for the peer, and the header still closes the door."""
    assert door.ask("GET /dashboard/health", LOCAL, header).status == 403


def test_a_proxy_that_upgrades_every_request_is_refused(door: Wire) -> None:
    """X-6: the usual nginx lines for WebSockets set `Connection: upgrade` on all requests and nothing else."""
    request = b"GET /dashboard/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: %s\r\n\r\n"
    assert door.send(request % b"close").status == 200
    assert forwarding_header({"connection": "upgrade"}) == "connection"
    assert forwarding_header({"connection": "keep-alive, Upgrade", "upgrade": ""}) == "connection"
    assert forwarding_header({"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c"}) == ""
    assert forwarding_header({"connection": "keep-alive"}) == ""


@pytest.mark.parametrize(
    "target", ["/dashboard/static/../api/stats", "/dashboard/static/..%2fapi%2fstats", "/dashboard/login/../api/stats",
               "/dashboard/login/x", "//dashboard/health", "/dashboard;x/health", "/DASHBOARD/health",
               "/dashboard%2fhealth", "/dashboard/%2e%2e/dashboard/health", "/%64ashboard/health",
               "/dashboard/logout/../health"],
)  # fmt: skip
def test_no_spelling_of_a_path_goes_round_the_gate(door: Wire, target: str) -> None:
    """X-6: what is open to all cannot be stretched to what is not."""
    answer = door.ask(f"GET {target}", "Host: evil.example")
    assert answer.status in (403, 404)
    assert '"status"' not in answer.body


@pytest.mark.parametrize(
    "origin", ["null", "", "http://evil.example", "http://localhost:9", "ftp://localhost", "localhost"]
)
def test_an_act_from_another_page_is_refused(origin: str) -> None:
    """X-6: without Sec-Fetch-Site the Origin has to be the dashboard's own, over HTTP."""
    settings = Settings(name="chat-api", local_role="operator")
    headers = {"host": "localhost", "origin": origin}
    asked = Caller(peer="127.0.0.1", method="POST", headers=headers, needs="operator")
    assert decide(asked, settings, 0.0).reason == "cross_site"


def test_a_cookie_put_in_front_shuts_nobody_out() -> None:
    """X-6: another service on the host can set a cookie of our name; the genuine one still counts."""
    settings = Settings(name="chat-api", token=TOKEN)
    ours = f"{cookie_name(settings)}={make_session('operator', settings, 0.0)}"
    cookie = f"{cookie_name(settings)}=operator.1.00; {ours}"
    assert decide(Caller(peer="203.0.113.9", headers={"cookie": cookie}), settings, 1.0).role == "operator"
    flood = f"{cookie_name(settings)}=x; " * 1000 + ours
    assert decide(Caller(peer="203.0.113.9", headers={"cookie": flood}), settings, 1.0).role == ""


def test_a_cookie_ends_with_its_token() -> None:
    """X-6: a stolen cookie is worth nothing once the token is another, or the role is."""
    before = Settings(name="chat-api", token=TOKEN)
    after = Settings(name="chat-api", token=TOKEN[::-1], viewer_token=TOKEN)
    cookie = f"{cookie_name(before)}={make_session('operator', before, 0.0)}"
    for changed in (cookie, cookie.replace("operator.", "viewer.")):
        assert decide(Caller(peer="203.0.113.9", headers={"cookie": changed}), after, 1.0).role == ""


def test_a_mounted_path_cannot_change_the_cookie() -> None:
    """X-6: the root is part of Set-Cookie and of Location, and holds nothing that ends either's value."""
    root = root_of({"root_path": '//evil.example;Domain=x,y\r\nX: 1"\\'}, {}, "/dashboard")
    assert root.startswith("/evil.example")
    assert not set(root) & set(';,\r\n"\\ ')


@pytest.mark.parametrize("parser", PARSERS)
def test_a_login_link_leaves_no_token_in_the_access_log(parser: Parser) -> None:
    """X-6: the server's access log says that somebody logged in, and not with what."""
    face, _ = dashboard(token=TOKEN)
    with collected("uvicorn.access") as lines, served(face, parser) as wire:
        answer = wire.ask(f"GET /dashboard/login?token={TOKEN}", "Host: chat.example")
        assert answer.status == 303
        assert wire.ask("GET /dashboard/login?token=wrong-token-0123456789", "Host: chat.example").status == 401
    assert answer.headers["location"] == "/dashboard/"
    assert len(lines) == 2
    assert not [line for line in lines if "token-0123456789" in line]
