"""The launcher: `python examples/uploads`, with a redis-server of its own where there is one."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run by its path, only its own folder is there

from launching import serve
from uploads.redis_server import private_redis


def main() -> None:
    """Serve until Ctrl+C."""
    parser = argparse.ArgumentParser(prog="uploads", description=__doc__)
    parser.add_argument("--port", type=int, default=8002, help="0 takes a free one; %(default)s unless given")
    parser.add_argument("--no-traffic", action="store_true", help="no clients")
    given = parser.parse_args()
    told = os.environ.get("UPLOADS_REDIS", "")
    with nullcontext(told) if told else private_redis() as url:
        os.environ["UPLOADS_REDIS"] = url
        os.environ.setdefault("FANLIGHT_LOCAL_ROLE", "operator")  # only loopback is listened on
        print(f"uploads: {'in ' + url if url else 'in memory, there is no redis-server'}", flush=True)
        serve("uploads.app:app", "127.0.0.1", given.port, traffic="" if given.no_traffic else "uploads.traffic")


if __name__ == "__main__":
    main()
