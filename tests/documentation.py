"""The pages of the documentation as their tests read them: blocks, tables, code; and what runs an example."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

App = Callable[[Any, Any, Any], Awaitable[None]]


class Block(NamedTuple):
    """A fenced block: where it stands, its language and its text."""

    place: str
    language: str
    text: str


def blocks(*paths: Path) -> Iterator[Block]:
    for path in paths:
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE):
            line = path.read_text()[: found.start()].count("\n") + 1
            yield Block(f"{path.name}:{line}", found[1], found[2])


def table(path: Path, header: str) -> list[list[str]]:
    """The cells of all tables of a page that begin with the header."""
    rows, inside = [], False
    for line in path.read_text().splitlines():
        inside = line.startswith(f"| {header} |") or (inside and line.startswith("|"))
        cells = [cell.strip() for cell in line.strip()[1:-1].split("|")]
        if inside and cells[0] != header and not set(line) <= set("|- "):
            rows.append(cells)
    return rows


def code_spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


def executed(block: Block) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block.text, block.place, "exec"), names)
    return names


async def ask(app: App, path: str, peer: str = "127.0.0.1", **headers: str) -> tuple[int, bytes]:
    """One request straight into an application."""
    sent: list[MutableMapping[str, Any]] = []
    named = [(b"host", b"localhost"), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": named,
        "client": (peer, 5000), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def asked(names: dict[str, Any], *requests: tuple[str, dict[str, str]]) -> list[tuple[int, bytes]]:
    """The answers of an example's application, one after the other.

    What has happened is folded before the dashboard is asked; the pulse must stand still, so that nothing else folds.
    """

    async def turn(path: str, more: dict[str, str]) -> tuple[int, bytes]:
        if path.startswith(names["dashboard"].settings.prefix):
            names["dashboard"].pulse.tick()
        return await ask(names["app"], path, **more)

    async def all_of_them() -> list[tuple[int, bytes]]:
        return [await turn(path, more) for path, more in requests]

    try:
        return asyncio.run(all_of_them())
    finally:
        names["dashboard"].close()
