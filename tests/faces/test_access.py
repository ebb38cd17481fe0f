"""faces.web.access: who gets in, as a pure function of what a request says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanlight.faces.web.access import (
    Caller,
    decide,
    forwarding_header,
    token_match,
)
from fanlight.faces.web.session import cookie_name, make_session
from fanlight.hosts import host_name, is_loopback, is_loopback_name
from fanlight.settings import Settings

NOW = 1_700_000_000.0
OPERATOR, VIEWER = "operator-token-0123456789", "viewer-token-0123456789"
PLAIN = Settings(name="chat-api")
TOKENS = Settings(name="chat-api", token=OPERATOR, viewer_token=VIEWER)
LOCAL_OPERATOR = Settings(name="chat-api", local_role="operator")


def caller(headers: Mapping[str, str] | None = None, **facts: Any) -> Caller:
    """A request from this machine, changed."""
    return Caller(**{"peer": "127.0.0.1", "headers": {"host": "localhost:8001", **(headers or {})}, **facts})


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def remote(headers: Mapping[str, str] | None = None, **facts: Any) -> Caller:
    """A request from elsewhere."""
    return caller({"host": "chat.example", **(headers or {})}, peer="203.0.113.9", **facts)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8001", "a.b.localhost", "127.0.0.1:1", "[::1]:80", "LOCALHOST"]
)
def test_the_local_machine_is_a_viewer(peer: str, host: str) -> None:
    """X-6: a loopback peer that asks for a loopback name gets in as viewer, without a token."""
    assert decide(caller({"host": host}, peer=peer), PLAIN, NOW).role == "viewer"


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost, localhost", "0.0.0.0",
             "localhost@evil.example", "[::1", "[::1]x", "127.1", "2130706433", "localhost:80:80", "*.localhost", "[]"],
)  # fmt: skip
def test_a_foreign_host_name_is_refused(host: str) -> None:
    """X-6: DNS rebinding brings a foreign name to the loopback address and is refused."""
    assert decide(caller({"host": host}), PLAIN, NOW).refusal


@pytest.mark.parametrize(
    "header",
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-prefix", "forwarded", "x-real-ip", "via", "cf-connecting-ip"],
)
def test_a_forwarding_header_closes_the_local_way_in(header: str) -> None:
    """X-6: whatever a proxy on this machine passes on is not the local machine's."""
    decision = decide(caller({header: "127.0.0.1"}), LOCAL_OPERATOR, NOW)
    assert decision.refusal is not None
    assert header in decision.refusal.message


@pytest.mark.parametrize("version", ["1.0", "0.9", "", "x", "nan"])
def test_old_http_is_a_proxys(version: str) -> None:
    """X-6: a bare nginx speaks HTTP/1.0 from the loopback address and is refused."""
    assert decide(caller(http_version=version), PLAIN, NOW).refusal


@pytest.mark.parametrize("version", ["1.1", "2", "2.0", "3"])
def test_current_http_gets_in(version: str) -> None:
    """X-6: HTTP/1.1 and later are what local browsers speak."""
    assert decide(caller(http_version=version), PLAIN, NOW).refusal is None


def test_allowed_hosts_are_names_of_this_machine() -> None:
    """X-6: a configured name counts as local, with or without its port, in any case."""
    settings = Settings(name="chat-api", allowed_hosts=("box.lan", "other.lan:81"))
    for host in ("box.lan", "Box.LAN:8001", "other.lan:81"):
        assert decide(caller({"host": host}), settings, NOW).role == "viewer"
    assert decide(caller({"host": "other.lan:82"}), settings, NOW).refusal
    assert decide(remote({"host": "box.lan"}), settings, NOW).refusal


def test_a_unix_socket_is_not_local_unless_told() -> None:
    """X-6: behind a UNIX socket a proxy is likely, so it is trusted only when allowed_hosts says so."""
    refusal = decide(caller(peer=""), PLAIN, NOW).refusal
    assert refusal is not None
    assert "unix:" in refusal.message
    assert decide(caller(peer=""), Settings(name="chat-api", allowed_hosts=("unix:",)), NOW).role == "viewer"


@pytest.mark.parametrize(("token", "role"), [(OPERATOR, "operator"), (VIEWER, "viewer")])
def test_a_bearer_token_gives_its_role_from_anywhere(token: str, role: str) -> None:
    """X-6: each token lets its role in, whatever the peer, Host, proxy or HTTP version."""
    asked = remote({**bearer(token), "x-forwarded-for": "1.2.3.4"}, http_version="1.0")
    assert decide(asked, TOKENS, NOW).role == role


def test_a_login_cookie_gives_its_role() -> None:
    """X-6: the cookie made of a token lets its role in until it expires."""
    cookie = f"a=b; {cookie_name(TOKENS)}={make_session('operator', TOKENS, NOW)}"
    assert decide(remote({"cookie": cookie}), TOKENS, NOW).role == "operator"
    assert decide(remote({"cookie": cookie}), TOKENS, NOW + 8 * 86_400).refusal


def test_the_token_itself_is_no_cookie() -> None:
    """X-6: a stolen cookie never is the token, and the token never is a cookie."""
    assert decide(remote({"cookie": f"{cookie_name(TOKENS)}={OPERATOR}"}), TOKENS, NOW).refusal


def test_empty_tokens_open_nothing() -> None:
    """X-6: without a token set, an empty bearer or one that looks like nothing is refused."""
    for token in ("", " ", "None"):
        assert token_match(token, PLAIN) == ""
        assert decide(remote(bearer(token)), PLAIN, NOW).refusal


