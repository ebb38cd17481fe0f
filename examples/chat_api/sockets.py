"""The WebSocket of a group: `/api/chat/ws/{group}?token=`.

A client sends {"type": "message", "text": ...} or {"type": "ping"}. It gets {"type": "message", "message": {...}}
for each message of the group, its own too, {"type": "pong"}, or {"type": "error", "detail": ...}.
Without a token, or for a group that is not there, the handshake is refused (HTTP 403). With a token that is not
valid the socket is opened and closed with 4401, which a script in a browser can read.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from .auth import may_write, user_of
from .chat import Chat, ChatService
from .hub import Member

log = logging.getLogger("chat.ws")
router = APIRouter()

UNAUTHORIZED: Final = 4401
POLICY_VIOLATION: Final = 1008
MAX_TEXT: Final = 2000
MAX_MISTAKES: Final = 5


@router.websocket("/api/chat/ws/{group}")
async def group_socket(websocket: WebSocket, chat: ChatService, group: str, token: str = "") -> None:
    user = user_of(token)
    chat.observer.websocket(group=group, user=user or "unknown")
    if not await _admit(websocket, chat, group, token, user):
        return
    member = chat.hub.join(group, user)
    log.info("joined group=%s user=%s online=%d", group, user, chat.hub.count(group))
    writer = asyncio.create_task(_write(websocket, member))
    try:
        await _read(websocket, chat, member)
    except WebSocketDisconnect as left:
        log.info("left group=%s user=%s code=%d dropped=%d", group, user, left.code, member.dropped)
    finally:
        chat.hub.leave(member)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


async def _admit(websocket: WebSocket, chat: Chat, group: str, token: str, user: str) -> bool:
    """Accept the socket, or refuse it and say why in the log."""
    known = bool(token) and await chat.group(group) is not None
    if known:
        await websocket.accept()
    if not (known and user):
        reason = "no token" if not token else "token not valid" if known else "no such group"
        log.warning("refused group=%s reason=%s", group, reason)
        await websocket.close(UNAUTHORIZED, reason)
        return False
    return True


async def _write(websocket: WebSocket, member: Member) -> None:
    while True:
        message = await member.next()
        await websocket.send_json({"type": "message", "message": asdict(message)})


async def _read(websocket: WebSocket, chat: Chat, member: Member) -> None:
    """Answer the client until it leaves, or until it has sent five things that make no sense."""
    mistakes = 0
    while mistakes < MAX_MISTAKES:
        error = await _answer(websocket, chat, member, await websocket.receive())
        if error:
            mistakes += 1
            await websocket.send_json({"type": "error", "detail": error})
    log.warning("closed group=%s user=%s reason=too many mistakes", member.group_id, member.user)
    await websocket.close(POLICY_VIOLATION, "too many mistakes")


async def _answer(websocket: WebSocket, chat: Chat, member: Member, event: Mapping[str, Any]) -> str:
    """Do what one frame asks; returns what is wrong with it, or ""."""
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(event.get("code") or 1005)
    frame = _parsed(event.get("text") or "")
    kind, text = frame.get("type"), frame.get("text")
    if kind == "ping":
        await websocket.send_json({"type": "pong"})
        return ""
    if kind != "message":
        return 'expected {"type": "message", "text": ...} or {"type": "ping"}'
    if not isinstance(text, str) or not 0 < len(text.strip()) <= len(text) <= MAX_TEXT:
        return f"text must have 1 to {MAX_TEXT} characters"
    if not may_write(member.user):
        return f"{member.user} may only read"
    return await _say(chat, member, text)


async def _say(chat: Chat, member: Member, text: str) -> str:
    try:
        await chat.say(member.group_id, member.user, text)
    except UnicodeEncodeError:
        return "text must be characters that UTF-8 can write"
    except (sqlite3.Error, chat.storage.failure) as error:
        log.error("message lost group=%s user=%s error=%s", member.group_id, member.user, error)
        return "the storage failed; try again"
    return ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return frame if isinstance(frame, dict) else {}
