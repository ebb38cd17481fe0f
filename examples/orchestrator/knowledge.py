"""The knowledge API: a real HTTP server on loopback that knows a few facts, and its client."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from .knobs import SLOW_SECONDS, Knobs, WrapperError

TIMEOUT_SECONDS: Final = 2.0
FACTS: Final = {
    "latency": "Latency is best told by percentiles; a mean hides the slow tenth.",
    "queue": "A queue that is never empty grows: by Little's law its length is arrival rate times waiting time.",
    "cache": "A cache is worth its hit rate times what a miss costs.",
    "breaker": "A circuit breaker stops calls to a service that fails, and lets one through to see whether it is back.",
    "retry": "Retries multiply the load of a service that is failing already; give them a budget.",
    "deploy": "Most outages follow a change; a marker on the chart shows which.",
}


class Handler(BaseHTTPRequestHandler):
    """`GET /facts?q=words` answers the facts those words name; `/` that it is there."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer as the knob says."""
        mood = self.server.knobs.mood("knowledge")
        if mood in ("slow", "hang"):
            self.server.ended.wait(SLOW_SECONDS if mood == "slow" else 2 * TIMEOUT_SECONDS)
        words = parse_qs(urlsplit(self.path).query).get("q", [""])[0].lower()
        found = [fact for name, fact in FACTS.items() if name in words]
        self._send(503 if mood == "fail" else 200, {"facts": found})

    def _send(self, status: int, document: dict[str, list[str]]) -> None:
        body = json.dumps(document).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the caller did not wait
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the orchestrator's calls are on its dashboard."""


class Server(ThreadingHTTPServer):
    """The API on a free port of 127.0.0.1."""

    daemon_threads = True

    def __init__(self, knobs: Knobs) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.knobs = knobs
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="knowledge", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}/"

    def close(self) -> None:
        """Stop it."""
        self.ended.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


def facts_about(port: int, words: str) -> list[str]:
    """Ask the API; blocks for two seconds at most. Raises WrapperError and OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"/facts?{urlencode({'q': words[:500]})}")
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise WrapperError(502, f"the knowledge API answered {response.status}")
    facts: list[str] = json.loads(body)["facts"]
    return facts
