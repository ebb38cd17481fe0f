"""`fanlight gateway`: served, checked, read again, and closed to the network without keys."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.cli.terminal import DRAWN, Start
from tests.gateway.hostile import hostile

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Running

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples/hub.toml")
HUB = '[providers.sim]\nkind = "simulated"\nspeed = 1000\n'
Eventually = Callable[[Callable[[], bool]], None]


def models(running: Running, address: str) -> list[str]:
    """The models a gateway lists."""
    return [model["id"] for model in json.loads(running.get(address, "/v1/models")[1])["data"]]


def completed(address: str, model: str) -> tuple[int, Any]:
    """Status and document of a chat completion."""
    connection = http.client.HTTPConnection(address.removeprefix("http://").partition("/")[0], timeout=30)
    wish = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(wish), {"Connection": "close"})
    answer = connection.getresponse()
    try:
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_it_has_a_dashboard_in_its_terminal(start: Start, eventually: Eventually) -> None:
    """TTY-1, TTY-3, TTY-7: the models' page says what fills it, then has a row with the tokens of a real answer."""
    terminal = start("gateway", "--config", EXAMPLE, "--port", "0", "--dashboard")
    address = terminal.until(r"dashboard at (http://[\d.:]+)/").group(1)
    terminal.until("Enhancement", terminal.until(DRAWN).end())
    terminal.type("\t" * 3)
    eventually(lambda: any("No model has been called yet" in line for line in terminal.screen()))
    status, answer = completed(address, "gpt-sim")
    assert status == 200
    usage = answer["usage"]
    row = re.compile(rf"gpt-sim\S* .* {usage['prompt_tokens']} .*{usage['completion_tokens']} ")
    eventually(lambda: any(row.search(line) for line in terminal.screen()))
    terminal.type("\x1b")
    assert terminal.end() == 0


def test_the_example_is_right(command: Command) -> None:
    """HUB-9: `--check` says in a line what a configuration has, with status 0."""
    running = command("gateway", "--config", EXAMPLE, "--check")
    assert running.end() == 0
    assert running.lines == [f"fanlight: {EXAMPLE} is right: 1 provider, 4 models, 1 MCP server, 1 pipeline"]


def test_a_mistake_is_one_line(folder: Path, refused: Callable[..., str]) -> None:
    """HUB-9: wrong configurations are refused with file and line, checked or served."""
    (folder / "hub.toml").write_text('[providers.x]\nkind = "opnai"\n')
    for more in (["--check"], ["--port", "0"]):
        assert "hub.toml:2: providers.x.kind is 'opnai'" in refused("gateway", *more)
    assert "cannot be read (No such file" in refused("gateway", "--config", "none.toml")


def test_without_a_configuration_the_example_is_named(command: Command, refused: Callable[..., str]) -> None:
    """X-8, HUB-9: an empty folder is told of --example, which runs there; both at once are refused."""
    assert "try `fanlight gateway --example`" in refused("gateway", "--port", "0")
    assert "leave one of the two away" in refused("gateway", "--example", "--config", "hub.toml")
    running = command("gateway", "--example", "--check")
    assert running.end() == 0
    assert running.lines == [f"fanlight: {EXAMPLE} is right: 1 provider, 4 models, 1 MCP server, 1 pipeline"]


def test_a_missing_mcp_server_hinders_nothing(command: Command, eventually: Eventually, folder: Path) -> None:
    """HUB-2, HUB-9: the example without its MCP server answers, says on the page why the server does not run, and
    answers its callers 503."""
    hub = folder / "hub.toml"
    hub.write_text(Path(EXAMPLE).read_text().replace("mcp-server-time", "mcp-server-nowhere"))
    running = command("gateway", "--port", "0")
    address = running.served().removesuffix("/dashboard")
    assert completed(address, "gpt-sim")[0] == 200
    eventually(lambda: "mcp-server-nowhere: No such file" in running.get(address, "/dashboard/pages/mcp")[1])
    status, said = running.get(address, "/mcp/time/tools")
    assert (status, "time cannot be started" in said) == (503, True)
    assert running.stop() == 0


def test_processes_ask_once_for_equal_prompts(command: Command, eventually: Eventually, folder: Path) -> None:
    """HUB-4, HUB-9, X-2: equal prompts at once ask the model once, whichever of the processes that share a store they
    reach; all get its answer."""
    with hostile() as (address, provider), ThreadPoolExecutor(8) as pool:
        model = f'[providers.bad]\nkind = "openai"\nbase_url = "{address}/v1"\n[models.held]\nprovider = "bad"\n'
        (folder / "hub.toml").write_text(f'{model}[enhancement]\nmodel = "held"\n')
        store = f"sqlite:///{folder}/f.db"
        both = [command("gateway", "--port", "0", "--store", store) for _ in range(2)]
        places = [each.served().removesuffix("/dashboard") for each in both]
        asked = [pool.submit(enhanced, place, "tell me") for place in places * 4]
        try:
            eventually(lambda: "\ncache_misses_total 8\n" in both[0].get(places[0], "/metrics")[1])
        finally:
            provider.let_go.set()
        assert {each.result() for each in asked} == {(200, "better")}
        assert len(provider.asked) == 1
        assert [each.stop() for each in both] == [0, 0]


def enhanced(address: str, prompt: str) -> tuple[int, str]:
    """Status and prompt of an enhancement."""
    connection = http.client.HTTPConnection(address.removeprefix("http://").partition("/")[0], timeout=30)
    connection.request("POST", "/ollama/enhance", json.dumps({"prompt": prompt}), {"Connection": "close"})
    answer = connection.getresponse()
    try:
        return answer.status, json.loads(answer.read())["prompt"]
    finally:
        connection.close()


