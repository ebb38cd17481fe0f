"""What the launchers of the examples have in common: a server, and clients that end with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import uvicorn


def serve(target: str, host: str, port: int, *, log_level: str = "warning", traffic: str = "") -> None:
    """Serve an application until Ctrl+C or SIGTERM; `traffic` is the module of clients that use it meanwhile."""
    folder = Path(__file__).resolve().parent
    place = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    command = [sys.executable, "-m", traffic, f"http://{place}:{port}"]
    # uvicorn raises what stopped it once more at its end: the clients are to be ended first.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    clients = subprocess.Popen(command, cwd=folder) if traffic else None  # noqa: S603 - our own words
    try:
        uvicorn.run(target, host=host, port=port, log_level=log_level, app_dir=str(folder))
    finally:
        if clients is not None:
            clients.terminate()
            clients.wait()
