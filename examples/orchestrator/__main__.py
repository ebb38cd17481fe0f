"""The launcher: `python -m orchestrator --host 127.0.0.1 --port 5000 --debug --sample-data`."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

import uvicorn


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """What is on the command line."""
    parser = argparse.ArgumentParser(prog="orchestrator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="elsewhere than loopback, set FANLIGHT_TOKEN")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--debug", action="store_true", help="debug lines of the server and of the orchestrator")
    parser.add_argument("--sample-data", action="store_true", help="have clients use it, so that there is data")
    return parser.parse_args(words)


def main() -> None:
    """Serve until Ctrl+C."""
    given = arguments()
    if given.debug:
        logging.getLogger("orchestrator").setLevel(logging.DEBUG)
    if given.host in ("127.0.0.1", "localhost", "::1"):
        os.environ.setdefault("FANLIGHT_LOCAL_ROLE", "operator")
    place = "127.0.0.1" if given.host in ("0.0.0.0", "::") else given.host  # noqa: S104 - compared, not bound
    address = f"http://{place}:{given.port}"
    print(f"orchestrator: dashboard at {address}/dashboard", flush=True)
    command = [sys.executable, "-m", "orchestrator.traffic", address]
    folder = Path(__file__).resolve().parents[1]
    clients = subprocess.Popen(command, cwd=folder) if given.sample_data else None  # noqa: S603 - our own words
    try:
        level = "debug" if given.debug else "warning"
        uvicorn.run("orchestrator.app:app", host=given.host, port=given.port, log_level=level, app_dir=str(folder))
    finally:
        if clients is not None:
            clients.terminate()
            clients.wait()


if __name__ == "__main__":
    main()
