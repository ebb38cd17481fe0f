"""The two eras of MCP, and how a message of one becomes one of the other.

Up to 2025-11-25 a conversation begins with `initialize`; from 2026-07-28 on each request says in its `_meta` what it
speaks, and `server/discover` says what the server offers. Each leg, client to gateway and gateway to server, is of its
own era.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from fanlight import __version__
from fanlight.gateway.mcp.failure import UNSUPPORTED_VERSION, Failure

MODERN: Final = "2026-07-28"
HANDSHAKE: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Versions that begin with `initialize`, the newest first."""

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_KEY: Final = "io.modelcontextprotocol/clientInfo"
SERVER_KEY: Final = "io.modelcontextprotocol/serverInfo"
DISCOVER_SECONDS: Final = 10.0
"""How long a server may take to say whether it is of the new era; one that says nothing is of the old."""

OURS: Final = {"name": "fanlight-gateway", "version": __version__}
CACHEABLE: Final = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read", "server/discover"}
)
"""Methods whose results carry `ttlMs` and `cacheScope` in the new era."""

PASSED: Final = frozenset(
    {"tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/templates/list",
     "resources/read", "completion/complete"}
)  # fmt: skip
"""What is passed through. What belongs to one connection (subscriptions, log levels, sampling) is not: servers are
shared."""

OFFERED: Final = ("tools", "prompts", "resources", "completions")


class Leg(msgspec.Struct, frozen=True):
    """What a server said of itself when it was first talked to."""

    version: str
    info: dict[str, Any]
    capabilities: dict[str, Any]
    instructions: str = ""

    @property
    def modern(self) -> bool:
        """Whether it is of the era without handshakes."""
        return self.version == MODERN


Ask = Callable[[str, dict[str, Any], float | None], Awaitable[dict[str, Any]]]
Notify = Callable[[str, dict[str, Any]], Any]


async def negotiate(ask: Ask, notify: Notify) -> Leg:
    """Find out what a server speaks: discover first, else the handshake; raises Failure."""
    leg = await _discovered(ask)
    if leg is not None:
        return leg
    try:
        return await _initialized(ask, notify)
    except Failure as failure:
        # A slow server that took `server/discover` after we had given up is of the new era from then on.
        leg = await _discovered(ask) if failure.code == UNSUPPORTED_VERSION else None
        if leg is None:
            raise
        return leg


async def _discovered(ask: Ask) -> Leg | None:
    try:
        found = await ask("server/discover", dressed({}, MODERN), DISCOVER_SECONDS)
    except Failure as failure:
        if failure.kind not in ("refused", "timeout", "broken"):
            raise
        if failure.code == UNSUPPORTED_VERSION and not set(_supported(failure.data)) & set(HANDSHAKE):
            raise Failure("broken", f"speaks only {_supported(failure.data)}; expected {MODERN} or before") from failure
        return None
    if MODERN not in (found.get("supportedVersions") or ()):
        return None
    info = found.get("serverInfo") or (found.get("_meta") or {}).get(SERVER_KEY)
    return Leg(MODERN, _table(info), _table(found.get("capabilities")), str(found.get("instructions") or ""))


async def _initialized(ask: Ask, notify: Notify) -> Leg:
    wished = {"protocolVersion": HANDSHAKE[0], "capabilities": {}, "clientInfo": OURS}
    found = await ask("initialize", wished, None)
    version = found.get("protocolVersion")
    if version not in HANDSHAKE:
        raise Failure("broken", f"speaks version {version!r:.40}; expected one of {', '.join(HANDSHAKE)}")
    told = notify("notifications/initialized", {})
    if isinstance(told, Awaitable):
        await told
    return Leg(version, _table(found.get("serverInfo")), _table(found.get("capabilities")),
               str(found.get("instructions") or ""))  # fmt: skip


def dressed(params: Mapping[str, Any], version: str, trace: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Parameters as a server of that version takes them; what the client said of itself stays here."""
    meta = {key: value for key, value in _table(params.get("_meta")).items() if not _of_connection(key)}
    if version == MODERN:
        meta |= {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}, CLIENT_KEY: OURS}
    rest = {key: value for key, value in params.items() if key != "_meta"}
    return {**rest, "_meta": {**meta, **(trace or {})}} if meta or trace else rest


def result_for(method: str, result: Mapping[str, Any], *, modern: bool) -> dict[str, Any]:
    """A server's result as a client of the new era, or of the old, takes it."""
    if modern:
        added: dict[str, Any] = {"resultType": "complete"}
        if method in CACHEABLE:
            added |= {"ttlMs": 0, "cacheScope": "private"}
        return {**added, **result}
    return {key: value for key, value in result.items() if key not in ("resultType", "ttlMs", "cacheScope")}


def offered(capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """What of a server's capabilities the gateway passes on."""
    return {name: {} for name in OFFERED if name in capabilities}


def _of_connection(key: str) -> bool:
    return key == "progressToken" or key in (VERSION_KEY, CAPABILITIES_KEY, CLIENT_KEY)


def _supported(data: Any) -> list[str]:
    supported = data.get("supported") if isinstance(data, dict) else None
    return [str(each)[:20] for each in supported[:10]] if isinstance(supported, list) else []


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
