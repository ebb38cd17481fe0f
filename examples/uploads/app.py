"""The upload service with its dashboard: `python examples/uploads`, or `uvicorn uploads.app:app --port 8002`.

UPLOADS_REDIS is the URL of a Redis; without it uploads are kept in memory.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from random import Random
from typing import Annotated, Any, Final

from fastapi import FastAPI, HTTPException, Query, Request

from fanlight import Fanlight
from fanlight.probes import redis as redis_probe

from .panels import declare
from .storage import MemoryStorage, RedisStorage, Storage, Upload
from .workflow import Workflow, words_of

SIZE_LIMIT: Final = 256 * 1024
CACHED: Final = 100

log = logging.getLogger("uploads")
log.setLevel(logging.INFO)


class Summaries:
    """The most frequent words of the uploads asked for last; the content of an upload never changes."""

    def __init__(self, dashboard: Fanlight) -> None:
        self._known: OrderedDict[str, list[tuple[str, int]]] = OrderedDict()
        self._meter = dashboard.cache("summaries", clear=self.clear)

    def clear(self) -> None:
        """Forget all; from any thread."""
        self._known = OrderedDict()
        self._meter.size(0)

    def get(self, id: str) -> list[tuple[str, int]] | None:
        """The summary if it is here; counted as a hit or a miss."""
        found = self._known.get(id)
        if found is None:
            self._meter.miss()
        else:
            self._meter.hit()
        return found

    def put(self, id: str, content: bytes) -> list[tuple[str, int]]:
        """Make a summary and keep it."""
        self._known[id] = made = words_of(content).most_common(10)
        if len(self._known) > CACHED:
            self._known.popitem(last=False)
        self._meter.size(len(self._known))
        return made


def create_app(dashboard: Fanlight, redis_url: str = "", *, chance: Random | None = None) -> FastAPI:
    """An upload service over the Redis of that URL, or in memory, watched by this dashboard."""
    storage: Storage = MemoryStorage()
    if redis_url:
        storage = kept = RedisStorage(redis_url)
        dashboard.redis(redis_url)
        dashboard.service(storage.name, kind="cache", probe=redis_probe(kept.client))
    workflow = Workflow(dashboard, storage, chance=chance or Random(7))
    summaries = Summaries(dashboard)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log.info("uploads are kept in %s", storage.name if redis_url else "memory, there is no Redis")
        workflow.start()
        yield
        await workflow.stop()
        await storage.close()

    app = FastAPI(title="Uploads", docs_url=None, redoc_url=None, lifespan=lifespan)

    @app.post("/uploads", status_code=201)
    async def upload(request: Request, name: Annotated[str, Query(min_length=1, max_length=100)]) -> dict[str, Any]:
        content = await _body(request)
        made = Upload(id=secrets.token_hex(6), name=name, size=len(content), at=time.time())
        async with dashboard.call(storage.name, "add", size=made.size):
            await storage.add(made, content)
        return asdict(made)

    @app.get("/uploads")
    async def recent(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[dict[str, Any]]:
        async with dashboard.call(storage.name, "recent"):
            return [asdict(upload) for upload in await storage.recent(limit)]

    @app.get("/uploads/{id}")
    async def show(id: str) -> dict[str, Any]:
        async with dashboard.call(storage.name, "get"):
            found = await storage.get(id)
        if found is None:
            raise HTTPException(404, "there is no such upload, or it is too old")
        return asdict(found)

    @app.get("/uploads/{id}/words")
    async def words(id: str) -> list[tuple[str, int]]:
        known = summaries.get(id)
        if known is not None:
            return known
        async with dashboard.call(storage.name, "content"):
            content = await storage.content(id)
        if content is None:
            raise HTTPException(404, "there is no such upload, or it is too old")
        return summaries.put(id, content)

    declare(dashboard, storage)
    dashboard.install(app)
    return app


async def _body(request: Request) -> bytes:
    """The content of an upload, refused as soon as it is too much."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > SIZE_LIMIT:
            raise HTTPException(413, f"an upload has up to {SIZE_LIMIT} bytes")
    if not content:
        raise HTTPException(422, "an upload of nothing; send the content as the body")
    return bytes(content)


redis_url = os.environ.get("UPLOADS_REDIS", "")
RELEASE: Final = "0.9.1"
dashboard = Fanlight("uploads", release=RELEASE, store=redis_url) if redis_url else Fanlight("uploads", release=RELEASE)
app = create_app(dashboard, redis_url)
