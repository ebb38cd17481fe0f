"""The HTTP routes of the chat service. Reading needs no token, changing anything does."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from .auth import Writer, issue, may_write
from .behaviour import UpstreamError
from .chat import Chat, ChatService
from .hub import Member
from .storage import ConflictError, Group, Message

log = logging.getLogger("chat.api")
storage_log = logging.getLogger("chat.storage")
router = APIRouter()

EXPORT_BATCH: Final = 250
LIVE_SECONDS: Final = 15.0
MAX_ID: Final = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000)]
Before = Annotated[int | None, Query(ge=1, le=MAX_ID)]
Seconds = Annotated[float, Query(gt=0, le=60)]
Words = Annotated[str, Query(min_length=2, max_length=100)]


class NewSession(BaseModel):
    """Who wants to sign in."""

    user: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")


class NewGroup(BaseModel):
    """A group to be made."""

    name: str = Field(min_length=1, max_length=60, pattern=r"\S")


class NewMessage(BaseModel):
    """A message to be sent."""

    text: str = Field(min_length=1, max_length=2000, pattern=r"\S")


class GroupDetail(BaseModel):
    """A group and what goes on in it; `online` counts those connected to this process."""

    group_id: str
    name: str
    owner: str
    created_at: str
    message_count: int
    online: int


class MessagePage(BaseModel):
    """Messages, the newest first; `before` of the next older page, or null at the end."""

    items: list[Message]
    next_before: int | None


@router.get("/")
async def index() -> dict[str, Any]:
    return {"service": "chat-api", "routes": "/openapi.json", "groups": "/api/chat/groups"}


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.post("/api/chat/sessions", status_code=201)
async def sign_in(body: NewSession) -> dict[str, Any]:
    log.info("signed in user=%s", body.user)
    return {"user": body.user, "token": issue(body.user), "may_write": may_write(body.user)}


@router.get("/api/chat/groups")
async def list_groups(chat: ChatService, limit: Limit = 50, offset: Offset = 0) -> list[Group]:
    await chat.simulation.query()
    return await run_in_threadpool(chat.storage.groups, limit, offset)


@router.post("/api/chat/groups", status_code=201)
async def create_group(chat: ChatService, body: NewGroup, user: Writer) -> Group:
    await chat.simulation.query()
    try:
        group = await run_in_threadpool(chat.storage.add_group, body.name.strip(), user)
    except ConflictError as error:
        log.warning("group refused user=%s reason=%s", user, error)
        raise HTTPException(409, str(error)) from error
    log.info("group created group=%s user=%s", group.group_id, user)
    return group


@router.get("/api/chat/groups/{group_id}")
async def view_group(chat: ChatService, group_id: str) -> GroupDetail:
    group = await _group(chat, group_id)
    await chat.simulation.query()
    count = await run_in_threadpool(chat.storage.count_messages, group_id)
    return GroupDetail(**asdict(group), message_count=count, online=chat.hub.count(group_id))


@router.get("/api/chat/groups/{group_id}/messages")
async def list_messages(chat: ChatService, group_id: str, limit: Limit = 50, before: Before = None) -> MessagePage:
    await _group(chat, group_id)
    await chat.simulation.query()
    items = await run_in_threadpool(chat.storage.messages, group_id, limit, before)
    return MessagePage(items=items, next_before=items[-1].message_id if len(items) == limit else None)


@router.post("/api/chat/groups/{group_id}/messages", status_code=201)
async def send_message(chat: ChatService, group_id: str, body: NewMessage, user: Writer) -> Message:
    await _group(chat, group_id)
    message = await chat.say(group_id, user, body.text)
    log.info("message stored group=%s message=%d user=%s", group_id, message.message_id, user)
    return message


@router.delete("/api/chat/messages/{message_id}", status_code=204)
async def delete_message(chat: ChatService, message_id: int, user: Writer) -> Response:
    message = await _message(chat, message_id)
    if message.author != user:
        log.warning("deletion refused message=%d user=%s author=%s", message_id, user, message.author)
        raise HTTPException(403, "only its author may delete a message")
    await chat.simulation.query()
    await run_in_threadpool(chat.storage.delete_message, message_id)
    log.info("message deleted message=%d user=%s", message_id, user)
    return Response(status_code=204)


@router.post("/api/chat/messages/{message_id}/report")
async def report_message(chat: ChatService, message_id: int, user: Writer) -> dict[str, Any]:
    message = await _message(chat, message_id)
    try:
        removed = await chat.simulation.moderate(message.text)
    except UpstreamError as error:
        log.error("report failed message=%d status=%d reason=%s", message_id, error.status, error)
        raise HTTPException(error.status, str(error), {"Retry-After": "2"}) from error
    if removed:
        await run_in_threadpool(chat.storage.delete_message, message_id)
        log.warning("message removed message=%d author=%s reported_by=%s", message_id, message.author, user)
    return {"message_id": message_id, "removed": removed}


@router.get("/api/chat/search")
async def search(chat: ChatService, q: Words, limit: Limit = 20) -> list[Message]:
    started = asyncio.get_running_loop().time()
    await chat.simulation.search()
    found = await run_in_threadpool(chat.storage.search, q, limit)
    seconds = asyncio.get_running_loop().time() - started
    if seconds > 1:
        storage_log.warning("slow query seconds=%.2f text=%r found=%d", seconds, q, len(found))
    return found


@router.get("/api/chat/export")
async def export(chat: ChatService, limit: Annotated[int, Query(ge=1, le=50_000)] = 5_000) -> StreamingResponse:
    await chat.simulation.search()
    log.info("export started limit=%d", limit)
    return StreamingResponse(_export(chat, limit), media_type="application/x-ndjson")


@router.get("/api/chat/events")
async def events(chat: ChatService, seconds: Seconds = LIVE_SECONDS) -> StreamingResponse:
    uncached = {"Cache-Control": "no-store"}
    return StreamingResponse(_events(chat, seconds), media_type="text/event-stream", headers=uncached)


async def _export(chat: Chat, limit: int) -> AsyncIterator[str]:
    after, left = 0, limit
    while left and (batch := await run_in_threadpool(chat.storage.batch, after, min(left, EXPORT_BATCH))):
        yield "".join(json.dumps(asdict(message)) + "\n" for message in batch)
        after, left = batch[-1].message_id, left - len(batch)


async def _events(chat: Chat, seconds: float) -> AsyncIterator[str]:
    """New messages of all groups. It ends by itself, so as not to hold up a shutdown for long; browsers reconnect."""
    member = chat.hub.join("", "")
    try:
        yield "retry: 1000\n\n"
        async for message in _until(member, asyncio.get_running_loop().time() + seconds):
            yield f"id: {message.message_id}\nevent: message\ndata: {json.dumps(asdict(message))}\n\n"
    finally:
        chat.hub.leave(member)


async def _until(member: Member, deadline: float) -> AsyncIterator[Message]:
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                message = await member.next()
        except TimeoutError:
            return
        yield message


async def _group(chat: Chat, group_id: str) -> Group:
    group = await chat.group(group_id)
    if group is None:
        raise HTTPException(404, "there is no such group")
    return group


async def _message(chat: Chat, message_id: int) -> Message:
    await chat.simulation.query()
    message = await run_in_threadpool(chat.storage.message, message_id) if 0 < message_id <= MAX_ID else None
    if message is None:
        raise HTTPException(404, "there is no such message")
    return message
