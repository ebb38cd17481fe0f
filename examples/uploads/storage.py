"""Where uploads are kept: one contract, over a Redis by indexed commands only, or in this process's memory.

Each upload is a hash; sorted sets by time hold which are in each stage, so counting is ZCARD and ZCOUNT, and listing is
ZREVRANGE. No key is ever looked for: there is no KEYS and no SCAN.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final, Literal, Protocol, get_args

Stage = Literal["received", "checked", "read", "indexed", "rejected"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
KEPT: Final = 500
"""Uploads kept; the oldest go."""
WAIT_SECONDS: Final = 1.0
"""How long a worker waits for work before it looks whether it should end."""


@dataclass(frozen=True)
class Upload:
    """One upload; `at` and `done` in Unix seconds, `done` 0 while it is worked on."""

    id: str
    name: str
    size: int
    at: float
    stage: Stage = "received"
    kind: str = ""
    words: int = 0
    done: float = 0.0
    note: str = ""


class Storage(Protocol):
    """What keeps uploads. Coroutines for one event loop."""

    name: str

    async def add(self, upload: Upload, content: bytes) -> None:
        """Keep a new upload, and hand it to the workers."""

    async def take(self) -> str | None:
        """The id of an upload to work on; None when there was none for a second."""

    async def save(self, upload: Upload, was: Stage) -> None:
        """Keep what became of an upload, and move it to its stage."""

    async def get(self, id: str) -> Upload | None:
        """The upload of this id."""

    async def content(self, id: str) -> bytes | None:
        """What was uploaded."""

    async def recent(self, count: int) -> list[Upload]:
        """The newest uploads."""

    async def waiting(self) -> int:
        """How many no worker has taken."""

    async def stages(self) -> dict[Stage, int]:
        """How many of the kept are in each stage."""

    async def finished(self, stage: Stage, since: float, step: float, steps: int) -> list[int]:
        """How many came into a stage in each of so many steps of time."""

    async def close(self) -> None:
        """Let go of connections."""


class MemoryStorage:
    """Uploads in this process alone."""

    name = "memory"

    def __init__(self) -> None:
        self._uploads: OrderedDict[str, tuple[Upload, bytes]] = OrderedDict()
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._came: dict[Stage, list[float]] = {stage: [] for stage in STAGES}

    async def add(self, upload: Upload, content: bytes) -> None:
        self._uploads[upload.id] = (upload, content)
        self._note(upload)
        if len(self._uploads) > KEPT:
            self._uploads.popitem(last=False)
        self._queue.put_nowait(upload.id)

    async def take(self) -> str | None:
        try:
            return await asyncio.wait_for(self._queue.get(), WAIT_SECONDS)
        except TimeoutError:
            return None

    async def save(self, upload: Upload, was: Stage) -> None:
        if upload.id in self._uploads:
            self._uploads[upload.id] = (upload, self._uploads[upload.id][1])
            self._note(upload)

    async def get(self, id: str) -> Upload | None:
        return self._uploads[id][0] if id in self._uploads else None

    async def content(self, id: str) -> bytes | None:
        return self._uploads[id][1] if id in self._uploads else None

    async def recent(self, count: int) -> list[Upload]:
        return [upload for upload, _ in list(self._uploads.values())[::-1][:count]]

    async def waiting(self) -> int:
        return self._queue.qsize()

    async def stages(self) -> dict[Stage, int]:
        kept = [upload.stage for upload, _ in self._uploads.values()]
        return {stage: kept.count(stage) for stage in STAGES}

    async def finished(self, stage: Stage, since: float, step: float, steps: int) -> list[int]:
        edges = [bisect_left(self._came[stage], since + number * step) for number in range(steps + 1)]
        return [after - before for before, after in pairwise(edges)]

    async def close(self) -> None:
        return None

    def _note(self, upload: Upload) -> None:
        came = self._came[upload.stage]
        insort(came, upload.done or upload.at)
        del came[: max(0, len(came) - KEPT)]


class RedisStorage:
    """Uploads in a Redis, for every process of the service."""

    name = "redis"

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis

        self.client: Any = Redis.from_url(url, decode_responses=False)

    async def add(self, upload: Upload, content: bytes) -> None:
        async with self.client.pipeline() as pipe:
            pipe.hset(f"upload:{upload.id}", mapping=_fields(upload) | {"content": content})
            pipe.zadd("uploads", {upload.id: upload.at})
            pipe.zadd("stage:received", {upload.id: upload.at})
            pipe.lpush("queue", upload.id)
            await pipe.execute()
        await self._forget_oldest()

    async def _forget_oldest(self) -> None:
        old = [id.decode() for id in await self.client.zrange("uploads", 0, -(KEPT + 1))]
        if not old:
            return
        async with self.client.pipeline() as pipe:
            pipe.delete(*(f"upload:{id}" for id in old))
            for key in ("uploads", *(f"stage:{stage}" for stage in STAGES)):
                pipe.zrem(key, *old)
            await pipe.execute()

    async def take(self) -> str | None:
        found = await self.client.brpop(["queue"], timeout=WAIT_SECONDS)
        return found[1].decode() if found else None

    async def save(self, upload: Upload, was: Stage) -> None:
        async with self.client.pipeline() as pipe:
            pipe.hset(f"upload:{upload.id}", mapping=_fields(upload))
            pipe.zrem(f"stage:{was}", upload.id)
            pipe.zadd(f"stage:{upload.stage}", {upload.id: upload.done or upload.at})
            await pipe.execute()

    async def get(self, id: str) -> Upload | None:
        return _upload(dict(await self.client.hgetall(f"upload:{id}")))

    async def content(self, id: str) -> bytes | None:
        content: bytes | None = await self.client.hget(f"upload:{id}", "content")
        return content

    async def recent(self, count: int) -> list[Upload]:
        ids = await self.client.zrevrange("uploads", 0, count - 1)
        async with self.client.pipeline() as pipe:
            for id in ids:
                pipe.hmget(f"upload:{id.decode()}", list(_NAMES))
            rows = await pipe.execute() if ids else []
        found = [_upload(dict(zip(_NAMES, row, strict=True))) for row in rows]
        return [upload for upload in found if upload is not None]

    async def waiting(self) -> int:
        return int(await self.client.llen("queue"))

    async def stages(self) -> dict[Stage, int]:
        async with self.client.pipeline() as pipe:
            for stage in STAGES:
                pipe.zcard(f"stage:{stage}")
            return dict(zip(STAGES, await pipe.execute(), strict=True))

    async def finished(self, stage: Stage, since: float, step: float, steps: int) -> list[int]:
        async with self.client.pipeline() as pipe:
            for number in range(steps):
                start = since + number * step
                pipe.zcount(f"stage:{stage}", start, f"({start + step}")
            return list(await pipe.execute())

    async def close(self) -> None:
        await self.client.aclose()


_NAMES: Final = (b"id", b"name", b"size", b"at", b"stage", b"kind", b"words", b"done", b"note")


def _fields(upload: Upload) -> dict[str, Any]:
    return asdict(upload)


def _upload(row: Mapping[bytes, bytes | None]) -> Upload | None:
    values = {name.decode(): (row.get(name) or b"").decode() for name in _NAMES}
    if not values["id"]:
        return None
    made = Upload(values["id"], values["name"], int(values["size"]), float(values["at"]))
    stage: Stage = values["stage"]  # type: ignore[assignment]  # one of them was written
    return replace(
        made, stage=stage, kind=values["kind"], words=int(values["words"]), done=float(values["done"]),
        note=values["note"],
    )  # fmt: skip
