"""The launcher: `python examples/chat_api`, with clients that use it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run by its path, only its own folder is there

from launching import serve


def main() -> None:
    """Serve until Ctrl+C."""
    parser = argparse.ArgumentParser(prog="chat_api", description=__doc__)
    parser.add_argument("--port", type=int, default=8001, help="0 takes a free one; %(default)s unless given")
    parser.add_argument("--no-traffic", action="store_true", help="no clients")
    given = parser.parse_args()
    os.environ.setdefault("FANLIGHT_LOCAL_ROLE", "operator")  # only loopback is listened on
    serve("chat_api.app:app", "127.0.0.1", given.port, traffic="" if given.no_traffic else "chat_api.traffic")


if __name__ == "__main__":
    main()
