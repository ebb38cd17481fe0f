"""Real MCP servers for tests, and the official client."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from tests.gateway.serving import served

from fanlight import Fanlight
from fanlight.gateway.app import Gateway
from fanlight.gateway.mcp.states import Policy

PATIENCE = 30.0
QUICK = Policy(least=0.05, most=0.1)
OLD = Path(__file__).with_name("old_server.py")
TIME = f'[mcp.time]\ncommand = "{sys.executable}"\nargs = ["-m", "mcp_server_time", "--local-timezone", "UTC"]\n'
OLD_ERA = f'[mcp.old]\ncommand = "{sys.executable}"\nargs = ["{OLD}"]\n'
ASK = {"name": "get_current_time", "arguments": {"timezone": "UTC"}}


@contextmanager
def gateway(path: Path, text: str, policy: Policy = QUICK) -> Iterator[tuple[str, Gateway]]:
    """A gateway before these servers, and its address."""
    path.write_text(text)
    dashboard = Fanlight("gateway", local_role="operator")
    made = Gateway(dashboard, path, environ={"PATH": "/usr/bin:/bin"}, policy=policy)
    with served(dashboard.asgi(made)) as address:
        yield address, made
    dashboard.close()


def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until something holds, or fail."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether there is no such process, or nobody but its parent's memory of it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
