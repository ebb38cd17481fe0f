"""The garbage collector in the gateway's own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio, gc, sys
from pathlib import Path
from fanlight import Fanlight
from fanlight.gateway.app import Gateway
from fanlight.gateway.collector import THRESHOLD

async def live(**options):
    gateway = Gateway(Fanlight("gateway", store="memory://"), Path(sys.argv[1]), environ={}, **options)
    told = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    async def receive():
        if len(told) == 1:
            print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0] == THRESHOLD)
        return told.pop()
    async def send(message): pass
    await gateway({"type": "lifespan"}, receive, send)

asyncio.run(live())
asyncio.run(live(owns_process=True))
"""


def test_what_is_loaded_is_not_collected_in_a_process_of_the_gateways_own(tmp_path: Path) -> None:
    """TTY-6: once it serves what is loaded is left alone, and collections are few; another's process is not touched."""
    (tmp_path / "hub.toml").write_text('[providers.sim]\nkind = "simulated"\n')
    words = [sys.executable, "-c", SCRIPT, str(tmp_path / "hub.toml")]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.split("\n")
    assert said == ["False False", "True True", ""]
