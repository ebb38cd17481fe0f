"""Lists of models as each protocol gives them, from the configuration; what only a provider knows is asked of one."""

from __future__ import annotations

from typing import Any

from fanlight.gateway.config import speaks
from fanlight.gateway.refusals import ANTHROPIC, OLLAMA
from fanlight.gateway.schema import Config

EPOCH = "1970-01-01T00:00:00Z"


def served(config: Config, protocol: str, allowed: tuple[str, ...]) -> dict[str, str]:
    """The models that can be asked by a protocol, with their providers; all of them where `allowed` is empty."""
    return {
        name: model.provider
        for name, model in config.models.items()
        if protocol in speaks(config.providers[model.provider]) and (not allowed or name in allowed)
    }


def listed(models: dict[str, str], protocol: str) -> dict[str, Any]:
    """The list of models of this protocol."""
    each = [one(name, provider, protocol) for name, provider in models.items()]
    if protocol == OLLAMA:
        return {"models": each}
    if protocol == ANTHROPIC:
        names = [*models]
        ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
        return {"data": each, "has_more": False, **ends}
    return {"object": "list", "data": each}


def one(name: str, provider: str, protocol: str) -> dict[str, Any]:
    """One model; what the gateway does not know of it (age, size) is zero."""
    if protocol == OLLAMA:
        return {"name": name, "model": name, "modified_at": EPOCH, "size": 0, "digest": "", "details": {}}
    if protocol == ANTHROPIC:
        return {"type": "model", "id": name, "display_name": name, "created_at": EPOCH}
    return {"id": name, "object": "model", "created": 0, "owned_by": provider}
