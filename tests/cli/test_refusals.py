"""Wrong input ends with one clear line, of what was got, what was expected and what to do, and with status 2."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.terminal import Start

Refused = Callable[..., str]

MODULES = {
    "needs.py": "import nosuchlibrary\n",
    "halves.py": "import halves_missing.part\n",
    "broken.py": "def work():\n    return 1 / 0\n\n\nwork()\n",
    "syntax.py": "def work(:\n",
    "leaves.py": "import sys\nsys.exit(7)\n",
    "things.py": (
        "value = 3\n"
        "def make():\n    return None\n"
        "def wsgi(environ, start_response):\n    return []\n"
        "class Kind:\n    async def __call__(self, scope, receive, send):\n        return None\n"
        "async def later():\n    return None\n"
        "def wrong(one, two, three, four):\n    return None\n"
        "def failing():\n    raise ValueError('no such plan')\n"
    ),
    "owner.py": (
        "from starlette.applications import Starlette\n"
        "from starlette.responses import PlainTextResponse\n"
        "from starlette.routing import Route\n"
        "app = Starlette(routes=[Route('/dashboard/own', lambda request: PlainTextResponse('mine'))])\n"
    ),
    "bare.py": "from starlette.applications import Starlette\napp = Starlette()\n",
}


@pytest.fixture(autouse=True)
def modules(folder: Path) -> None:
    """Wrong applications in the user's folder."""
    for name, text in MODULES.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("absent:app", ["module absent was not found in ", "--app-dir"]),
        (
            "needs:app",
            ["needs imports nosuchlibrary, which is not installed", "pip install nosuchlibrary", "(needs.py:1)"],
        ),
        ("halves:app", ["halves imports halves_missing", "(halves.py:1)"]),
        (
            "broken:app",
            ["broken failed while it was imported: ZeroDivisionError: division by zero (broken.py:2)", "--debug"],
        ),
        ("syntax:app", ["SyntaxError: invalid syntax (syntax.py:1)"]),
        ("leaves:app", ["leaves ended the process while it was imported (exit status 7, leaves.py:2)", "__main__"]),
        ("plain:application", ["plain has no application", "it has plain:app"]),
        ("things:application", ["things has no application", "it has things:wsgi: run that instead"]),
        ("things:value", ["things:value is not an ASGI application but of type int", "expected a callable"]),
        ("things:make", ["things:make looks like a factory", "--factory"]),
        ("things:Kind", ["things:Kind is a class", "application = Kind()"]),
        ("things:wrong", ["a callable of (one, two, three, four)", "expected one of (scope, receive, send)"]),
        ("plain.py:app", ["got plain.py:app, a file", "such as plain:app"]),
        ("plain", ["got 'plain'", "such as plain:app"]),
        ("owner:app", ["prefix", "/dashboard"]),
    ],
)
def test_a_wrong_application_is_named(refused: Refused, target: str, parts: list[str]) -> None:
    """X-8: `run` says in one line why an application cannot be served."""
    line = refused("run", target, "--port", "0")
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["plain:app", "--prefix", "dash"], ["--prefix is 'dash'", 'expected a path such as "/dashboard"']),
        (["plain:app", "--token", "short"], ["--token is ***", "expected 16 to 256 characters"]),
        (["plain:app", "--token", ""], ["--token is empty", "expected a token, or no --token"]),
        (["plain:app", "--viewer-token", " "], ["--viewer-token is empty"]),
        (["plain:app", "--store", "postgres://u:secret@h/d"], ["no store is called 'postgres://'", "sqlite:///"]),
        (["plain:app", "--prot", "1"], ["No such option", "--port", "fanlight run --help"]),
        (["plain:app", "--port", "70000"], ["70000", "0<=x<=65535"]),
        (["plain:app", "--workers", "0"], ["--workers", "1<=x<=64"]),
        (["plain:app", "--host", "192.0.2.1"], ["192.0.2.1 is not an address of this machine", "--host 127.0.0.1"]),
        (["plain:app", "--app-dir", "nowhere"], ["--app-dir nowhere is not a folder"]),
        (["things:later", "--factory"], ["things:later is an async factory"]),
        (
            ["things:failing", "--factory"],
            ["the factory things:failing failed: ValueError: no such plan", "things.py:14)"],
        ),
        (["things:value", "--factory"], ["leave --factory away"]),
        (["plain:app", "--sample-data", "--workers", "2"], ["--sample-data", "--workers 2"]),
        ([], ["Missing argument 'MODULE:APP'"]),
    ],
)
def test_a_wrong_option_is_named(refused: Refused, words: list[str], parts: list[str]) -> None:
    """X-6: a wrong option is refused with its value, what was expected and what to do; secrets are not repeated."""
    port = [] if "--port" in words else ["--port", "0"]
    line = refused("run", *words, *port)
    for part in parts:
        assert part in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("rnu", "run was probably meant"),
        ("shop:app", "fanlight run shop:app"),
        ("http://127.0.0.1:8000", "fanlight top http://127.0.0.1:8000"),
        ("frobnicate", "expected one of run, gateway, top, serve, export, demo, simulate"),
    ],
)
def test_a_wrong_command_is_told_what_was_meant(refused: Refused, word: str, part: str) -> None:
    """ORC-7: who writes no command, or forgets it, is told the one that fits."""
    line = refused(word)
    assert f"there is no command '{word}'" in line
    assert part in line


