"""faces.web.session: the login cookie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanlight.faces.web.session import LIFETIME, cookie_name, make_session, read_session, session_cookies, set_cookie
from fanlight.settings import Settings

NOW = 1_700_000_000.0
TOKENS = Settings(name="chat-api", token="operator-token-0123456789", viewer_token="viewer-token-0123456789")


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_a_session_gives_its_role_until_it_expires(role: str) -> None:
    """X-6: the cookie is made of the token, does not hold it, and ends."""
    value = make_session(role, TOKENS, NOW)
    assert TOKENS.token not in value
    assert read_session(value, TOKENS, NOW + LIFETIME - 1) == role
    assert read_session(value, TOKENS, NOW + LIFETIME) == ""


def test_a_session_cannot_be_raised_or_prolonged() -> None:
    """X-6: neither the role nor the expiry of a cookie can be changed by its holder."""
    role, expiry, signature = make_session("viewer", TOKENS, NOW).split(".")
    assert read_session(f"operator.{expiry}.{signature}", TOKENS, NOW) == ""
    assert read_session(f"{role}.{int(expiry) + 1}.{signature}", TOKENS, NOW) == ""


def test_changing_or_removing_the_token_ends_its_sessions() -> None:
    """X-6: a session lives no longer than the token it was made of."""
    value = make_session("operator", TOKENS, NOW)
    changed = Settings(name="chat-api", token="another-token-0123456789")
    assert read_session(value, changed, NOW) == ""
    unset = Settings(name="chat-api")
    assert read_session(make_session("operator", unset, NOW), unset, NOW) == ""


@given(st.text())
def test_made_up_sessions_open_nothing(value: str) -> None:
    """X-6: any other text is no session, and raises nothing."""
    assert read_session(value, TOKENS, NOW) == ""


def test_two_dashboards_of_a_host_keep_their_cookies_apart() -> None:
    """X-6: browsers share cookies between ports, so each dashboard has a name of its own."""
    other = Settings(name="other", token=TOKENS.token)
    assert cookie_name(TOKENS) != cookie_name(other)
    header = f"{cookie_name(other)}=theirs; {cookie_name(TOKENS)}=ours; {cookie_name(TOKENS)}=late"
    assert session_cookies(header, TOKENS) == ["ours", "late"]
    assert read_session(make_session("operator", other, NOW), TOKENS, NOW) == ""


def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    """X-6: HttpOnly, SameSite=Strict, only for the dashboard's path, Secure over https."""
    header = set_cookie("value", TOKENS, "/svc/dashboard", secure=True)
    assert header.split("; ")[1:] == [
        "Path=/svc/dashboard",
        f"Max-Age={LIFETIME}",
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
    ]
    assert "Secure" not in set_cookie("value", TOKENS, "/dashboard", secure=False)
