"""`fanlight simulate`: a simulated provider on a port of its own."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.cli.terminal import DRAWN, PLAIN, Start
from tests.cli.test_gateway import completed

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


def test_it_has_a_dashboard_in_its_terminal(start: Start, eventually: Callable[..., None]) -> None:
    """TTY-1, TTY-2, TTY-7: --dashboard shows what is asked of it, also the tokens of an answer; d and q work."""
    terminal = start("simulate", "--port", "0", "--speed", "1000", "--dashboard", "--ascii")
    address = terminal.until(r"a simulated provider at (http://[\d.:]+);").group(1)
    terminal.until("simulate", terminal.until(DRAWN).end())
    terminal.type("\t" * 3)
    eventually(lambda: any("No model has been called yet" in line for line in terminal.screen()))
    status, answer = completed(address, "gpt-sim")
    assert status == 200
    usage = answer["usage"]
    row = re.compile(rf"gpt-sim\S* .* {usage['prompt_tokens']} .*{usage['completion_tokens']} ")
    eventually(lambda: any(row.search(line) for line in terminal.screen()))
    assert "\n".join(terminal.screen()).isascii()
    begun = len(terminal.text)
    terminal.type("d")
    terminal.until(PLAIN, begun)
    terminal.type("q")
    assert terminal.end() == 0
    assert terminal.modes() == terminal.modes_before


def test_without_a_dashboard_it_answers_all_the_same(command: Command) -> None:
    """X-7: FANLIGHT_ENABLED=0 leaves the provider alone, for those who measure against it."""
    running = command("simulate", "--port", "0", "--speed", "1000", FANLIGHT_ENABLED="0")
    address = running.until("a simulated provider at").split()[5].rstrip(";")
    assert completed(address, "gpt-sim")[0] == 200
    assert running.get(address, "/dashboard/")[0] == 404
    assert running.stop() == 0


def test_it_listens_on_loopback_only(refused: Callable[..., str]) -> None:
    """X-6: what asks nobody for a key is not served to the network."""
    assert "is no loopback address" in refused("simulate", "--host", "0.0.0.0", "--port", "0")
