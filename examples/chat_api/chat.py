"""Everything one running chat service holds, and how a handler gets at it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from .behaviour import Simulation
from .hub import Hub
from .observer import Observer
from .storage import Group, Message, Storage

if TYPE_CHECKING:
    from .mongo import MongoStorage

CACHED_GROUPS: Final = 64


class GroupCache:
    """The groups asked for last, at most `limit`, so that most requests need one query less. Groups never change."""

    def __init__(self, observer: Observer, limit: int = CACHED_GROUPS) -> None:
        self._groups: OrderedDict[str, Group] = OrderedDict()
        self._limit = limit
        self._meter = observer.cache("groups", clear=self.clear)

    def get(self, group_id: str) -> Group | None:
        """The group if it is here; counted as a hit or a miss."""
        groups = self._groups
        group = groups.get(group_id)
        if group is None:
            self._meter.miss()
            return None
        groups.move_to_end(group_id)
        self._meter.hit()
        return group

    def put(self, group: Group) -> None:
        """Keep a group, and let go of the one not asked for the longest if there are too many."""
        groups = self._groups
        groups[group.group_id] = group
        if len(groups) > self._limit:
            groups.popitem(last=False)
        self._meter.size(len(groups))

    def clear(self) -> None:
        """Forget every group; from any thread, which is why the old entries are left to whoever is using them."""
        self._groups = OrderedDict()
        self._meter.size(0)


class Chat:
    """One running chat service: its storage, its members, its cache, what watches it, and its made-up trouble."""

    def __init__(self, storage: Storage | MongoStorage, simulation: Simulation, observer: Observer) -> None:
        self.storage = storage
        self.simulation = simulation
        self.observer = observer
        self.hub = Hub()
        self.cache = GroupCache(observer)

    async def group(self, group_id: str) -> Group | None:
        """The group of this id, from the cache if it is there."""
        group = self.cache.get(group_id)
        if group is None:
            group = await run_in_threadpool(self.storage.group, group_id)
            if group is not None:
                self.cache.put(group)
        return group

    async def say(self, group_id: str, author: str, text: str) -> Message:
        """Store a message and hand it to every member of its group who is connected to this process."""
        await self.simulation.query()
        message = await run_in_threadpool(self.storage.add_message, group_id, author, text)
        recipients = self.hub.broadcast(message)
        self.observer.event("message_broadcast", group=group_id, recipients=recipients)
        return message


def chat_of(connection: HTTPConnection) -> Chat:
    """The service a request or a WebSocket belongs to."""
    chat = connection.app.state.chat
    assert isinstance(chat, Chat)
    return chat


ChatService = Annotated[Chat, Depends(chat_of)]
