"""The chat service as an ASGI application, with or without somebody watching."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from .behaviour import CALM, Behaviour, Simulation
from .chat import Chat
from .observer import NoObserver, Observer
from .routes import router
from .sockets import router as sockets
from .storage import Storage

if TYPE_CHECKING:
    from .mongo import MongoStorage

log = logging.getLogger("chat.storage")


def create_app(dashboard: Observer | None = None, *, behaviour: Behaviour | None = None) -> FastAPI:
    """A chat service, watched by `dashboard` if there is one.

    `CHAT_DB` names its SQLite file (default: a temporary one), `CHAT_STORE` a MongoDB in its place. `behaviour` is its
    made-up trouble, none of it with `CHAT_CALM=1`.
    """
    observer = dashboard or NoObserver()
    simulation = Simulation(behaviour or (CALM if os.environ.get("CHAT_CALM") == "1" else Behaviour()))
    storage = _storage(os.environ.get("CHAT_STORE", ""), os.environ.get("CHAT_DB", ""))
    chat = Chat(storage, simulation, observer)
    app = FastAPI(title="Chat API", version="1.4.2", docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.chat = chat
    app.include_router(router)
    app.include_router(sockets)
    failures: set[type[Exception]] = {sqlite3.Error, storage.failure}
    for failure in failures:
        app.add_exception_handler(failure, _storage_failed)

    @observer.database
    async def database() -> dict[str, Any]:
        return await run_in_threadpool(chat.storage.statistics)

    observer.install(app)
    return app


def _storage(url: str, path: str) -> Storage | MongoStorage:
    if not url:
        return Storage(path)
    if not url.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError(f"CHAT_STORE is {url.partition(':')[0]!r}...; expected mongodb://host:27017/chat, or nothing")
    from .mongo import MongoStorage  # needs pymongo, which SQLite does not

    return MongoStorage(url)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    storage = app.state.chat.storage
    await run_in_threadpool(storage.open)
    log.info("storage open path=%s", storage.path)
    try:
        yield
    finally:
        await run_in_threadpool(storage.close)
        log.info("storage closed")


async def _storage_failed(request: Request, error: Exception) -> JSONResponse:
    log.error("query failed method=%s path=%s error=%s", request.method, request.url.path, error)
    return JSONResponse({"detail": "the storage failed; try again"}, status_code=500)