def test_a_wrong_variable_and_a_wrong_key_name_their_source(refused: Refused, folder: Path) -> None:
    """X-8: settings from the environment and from fanlight.toml are refused by the name the user knows."""
    assert "FANLIGHT_PREFIX is 'dash'" in refused("run", "plain:app", "--port", "0", FANLIGHT_PREFIX="dash")
    (folder / "fanlight.toml").write_text("prefx = '/x'\n")
    assert "unknown key prefx in fanlight.toml" in refused("run", "plain:app", "--port", "0")


@pytest.mark.parametrize("words", [["run", "plain:app"], ["run", "plain:app", "--workers", "2"], ["demo"]])
def test_a_taken_port_is_named_with_a_way_out(refused: Refused, words: list[str]) -> None:
    """X-8: a taken port is named, and how to choose another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(*words, "--port", str(port))
    assert f"port {port} on 127.0.0.1 is taken" in line
    assert "choose another port, such as --port" in line


@pytest.mark.parametrize("target", ["plain:app", "bare:app"])
def test_a_store_that_there_is_not_is_named(refused: Refused, target: str) -> None:
    """X-3: a store is opened before anything is served, whatever kind of application it is for."""
    assert "no store is called 'mongo://'" in refused("run", target, "--port", "0", FANLIGHT_STORE="mongo://h/d")


def test_several_workers_refuse_once(refused: Refused) -> None:
    """X-2: what no worker can start with is said by one of them only."""
    assert "ZeroDivisionError" in refused("run", "broken:app", "--port", "0", "--workers", "3")


def test_debug_shows_the_traceback(command: Callable[..., object]) -> None:
    """ORC-7: `--debug` shows the traceback above the line."""
    running = command("run", "broken:app", "--port", "0", "--debug")
    assert running.end() == 2  # type: ignore[attr-defined]  # the fixture's own class
    assert "Traceback (most recent call last):" in running.lines  # type: ignore[attr-defined]  # as above
    assert running.lines[-1].startswith("fanlight: broken failed")  # type: ignore[attr-defined]  # as above


def test_a_dashboard_needs_a_terminal(refused: Callable[..., str]) -> None:
    """TTY-1: --dashboard without a terminal is refused before anything is served, naming what is none."""
    line = refused("run", "plain:app", "--dashboard")
    assert "stdin and stdout" in line
    assert "fanlight top" in line


def test_a_dashboard_needs_its_keys(start: Start) -> None:
    """TTY-1: --dashboard and --no-keys exclude each other."""
    terminal = start("run", "plain:app", "--dashboard", "--no-keys")
    assert terminal.end() == 2
    assert "leave one of the two away" in terminal.rest()
