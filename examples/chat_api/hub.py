"""Who listens, and the hand-over of messages to them. For one event loop; knows nothing of sockets."""

from __future__ import annotations

import asyncio
from typing import Final

from .storage import Message

WAITING_MESSAGES: Final = 64


class Member:
    """One listener: of a group, or of every group if `group_id` is empty.

    Up to 64 messages wait for a slow one; then the oldest is dropped, so that nobody else waits for it. `dropped`
    counts those.
    """

    def __init__(self, group_id: str, user: str) -> None:
        self.group_id = group_id
        self.user = user
        self.dropped = 0
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(WAITING_MESSAGES)

    def hand(self, message: Message) -> None:
        """Add a message to those that wait; never blocks."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self.dropped += 1
        self._waiting.put_nowait(message)

    async def next(self) -> Message:
        """The oldest message that waits, or the next to come."""
        return await self._waiting.get()


class Hub:
    """The members connected to this process; other workers have hubs of their own."""

    def __init__(self) -> None:
        self._members: dict[str, set[Member]] = {}

    def join(self, group_id: str, user: str) -> Member:
        """Listen to a group ("": to all) from now on."""
        member = Member(group_id, user)
        self._members.setdefault(group_id, set()).add(member)
        return member

    def leave(self, member: Member) -> None:
        """Listen no longer; leaving twice is harmless."""
        members = self._members.get(member.group_id, set())
        members.discard(member)
        if not members:
            self._members.pop(member.group_id, None)

    def count(self, group_id: str) -> int:
        """How many listen to this group."""
        return len(self._members.get(group_id, ()))

    def broadcast(self, message: Message) -> int:
        """Hand a message to all who listen to its group; returns how many members of the group got it."""
        for member in self._members.get("", ()):
            member.hand(message)
        for member in self._members.get(message.group_id, ()):
            member.hand(message)
        return self.count(message.group_id)
