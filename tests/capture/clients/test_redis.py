"""redis-py against a real redis-server: commands by name, pipelines as one, values never."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
import redis.asyncio
from tests.capture.clients.conftest import Watched
from tests.redis_server import RedisServer

from fanlight.capture.clients.redis import operation
from fanlight.stores.opening import locate_redis, open_redis


def test_commands_are_named_and_their_values_are_not_kept(watched: Watched, shared_redis: RedisServer) -> None:
    """OBS-5, X-4: the name of a command, never its keys and values; the answer is the library's own."""
    watched.watch("redis")
    with redis.Redis(port=shared_redis.port) as client:
        client.flushall()
        assert client.set("key-secret", "value-secret") is True
        assert client.get("key-secret") == b"value-secret"
        client.client_info()
    calls = watched.calls()
    assert [call["operation"] for call in calls] == ["FLUSHALL", "SET", "GET", "CLIENT INFO"]
    assert {(call["service"], call["kind"], call["outcome"]) for call in calls} == {("redis", "cache", "ok")}
    assert "secret" not in str(calls)


def test_a_pipeline_is_one_call(watched: Watched, shared_redis: RedisServer) -> None:
    """OBS-5: a pipeline shows once, with how many commands it held."""
    watched.watch("redis", names={"127.0.0.1": "sessions"})
    with redis.Redis(host="127.0.0.1", port=shared_redis.port) as client, client.pipeline() as pipe:
        assert pipe.set("a", 1).incr("a").execute() == [True, 2]
    call = watched.only()
    assert (call["service"], call["operation"], call["attributes"]) == ("sessions", "PIPELINE", {"commands": 2})


def test_an_asyncio_client_is_watched_alike(watched: Watched, shared_redis: RedisServer) -> None:
    """OBS-5: the asyncio client's commands and pipelines, too."""
    watched.watch("redis")

    async def act() -> list[Any]:
        async with redis.asyncio.Redis(port=shared_redis.port) as client:
            await client.set("a", 1)
            async with client.pipeline() as pipe:
                commands: Any = pipe  # typed as if each were awaited
                found: list[Any] = await commands.get("a").get("none").execute()
                return found

    assert asyncio.run(act()) == [b"1", None]
    assert [call["operation"] for call in watched.calls()] == ["SET", "PIPELINE"]


def test_an_error_of_the_server_passes_and_is_recorded(watched: Watched, shared_redis: RedisServer) -> None:
    """X-4: what the library raises is raised, and its class is the type of the error."""
    watched.watch("redis")
    with redis.Redis(port=shared_redis.port) as client:
        client.set("text", "x")
        with pytest.raises(redis.ResponseError):
            client.lpush("text", 1)
    assert [call["error_type"] for call in watched.calls()] == ["", "ResponseError"]


def test_what_fanlight_asks_of_a_redis_itself_is_not_counted(watched: Watched, shared_redis: RedisServer) -> None:
    """OBS-5: the store's and the monitor's own commands are none of the application's."""
    watched.watch("redis")
    client = open_redis(locate_redis(shared_redis.url))
    assert client.call("PING") in (b"PONG", True)
    client.close()
    assert watched.calls() == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("GET", "key"), "GET"),
        ((b"hgetall", "key"), "HGETALL"),
        (("SET key value",), "SET"),
        (("CONFIG SET", "maxmemory", "1"), "CONFIG SET"),
        (("config", "get", "x"), "CONFIG GET"),
        (("FT.SEARCH", "index", "secret"), "FT.SEARCH"),
        (("1; DROP", "x"), "other"),
        ((7,), "other"),
        ((), "other"),
    ],
)
def test_the_name_of_a_command_holds_nothing_else(words: tuple[Any, ...], name: str) -> None:
    """OBS-5: whatever is sent, the operation is a command's name."""
    assert operation(words) == name
