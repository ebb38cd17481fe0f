"""What one configuration becomes: providers that can be asked, routes to them, and who may ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fanlight import probes
from fanlight.errors import FanlightError
from fanlight.gateway.access import Doorkeeper
from fanlight.gateway.config import base_url, speaks, variable
from fanlight.gateway.llm.routing import Router, address
from fanlight.gateway.llm.simulated import SimulatedUpstream
from fanlight.gateway.llm.upstream import Upstream
from fanlight.gateway.schema import Config, Provider

if TYPE_CHECKING:
    from fanlight import Fanlight
    from fanlight.gateway.budgets import Purse

PASSED_TYPE: Final = {b"accept-encoding": b"identity", b"content-type": b"application/json"}
"""Answers are read as they pass, so they must not be compressed; bodies are always encoded anew."""


class Lane:
    """One provider: its settings, its transport, its breaker, and the headers it is sent."""

    def __init__(
        self, name: str, settings: Provider, upstream: Upstream, headers: dict[bytes, bytes], dashboard: Fanlight
    ) -> None:
        self.name = name
        self.settings = settings
        self.speaks = speaks(settings)
        self.upstream = upstream
        self.headers = headers
        dashboard.service(name, kind="llm", probe=_probe(settings))
        self.breaker = dashboard.breaker(name)


class Runtime:
    """A configuration at work. Made and closed on the serving loop; requests that began with it end with it."""

    def __init__(self, config: Config, environ: Mapping[str, str], dashboard: Fanlight, purse: Purse) -> None:
        self.config = config
        self.purse = purse
        self.router = Router(config)
        self.doorkeeper = Doorkeeper(config, environ)
        self.lanes = {name: _lane(name, each, config, environ, dashboard) for name, each in config.providers.items()}
        self.in_flight = 0
        self.retired = False

    async def retire(self) -> None:
        """Close what is kept open, at once or when the last request has ended."""
        self.retired = True
        await self.settle()

    async def settle(self) -> None:
        """A request has ended."""
        if self.retired and not self.in_flight:
            for lane in self.lanes.values():
                await lane.upstream.close()


def _lane(name: str, settings: Provider, config: Config, environ: Mapping[str, str], dashboard: Fanlight) -> Lane:
    headers = {**PASSED_TYPE}
    if settings.key_env:
        key = variable(("providers", name, "key_env"), settings.key_env, environ).encode()
        headers |= {b"x-api-key": key} if settings.kind == "anthropic" else {b"authorization": b"Bearer " + key}
    if settings.kind == "simulated":
        served = tuple(each for each, model in config.models.items() if model.provider == name)
        return Lane(name, settings, SimulatedUpstream(name, settings, served), headers, dashboard)
    return Lane(name, settings, _http(name, settings), headers, dashboard)


def _probe(settings: Provider) -> probes.Probe:
    """What finds out for free whether a provider is there: Ollama's version, else whether it can be connected to; what
    is simulated always is."""
    if settings.kind == "simulated":
        return lambda: None
    base = base_url(settings)
    if settings.kind == "ollama":
        return probes.http(f"{base}/api/version")
    parts = urlsplit(base)
    return probes.tcp(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def _http(name: str, settings: Provider) -> Upstream:
    try:
        from fanlight.gateway.llm.http import HttpUpstream
    except ImportError as error:
        missing: Any = error.name or "httptools"
        raise FanlightError(
            f"a provider of kind {settings.kind} needs {missing}, which the base install leaves out; "
            "run pip install 'fanlight[gateway]'"
        ) from error
    return HttpUpstream(name, partial(address, settings), settings.connect_seconds)
