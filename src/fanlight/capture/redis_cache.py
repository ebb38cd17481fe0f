"""A Redis used as a cache: its client is watched, whose look-ups are hits or misses by what is answered.

A client of redis-py, plain or cluster, sync or asyncio, and the pipelines it makes. Only whether there was an answer is
read, never the answer, and of keys only how they begin.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final
from weakref import ref

from fanlight.capture.clients.redis import queued
from fanlight.capture.counting import Counter
from fanlight.core.context import own_work

ONE: Final = frozenset(("GET", "GETEX", "GETDEL", "HGET", "HGETALL"))
"""Commands that look up one thing, which is there or not."""

SEVERAL: Final = frozenset(("MGET", "HMGET"))
"""Commands that answer with a list, None in it for what is not there."""

_READINGS: Final = "_fanlight_caches"  # the attribute of a client that names who watches it

_CLIENTS: Final = (
    ("redis", "Redis"),
    ("redis.cluster", "RedisCluster"),
    ("redis.asyncio", "Redis"),
    ("redis.asyncio.cluster", "RedisCluster"),
)


def watch(counter: Counter, target: Any, prefix: str) -> RedisReading | None:
    """Watch a client of redis-py; None for anything else."""
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _CLIENTS)
    if not any(kind is not None and isinstance(target, kind) for kind in kinds):
        return None
    reading = RedisReading(counter, target, prefix)
    readings = vars(target).get(_READINGS)
    if readings is None:
        readings = vars(target)[_READINGS] = []
        target.execute_command = _counted(readings, target.execute_command)
        target.pipeline = _counted_pipeline(readings, target.pipeline)
    readings[:] = [known for known in readings if known.counter is not counter] + [reading]
    return reading


class RedisReading:
    """What one cache looks up. Of a whole Redis, that is without a prefix, the server says how many keys it has."""

    clear = None
    shared = True

    def __init__(self, counter: Counter, client: Any, prefix: str) -> None:
        self.counter = counter
        self.prefix = prefix
        self.ask = None if prefix else _sized(counter, client)
        self._beginning = prefix.encode()

    def read(self) -> None:
        """Nothing to do: look-ups are counted as they come."""

    def count(self, words: Sequence[Any], answer: Any) -> None:
        """Count what a command found; one that failed found nothing out. Never raises."""
        name = words[0].upper() if words and isinstance(words[0], str) else ""
        if isinstance(answer, Exception) or len(words) < 2:
            return
        if name in ONE and self._is_mine(words[1]):
            self._tell(hits=int(answer is not None and answer != {}), of=1)
        elif name in SEVERAL and isinstance(answer, list):
            keys = words[1:] if name == "MGET" else [words[1]] * len(answer)
            mine = [found for key, found in zip(keys, answer, strict=False) if self._is_mine(key)]
            self._tell(hits=sum(found is not None for found in mine), of=len(mine))

    def _is_mine(self, key: Any) -> bool:
        if isinstance(key, str):
            return key.startswith(self.prefix)
        return not self.prefix or (isinstance(key, bytes) and key.startswith(self._beginning))

    def _tell(self, hits: int, of: int) -> None:
        if hits:
            self.counter.hit(hits)
        if of > hits:
            self.counter.miss(of - hits)


def _counted(readings: Sequence[RedisReading], original: Callable[..., Any]) -> Callable[..., Any]:
    """A client's `execute_command` that counts."""

    @wraps(original)
    def execute_command(*words: Any, **options: Any) -> Any:
        answer = original(*words, **options)
        _count(readings, words, answer)
        return answer

    @wraps(original)
    async def execute_command_async(*words: Any, **options: Any) -> Any:
        answer = await original(*words, **options)
        _count(readings, words, answer)
        return answer

    return execute_command_async if iscoroutinefunction(original) else execute_command


def _counted_pipeline(readings: Sequence[RedisReading], original: Callable[..., Any]) -> Callable[..., Any]:
    """A client's `pipeline`, whose pipelines count when they are executed."""

    @wraps(original)
    def pipeline(*arguments: Any, **options: Any) -> Any:
        made = original(*arguments, **options)
        made.execute = _counted_execute(readings, ref(made), type(made).execute)
        return made

    return pipeline


def _counted_execute(
    readings: Sequence[RedisReading], made: ref[Any], original: Callable[..., Any]
) -> Callable[..., Any]:
    """`execute` of one pipeline, which it does not hold: who lets go of it gives its connection back at once."""

    @wraps(original)
    def execute(*arguments: Any, **options: Any) -> Any:
        pipeline = made()
        asked = _asked(pipeline)
        return _count_all(readings, asked, original(pipeline, *arguments, **options))

    @wraps(original)
    async def execute_async(*arguments: Any, **options: Any) -> Any:
        pipeline = made()
        asked = _asked(pipeline)
        return _count_all(readings, asked, await original(pipeline, *arguments, **options))

    return execute_async if iscoroutinefunction(original) else execute


def _count_all(readings: Sequence[RedisReading], asked: Sequence[Sequence[Any]], answers: Any) -> Any:
    if isinstance(answers, list):
        for words, answer in zip(asked, answers, strict=False):
            _count(readings, words, answer)
    return answers


def _count(readings: Sequence[RedisReading], words: Sequence[Any], answer: Any) -> None:
    for reading in tuple(readings):
        reading.count(words, answer)


def _asked(pipeline: Any) -> list[Sequence[Any]]:
    """The words of each command that waits in a pipeline."""
    return [entry[0] if isinstance(entry, tuple) else getattr(entry, "args", ()) for entry in queued(pipeline)]


def _sized(counter: Counter, client: Any) -> Callable[[], Any]:
    """A function, async where the client is, that asks the server how many keys it has and has let go of."""
    nodes = {"target_nodes": client.PRIMARIES} if hasattr(client, "PRIMARIES") else {}  # of a cluster, all of them

    def ask() -> None:
        with own_work():
            try:
                counter.size(_summed(client.dbsize(**nodes)), _evicted(client.info("stats", **nodes)))
            except Exception:
                counter.size(None)  # who does not answer has no size that is known
                raise

    async def ask_async() -> None:
        with own_work():
            try:
                counter.size(_summed(await client.dbsize(**nodes)), _evicted(await client.info("stats", **nodes)))
            except Exception:
                counter.size(None)
                raise

    return ask_async if iscoroutinefunction(client.execute_command) else ask


def _summed(answer: Any) -> int:
    """A number of keys, or those of each node."""
    return sum(answer.values()) if isinstance(answer, dict) else int(answer)


def _evicted(info: Any) -> int:
    """The keys let go of, by the statistics of a server or of each node."""
    nodes = [info] if "evicted_keys" in info else info.values()
    return sum(int(node["evicted_keys"]) for node in nodes)
