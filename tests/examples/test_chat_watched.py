"""The chat service with the real Fanlight around it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import aiohttp

from chat_api.auth import issue
from chat_api.behaviour import CALM
from chat_api.service import create_app
from fanlight import Fanlight

Serve = Callable[..., AbstractContextManager[str]]


def _let_it_fold(dashboard: Fanlight) -> None:
    """Wait for two turns of the pulse: the first may have begun before what is to be seen happened."""
    turns = threading.Semaphore(0)
    forget = dashboard.pulse.listen(lambda version: turns.release())
    leave = dashboard.pulse.watch()
    assert turns.acquire(timeout=20)
    assert turns.acquire(timeout=20)
    leave()
    forget()


def test_the_dashboard_shows_the_database_and_the_sockets(serve: Serve) -> None:
    """API-2, API-4, API-5: with one line in the service, its figures and its members are on the dashboard."""

    dashboard = Fanlight("chat-api", release="1.4.2", exclude=("/healthz",))

    async def look(url: str) -> Any:
        token = {"token": issue("ada")}
        async with (
            aiohttp.ClientSession(url) as session,
            session.ws_connect("/api/chat/ws/general", params=token) as socket,
        ):
            await socket.send_json({"type": "ping"})
            await socket.receive_json(timeout=10)
            await asyncio.to_thread(_let_it_fold, dashboard)
            async with session.get("/dashboard/api/data") as response:
                return await response.json()

    try:
        with serve(create_app(dashboard, behaviour=CALM)) as url:
            data = asyncio.run(look(url))
    finally:
        dashboard.close()
    assert (data["database"]["total_groups"], data["database"]["total_messages"]) == (8, 1200)
    assert data["system"]["mongodb_healthy"] is True
    event = data["websockets"]["recent_events"][0]
    assert (event["event_type"], event["group_id"], event["user_id"]) == ("connected", "general", "ada")
