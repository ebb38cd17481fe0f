"""A breaker tripped by an operator is open in every worker, as real processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.conftest import Command

WORKERS = 4

APPLICATION = """
import os
from fanlight import BreakerOpen, Fanlight

dashboard = Fanlight("guarded", local_role="operator")
dashboard.service("ollama", breaker=True)

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    try:
        with dashboard.call("ollama", "chat"):
            said = "called"
    except BreakerOpen as refused:
        said = "refused"
    body = f"{os.getpid()} {said}".encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

app = dashboard.asgi(app)
"""


def post(address: str, path: str) -> dict[str, Any]:
    """What an action answers."""
    connection = http.client.HTTPConnection(address.removeprefix("http://").partition("/")[0], timeout=40)
    try:
        host = address.removeprefix("http://").partition("/")[0]
        connection.request("POST", path, headers={"Connection": "close", "Origin": f"http://{host}"})
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def test_a_tripped_breaker_is_open_in_every_worker(
    command: Command, eventually: Callable[[Callable[[], bool]], None], folder: Path
) -> None:
    """HUB-3, X-2: four workers refuse after one trip, one that starts after it too, and call again after one reset;
    every worker tells the same."""
    (folder / "guarded.py").write_text(APPLICATION)
    running = command("run", "guarded:app", "--port", "0", "--workers", str(WORKERS))
    address = running.served()
    said: dict[str, str] = {}

    def all_say(word: str) -> Callable[[], bool]:
        def look() -> bool:
            pid, _, what = running.get(address, "/")[1].partition(" ")
            said[pid] = what
            return len(said) == WORKERS and set(said.values()) == {word}

        return look

    def known_everywhere() -> bool:
        answer = json.loads(running.get(address, "/dashboard/health/ollama")[1])
        return (answer.get("breaker") or {}).get("instances") == WORKERS

    eventually(all_say("called"))
    eventually(known_everywhere)
    done = post(address, "/dashboard/actions/breakers/ollama/trip")
    assert (done["status"], done["message"]) == ("success", f"Breaker ollama: trip: done on {WORKERS} instances: open")
    said.clear()
    eventually(all_say("refused"))
    for _ in range(WORKERS):
        eventually(lambda: len(_breaker(running.get(address, "/dashboard/health/ollama")[1])["open_on"]) == WORKERS)
    assert _breaker(running.get(address, "/dashboard/health/ollama")[1])["by_hand"]
    old = next(iter(said))
    os.kill(int(old), signal.SIGKILL)
    said.clear()
    eventually(all_say("refused"))
    assert old not in said
    eventually(lambda: post(address, "/dashboard/actions/breakers/ollama/reset")["status"] == "success")
    said.clear()
    eventually(all_say("called"))
    assert running.stop() == 0


def _breaker(answer: str) -> dict[str, Any]:
    return dict(json.loads(answer)["breaker"])
