"""The login cookie: made of a token, never equal to it, and checked without keeping anything.

Its value is `role.expiry.signature`, signed with the role's token: any worker reads it, and it ends when the token is
changed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from itertools import islice
from typing import Final

from fanlight.settings import Settings

LIFETIME: Final = 7 * 86_400
"""Seconds a login lasts."""

SEVERAL: Final = 4
"""Cookies of the session's name that are read."""

_VALUE: Final = re.compile(r"(operator|viewer)\.(\d{1,11})\.([0-9a-f]{64})")


def cookie_name(settings: Settings) -> str:
    """The cookie's name, of this dashboard alone: browsers share cookies between the ports of a host."""
    return "fanlight_" + hashlib.sha256(f"{settings.name}|{settings.prefix}".encode()).hexdigest()[:10]


def make_session(role: str, settings: Settings, now: float) -> str:
    """The cookie's value for a role whose token is set; `now` in Unix seconds."""
    expiry = str(int(now) + LIFETIME)
    return f"{role}.{expiry}.{_signature(role, expiry, settings)}"


def read_session(value: str, settings: Settings, now: float) -> str:
    """The role a cookie's value gives, "" when it is wrong, forged, expired or of a token no longer set."""
    parts = _VALUE.fullmatch(value)
    if parts is None:
        return ""
    role, expiry, signature = parts.groups()
    genuine = hmac.compare_digest(signature, _signature(role, expiry, settings))
    lasting = now < int(expiry) <= now + LIFETIME + 1
    return role if genuine and lasting and _key(role, settings) else ""


def session_cookies(header: str, settings: Settings) -> list[str]:
    """The session's values in a Cookie header, the first few: whatever else runs on the host, on another port too, can
    put one of the same name in front of ours."""
    name = cookie_name(settings)
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return list(islice((value for key, _, value in pairs if key == name), SEVERAL))


def set_cookie(value: str, settings: Settings, path: str, secure: bool, lifetime: int = LIFETIME) -> str:
    """The Set-Cookie header; an empty value with lifetime 0 takes the cookie away."""
    parts = [f"{cookie_name(settings)}={value}", f"Path={path}", f"Max-Age={lifetime}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def _key(role: str, settings: Settings) -> str:
    return settings.token if role == "operator" else settings.viewer_token


def _signature(role: str, expiry: str, settings: Settings) -> str:
    message = f"fanlight session|{settings.name}|{role}|{expiry}"
    return hmac.new(_key(role, settings).encode(), message.encode(), hashlib.sha256).hexdigest()
