"""Actions that ask for values, run from a real terminal against a real service."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.terminal import DRAWN, Start

ACTING = """
import asyncio
from typing import Literal
from fanlight import Fanlight, progress

async def bare(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

dashboard = Fanlight("hub", store="memory://")

@dashboard.action("Re-index", confirm="Re-index the folder?")
async def reindex(folder: str, depth: int = 3, mode: Literal["fast", "thorough"] = "fast", dry_run: bool = True):
    for number in range(5):
        progress(number, 5, "reading")
        await asyncio.sleep(1.2)
    return f"indexed {folder} {depth} {mode} {dry_run}"

app = dashboard.asgi(bare)
"""


@pytest.mark.parametrize("size", [(60, 15), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_an_action_is_filled_in_run_and_followed(start: Start, folder: Path, size: tuple[int, int]) -> None:
    """HUB-7, TTY-4: by keys alone, a wrong value said beside its field, the question, the progress, the result."""
    (folder / "acting.py").write_text(ACTING)
    terminal = start("run", "acting:app", "--port", "0", "--no-access-log", "--dashboard")
    terminal.resize(*size)
    terminal.until("In flight|in flight|req", terminal.until(DRAWN).end())
    terminal.type("a")
    place = terminal.until("Re-index", len(terminal.text)).end()
    terminal.type("\r")
    place = terminal.until(r"Enter.* go on", place).end()
    terminal.type("/srv\tx\r")
    place = terminal.until("depth is '3x'; expected a whole number", place).end()
    terminal.type("\x7f4\x7f\x7f5\t\x1b[C\t \r")
    place = terminal.until("Re-index the folder", place).end()
    terminal.type("y")
    place = terminal.until("running: Re-index", place).end()
    place = terminal.until(r"[1-4] of 5", place).end()
    terminal.until(r"(?s)indexed /srv 5 thorough.*False", place)
    terminal.type("qq" if size[0] < 80 else "q")  # where the result needed a box, the first closes it
    assert terminal.end() == 0
