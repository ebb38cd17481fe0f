"""The launcher: `python examples/orchestrator --host 127.0.0.1 --port 5000 --debug --sample-data`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run by its path, only its own folder is there

from launching import serve


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """What is on the command line."""
    parser = argparse.ArgumentParser(prog="orchestrator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="elsewhere than loopback, set FANLIGHT_TOKEN")
    parser.add_argument("--port", type=int, default=5000, help="0 takes a free one; %(default)s unless given")
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
    level = "debug" if given.debug else "warning"
    traffic = "orchestrator.traffic" if given.sample_data else ""
    serve("orchestrator.app:app", given.host, given.port, log_level=level, traffic=traffic)


if __name__ == "__main__":
    main()
