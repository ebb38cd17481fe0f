"""HTTP exchanges: how every HTTP library's calls are named, and what an answer says of one."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from fanlight.capture.clients.library import ClientCall, Described
from fanlight.capture.routes import collapse, tidy

KNOWN_HOSTS: Final = {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}
"""Hosts that have a name of their own."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
"""Methods that are shown; others are "OTHER"."""

_URL_LIMIT: Final = 8_192


def described(method: Any, url: Any, kind: str = "http") -> Described:
    """An HTTP call: its service is the host (and the port, unless it is the scheme's own), never its query string."""
    keys, service, path = located(url)
    name = str(method).upper()
    return Described(keys, service, f"{name if name in METHODS else 'OTHER'} {collapse(path)}", kind, {})


def located(url: Any) -> tuple[tuple[str, ...], str, str]:
    """What a URL's server may be called (host:port, host), what it is called unless told otherwise, and its path."""
    parts = urlsplit(str(url)[:_URL_LIMIT])
    host = tidy((parts.hostname or "unknown").lower())
    usual = DEFAULT_PORTS.get(parts.scheme, 0)
    port = parts.port or usual
    shown = f"[{host}]" if ":" in host else host
    here = f"{shown}:{port}" if port else shown
    service = KNOWN_HOSTS.get(host) or (shown if port == usual else here)
    return (here, shown), service, parts.path or "/"


def answered(call: ClientCall, response: Any) -> None:
    """Note the status of a response of httpx, httpx2 or requests."""
    call.answered(int(response.status_code))