def test_the_highest_role_counts() -> None:
    """X-6: an operator's token on the local machine acts as operator; the application's own check can raise too."""
    assert decide(caller(bearer(OPERATOR)), TOKENS, NOW).role == "operator"
    assert decide(caller(), PLAIN, NOW, granted="operator").role == "operator"
    assert decide(caller(), LOCAL_OPERATOR, NOW, granted="viewer").role == "operator"
    assert decide(remote(), PLAIN, NOW, granted="viewer").role == "viewer"


def test_an_unknown_granted_role_is_none() -> None:
    """X-6: a check that returns anything but a role lets nobody in."""
    assert decide(remote(), PLAIN, NOW, granted="admin").refusal


def test_viewers_do_not_act() -> None:
    """HUB-7, X-6: a viewer's POST is refused with the setting that would allow it; an operator's is not."""
    refusal = decide(caller(method="POST", needs="operator"), PLAIN, NOW).refusal
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "operator_only")
    assert "local_role" in refusal.detail
    assert decide(caller(method="POST", needs="operator"), LOCAL_OPERATOR, NOW).refusal is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ANYTHING"])
@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:8001"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"origin": "http://localhost:8001"}, True),
        ({"origin": "http://localhost:8002"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://localhost:80", "host": "localhost"}, True),
        ({"origin": "https://localhost", "host": "localhost:443"}, True),
        ({}, True),
    ],
)
def test_unsafe_methods_come_from_our_own_pages(method: str, headers: dict[str, str], allowed: bool) -> None:
    """X-6: Sec-Fetch-Site decides, else Origin, else (curl) the access rule alone."""
    decision = decide(caller(headers, method=method, needs="operator"), LOCAL_OPERATOR, NOW)
    assert (decision.refusal is None) == allowed


def test_a_websocket_handshake_is_unsafe() -> None:
    """X-6: browsers open WebSockets to any origin, so a foreign page's handshake is refused."""
    assert decide(caller({"origin": "http://evil.example"}, handshake=True), PLAIN, NOW).refusal
    assert decide(caller({"origin": "http://localhost:8001"}, handshake=True), PLAIN, NOW).role == "viewer"


def test_reading_across_sites_is_left_to_the_browser() -> None:
    """X-6: a link from elsewhere opens the page; answers carry the headers that keep other sites from reading them."""
    assert decide(caller({"sec-fetch-site": "cross-site", "origin": "http://evil.example"}), PLAIN, NOW).refusal is None


def test_a_refusal_names_what_was_seen_and_the_setting_that_opens_it() -> None:
    """X-6: the text names the peer, the Host and what to set, cut and without control characters."""
    refusal = decide(remote({"host": "x" * 500 + "\n<script>"}), PLAIN, NOW).refusal
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "forbidden")
    assert "203.0.113.9" in refusal.detail
    assert "FANLIGHT_TOKEN" in refusal.detail
    assert "\n" not in refusal.message + refusal.detail
    assert len(refusal.message + refusal.detail) < 600


def test_a_refusal_asks_for_a_token_where_one_is_set() -> None:
    """X-6: with a token set the refusal is a 401 that says how to send it, and never holds it."""
    refusal = decide(remote(), TOKENS, NOW).refusal
    assert refusal is not None
    assert refusal.status == 401
    assert refusal.headers == {"WWW-Authenticate": "Bearer"}
    assert OPERATOR not in refusal.json().decode()


def test_what_needs_no_role_is_open_but_not_to_other_sites() -> None:
    """X-6: the login form is open to all, a login forged by another site is not."""
    assert decide(remote(needs=""), PLAIN, NOW).refusal is None
    forged = remote({"origin": "http://evil.example"}, needs="", method="POST")
    assert decide(forged, PLAIN, NOW).refusal is not None


HEADER_NAMES = st.sampled_from(
    ["host", "origin", "sec-fetch-site", "authorization", "cookie", "x-forwarded-for", "via", "accept", "x-real-ip"]
)
HEADERS = st.dictionaries(
    HEADER_NAMES, st.text(max_size=40) | st.sampled_from(["localhost", "Bearer x", "same-origin"])
)
CALLERS = st.builds(
    Caller,
    peer=st.sampled_from(["127.0.0.1", "::1", "", "10.0.0.1", "fe80::1%eth0", "testclient"]) | st.text(max_size=20),
    method=st.sampled_from(["GET", "HEAD", "POST", "DELETE"]) | st.text(max_size=8),
    http_version=st.sampled_from(["1.1", "2", "1.0"]) | st.text(max_size=5),
    headers=HEADERS,
    needs=st.sampled_from(["", "viewer", "operator"]),
    handshake=st.booleans(),
)


@given(CALLERS, st.sampled_from([PLAIN, TOKENS, LOCAL_OPERATOR]))
def test_nobody_gets_in_by_accident(asked: Caller, settings: Settings) -> None:
    """X-6: for any request, without a token only a loopback peer with a loopback Host and no proxy gets in."""
    decision = decide(asked, settings, NOW)
    if decision.refusal is None and asked.needs:
        assert is_loopback(asked.peer)
        assert is_loopback_name(host_name(asked.host))
        assert not forwarding_header(asked.headers)
        assert float(asked.http_version) >= 1.1
    assert decision.role in ("", settings.local_role)


@given(CALLERS)
def test_a_right_token_always_reads(asked: Caller) -> None:
    """X-6: a token holder reads from anywhere, whatever else the request says."""
    reading = Caller(peer=asked.peer, http_version=asked.http_version, headers={**asked.headers, **bearer(OPERATOR)})
    assert decide(reading, TOKENS, NOW).role == "operator"


@given(CALLERS)
def test_decisions_do_not_depend_on_anything_else(asked: Caller) -> None:
    """X-6: the same request gets the same answer."""
    first, second = decide(asked, TOKENS, NOW), decide(asked, TOKENS, NOW)
    assert (first.role, first.reason) == (second.role, second.reason)
