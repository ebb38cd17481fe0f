"""redis-py: one call for each command and each pipeline, of its plain and cluster clients, sync and asyncio.

Only the command's name is read, never its keys and values.
"""

from __future__ import annotations

import re
from functools import wraps
from typing import Any, Final

from fanlight.capture.clients.library import Described, Library, Undo, replaced

CONTAINERS: Final = frozenset(
    (
        "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT", "PUBSUB",
        "SCRIPT", "SLOWLOG", "XGROUP", "XINFO",
    )
)  # fmt: skip
"""Commands whose second word says what they do."""

_word = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}").fullmatch


def change(library: Library) -> Undo:
    """Have commands of redis-py recorded."""
    import redis
    import redis.asyncio
    import redis.asyncio.cluster
    import redis.cluster

    plain, later = [redis.Redis, redis.cluster.RedisCluster], [redis.asyncio.Redis, redis.asyncio.cluster.RedisCluster]
    pipes = [redis.client.Pipeline, redis.cluster.ClusterPipeline]
    later_pipes = [redis.asyncio.client.Pipeline, redis.asyncio.cluster.ClusterPipeline]
    return replaced(
        *((owner, "execute_command", lambda original: _command(library, original)) for owner in plain),
        *((owner, "execute_command", lambda original: _command_async(library, original)) for owner in later),
        *((owner, "execute", lambda original: _pipeline(library, original)) for owner in pipes),
        *((owner, "execute", lambda original: _pipeline_async(library, original)) for owner in later_pipes),
    )


def operation(words: tuple[Any, ...]) -> str:
    """The name of a command; "other" for what looks like none. The library splits the first word at blanks, too."""
    parts = [*_text(words[0]).split(" ")[:2], *map(_text, words[1:2])] if words else []
    if not parts or not _word(parts[0]):
        return "other"
    name = parts[0].upper()
    if name in CONTAINERS and len(parts) > 1 and _word(parts[1]):
        return f"{name} {parts[1].upper()}"
    return name


def _text(word: Any) -> str:
    if isinstance(word, bytes):
        return word[:100].decode("ascii", "replace")
    return word[:100] if isinstance(word, str) else ""


def _described(client: Any, words: tuple[Any, ...]) -> Described:
    return _located(client, operation(words), {})


def _described_pipeline(pipeline: Any) -> Described | None:
    return _located(pipeline, "PIPELINE", {"commands": len(queued(pipeline))})


def queued(pipeline: Any) -> list[Any]:
    """The commands that wait in a pipeline; a cluster's keeps them a floor deeper, older ones under another name."""
    owners = (getattr(pipeline, "_execution_strategy", None), pipeline)
    names = ("command_queue", "_command_queue", "command_stack", "_command_stack")
    found = (getattr(owner, name, None) for owner in owners for name in names)
    return next((commands for commands in found if isinstance(commands, list)), [])


def _located(client: Any, name: str, attributes: dict[str, Any]) -> Described:
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None) or {}
    host, port = options.get("host") or options.get("path") or "", options.get("port") or 6379
    return Described((f"{host}:{port}", str(host)), "redis", name, "cache", attributes)


def _command(library: Library, original: Any) -> Any:
    @wraps(original)
    def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with library.begin(_described, self, args):
            return original(self, *args, **options)

    return execute_command


def _command_async(library: Library, original: Any) -> Any:
    @wraps(original)
    async def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        with library.begin(_described, self, args):
            return await original(self, *args, **options)

    return execute_command


def _pipeline(library: Library, original: Any) -> Any:
    @wraps(original)
    def execute(self: Any, *args: Any, **options: Any) -> Any:
        with library.begin(_described_pipeline, self):
            return original(self, *args, **options)

    return execute


def _pipeline_async(library: Library, original: Any) -> Any:
    @wraps(original)
    async def execute(self: Any, *args: Any, **options: Any) -> Any:
        with library.begin(_described_pipeline, self):
            return await original(self, *args, **options)

    return execute
