"""Which providers are asked for a model, in which order, by which name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from fanlight.errors import FanlightError
from fanlight.gateway.config import base_url, speaks
from fanlight.gateway.llm.endpoints import ENDPOINTS
from fanlight.gateway.schema import Config, Prices, Provider

SHOWN: Final = 12
UNLISTED: Final = "(unlisted)"
"""The name under which calls of models are counted that the configuration does not name and the provider refused."""


class Refused(FanlightError):
    """A request the gateway does not pass on; `headers` are those of the answer that says so."""

    def __init__(self, status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


class Target(msgspec.Struct, frozen=True):
    """One provider to ask, and the names of the model: the provider's and ours."""

    provider: str
    upstream: str
    model: str
    prices: Prices | None
    listed: bool = True


class Router:
    """Targets of models, from a configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: dict[tuple[str, str], tuple[Target, ...]] = {}

    def targets(self, model: str, protocol: str, allowed: Sequence[str] = ()) -> tuple[Target, ...]:
        """Whom to ask for a model, the first first; raises Refused when it is nobody."""
        if allowed and model not in allowed:
            raise Refused(403, "model_not_allowed", f"this key may not ask for {model!r}; it may for {_some(allowed)}")
        known = self._known.get((model, protocol))
        if known is None:
            known = self._found(model, protocol)
            self._known[(model, protocol)] = known
        if not allowed:
            return known
        return tuple(each for each in known if each.model in allowed)

    def _found(self, model: str, protocol: str) -> tuple[Target, ...]:
        entry = self._config.models.get(model)
        if entry is None:
            names = _some(self._config.models) or "none"
            raise Refused(404, "model_not_found", f"the model {model!r} is not served here; these are: {names}")
        if protocol not in speaks(self._config.providers[entry.provider]):
            raise Refused(400, "protocol_not_spoken", self._instead(model, entry.provider, protocol))
        chain = [each for each in (model, *entry.fallbacks) if self._speaks(each, protocol)]
        return tuple(self._target(each) for each in chain)

    def _speaks(self, model: str, protocol: str) -> bool:
        return protocol in speaks(self._config.providers[self._config.models[model].provider])

    def _target(self, model: str) -> Target:
        entry = self._config.models[model]
        return Target(entry.provider, entry.upstream or model, model, entry.prices)

    def _instead(self, model: str, provider: str, protocol: str) -> str:
        spoken = speaks(self._config.providers[provider])
        ways = " or ".join(f"{each} ({_example(each)})" for each in spoken)
        return f"the model {model!r} is served by {provider}, which does not speak {protocol}; ask it by {ways}"

    def at(self, provider: str, model: str, protocol: str, allowed: Sequence[str] = ()) -> tuple[Target, ...]:
        """The target of a model at one provider, whether it is configured or not; raises Refused."""
        spoken = speaks(self._config.providers[provider])
        if protocol not in spoken:
            raise Refused(
                400, "protocol_not_spoken", f"{provider} does not speak {protocol}; it speaks {_some(spoken)}"
            )
        entry = self._config.models.get(model)
        listed = entry is not None and entry.provider == provider
        if allowed and not (listed and model in allowed):
            raise Refused(403, "model_not_allowed", f"this key may not ask for {model!r}; it may for {_some(allowed)}")
        return (self._target(model) if listed else Target(provider, model, model, None, listed=False),)


def _some(names: Sequence[str] | Mapping[str, object]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:SHOWN]) + (", ..." if len(listed) > SHOWN else "")


def _example(protocol: str) -> str:
    return next(each.path for each in ENDPOINTS.values() if each.protocol == protocol)


def address(provider: Provider, path: str) -> str:
    """Where a provider answers a path: those of kind openai have the version in their base."""
    if provider.kind == "openai":
        path = path.removeprefix("/v1")
    return base_url(provider) + path


def cost(
    prices: Prices | None, given: int | None, made: int | None, cached: int | None, written: int | None
) -> float | None:
    """Dollars for a call; None when its price or its tokens are not known.

    `given` holds those read from a cache (`cached`) and written to it (`written`), which have prices of their own.
    """
    if prices is None or (given is None and made is None):
        return None
    read, wrote = cached or 0, written or 0
    plain = max((given or 0) - read - wrote, 0)
    cached_price = prices.input if prices.cached is None else prices.cached
    write_price = prices.input if prices.cache_write is None else prices.cache_write
    total = plain * prices.input + read * cached_price + wrote * write_price + (made or 0) * prices.output
    return total / 1e6
