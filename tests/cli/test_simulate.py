"""`fanlight simulate`: a simulated provider on a port of its own."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def test_it_serves_and_stops(command: Command) -> None:
    """TTY-7: it says where it is, lists the models it was given, loses a connection when told to, and stops cleanly."""
    running = command("simulate", "--port", "0", "--model", "mine", "--speed", "1000")
    address = running.until("a simulated provider at").split()[5].rstrip(";")
    status, body = running.get(address, "/v1/models")
    assert (status, [model["id"] for model in json.loads(body)["data"]]) == (200, ["mine"])
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    wish = {"model": "m-fail-cut", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    connection.request("POST", "/v1/chat/completions", json.dumps(wish))
    answer = connection.getresponse()
    try:
        whole = answer.read()
    except http.client.IncompleteRead as cut:
        whole = cut.partial
    else:
        raise AssertionError("the stream ended as if it were whole")
    assert whole.startswith(b"data: ")
    connection.close()
    assert running.stop() == 0
    assert not [line for line in running.lines if "Traceback" in line]


def test_it_listens_on_loopback_only(refused: Callable[..., str]) -> None:
    """X-6: what asks nobody for a key is not served to the network."""
    assert "is no loopback address" in refused("simulate", "--host", "0.0.0.0", "--port", "0")