def test_a_worker_that_starts_while_the_file_is_wrong_works_by_what_was_right_last(
    command: Command, eventually: Eventually, folder: Path
) -> None:
    """HUB-9, X-2: a worker that is killed then is replaced as ever, and knows what the last reload brought."""
    hub = folder / "hub.toml"
    hub.write_text(HUB)
    running = command("gateway", "--port", "0", "--workers", "2")
    address = running.served().removesuffix("/dashboard")
    eventually(lambda: len(running.family()) >= 2)
    hub.write_text(HUB + '[models.new]\nprovider = "sim"\n')
    running.popen.send_signal(signal.SIGHUP)
    eventually(lambda: all(models(running, address) == ["new"] for _ in range(8)))
    hub.write_text("[models.new")
    first = {process.pid for process in running.family()}
    for process in running.family():
        process.kill()
    eventually(lambda: len({process.pid for process in running.family()} - first) >= 2)
    eventually(lambda: all(models(running, address) == ["new"] for _ in range(8)))
    running.popen.send_signal(signal.SIGHUP)
    assert running.stop() == 0
    assert any("the configuration stays as it was: " in line and "hub.toml:1: " in line for line in running.lines)
    assert not any("status 2" in line for line in running.lines)
    assert not [*(folder / "tmp").glob("fanlight-*/hub.toml")]


def sent(address: str, *parts: bytes) -> bytes:
    """What comes back for these bytes, sent as far as they are taken."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        got = b""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65_536):
                got += piece
        return got


def test_heads_without_an_end_are_refused(command: Command, folder: Path) -> None:
    """X-6, TTY-6: a head, trailers or a chunk's extension of many megabytes end their connection soon, in little
    memory; a body may be longer than they may, and a connection may carry more than that in all."""
    (folder / "hub.toml").write_text(HUB + '[models.a]\nprovider = "sim"\n')
    running = command("gateway", "--port", "0")
    address = running.served().removesuffix("/dashboard")
    before = psutil.Process(running.popen.pid).memory_info().rss
    start = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\n"
    chunked = start + b"transfer-encoding: chunked\r\n\r\n"
    much = [b"a" * 100_000] * 100
    assert sent(address, start, b"x: ", *much)[:12] in (b"HTTP/1.1 431", b"")
    assert sent(address, start, *[b"x: y\r\n" * 20_000] * 100)[:12] in (b"HTTP/1.1 431", b"")
    assert sent(address, chunked + b"0\r\nx: ", *much)[:12] in (b"HTTP/1.1 431", b"")
    assert b" 200 " not in sent(address, chunked + b"1;", *much)
    assert psutil.Process(running.popen.pid).memory_info().rss - before < 8_000_000
    wish = json.dumps({"model": "a", "input": "word " * 100_000}).encode()
    whole = start + b"content-length: %d\r\n\r\n" % len(wish) + wish
    last = start + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(wish) + wish
    assert sent(address, whole, whole, last).count(b"HTTP/1.1 200 OK") == 3
    head = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 20_000
    answers = sent(address, *[head + b"\r\n\r\n"] * 9, head + b"\r\nconnection: close\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200 OK") == 10
    assert running.stop() == 0


def test_elsewhere_only_with_keys(folder: Path, refused: Callable[..., str]) -> None:
    """X-6: a gateway without keys listens on loopback only."""
    (folder / "hub.toml").write_text(HUB)
    assert "needs keys, and there are none" in refused("gateway", "--host", "0.0.0.0", "--port", "0")


def test_it_serves_and_records(command: Command, eventually: Eventually) -> None:
    """HUB-5, HUB-8, TTY-7, X-7: a completion shows on the dashboard's models; health and JSON are at the root too."""
    running = command("gateway", "--config", EXAMPLE, "--port", "0")
    address = running.served().removesuffix("/dashboard")
    assert completed(address, "gpt-sim")[0] == 200
    eventually(lambda: "gpt-sim" in running.get(address, "/api/models")[1])
    row = json.loads(running.get(address, "/dashboard/api/models")[1])["models"][0]
    assert (row["calls"], row["errors"]) == (1, 0)
    assert row["tokens"]["output"]["total"] > 5
    assert row["cost_usd"] > 0
    assert running.get(address, "/health")[0] == 200
    assert "gen_ai_client_token_usage" in running.get(address, "/metrics")[1]
    assert running.get(address, "/api/tags")[0] == 200
    assert running.get(address, "/nothing")[0] == 404
    assert running.get(address, "/")[0] == 307
    assert running.stop() == 0
    assert not [line for line in running.lines if "Traceback" in line]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_reads_the_configuration_again(
    command: Command, folder: Path, eventually: Eventually, workers: str
) -> None:
    """HUB-9: a changed file counts after SIGHUP in every worker; a wrong one changes nothing, and says why."""
    hub = folder / "hub.toml"
    hub.write_text(HUB + '[models.one]\nprovider = "sim"\n')
    running = command("gateway", "--port", "0", "--workers", workers)
    address = running.served().removesuffix("/dashboard")
    assert models(running, address) == ["one"]
    eventually(lambda: len(running.family()) == (0 if workers == "1" else 2))
    hub.write_text(HUB + '[models.two]\nprovider = "sim"\n')
    eventually(lambda: _hung_up(running) and all(models(running, address) == ["two"] for _ in range(10)))
    hub.write_text(HUB + '[models.two]\nprovider = "smi"\n')
    os.kill(running.popen.pid, signal.SIGHUP)
    running.until("the configuration stays as it was")
    assert models(running, address) == ["two"]
    assert running.stop() == 0


def _hung_up(running: Running) -> bool:
    os.kill(running.popen.pid, signal.SIGHUP)
    return True
