"""What the launchers of the examples have in common: a server, and clients that end with it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import uvicorn


def serve(target: str, host: str, port: int, *, log_level: str = "warning", traffic: str = "") -> None:
    """Serve an application until Ctrl+C or SIGTERM; `traffic` is the module of clients that use it meanwhile."""
    folder = Path(__file__).resolve().parent
    listening = _listening(host, port)
    place = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    address = f"http://{f'[{place}]' if ':' in place else place}:{listening.getsockname()[1]}"
    print(f"{target.partition('.')[0]}: dashboard at {address}/dashboard", flush=True)
    command = [sys.executable, "-m", traffic, address]
    # uvicorn raises what stopped it once more at its end: the clients are to be ended first.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    clients = subprocess.Popen(command, cwd=folder) if traffic else None  # noqa: S603 - our own words
    try:
        uvicorn.Server(uvicorn.Config(target, log_level=log_level)).run(sockets=[listening])
    finally:
        if clients is not None:
            clients.terminate()
            clients.wait()


def _listening(host: str, port: int) -> socket.socket:
    """A listening socket, bound before anything else so that a taken port is said at once."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        sys.exit(f"port {port} on {host} cannot be listened on ({error.strerror}); choose another one with --port")
