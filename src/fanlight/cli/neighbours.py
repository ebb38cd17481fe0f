"""The examples that `fanlight demo` serves beside the chat service, each in a process and on a port of its own."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
import msgspec

from fanlight.cli.lifeline import Lifeline
from fanlight.cli.listening import ListenError, bind, url
from fanlight.cli.plan import Plan
from fanlight.cli.run import python
from fanlight.errors import FanlightError

STOP_SECONDS: Final = 10.0
"""How long a child may take to stop; the gateway's MCP servers have 4 s of it."""

SDKS: Final = ("openai", "anthropic", "ollama", "mcp")
MCP_SERVERS: Final = ("mcp_server_time", "mcp_server_git")


class Neighbour(msgspec.Struct, frozen=True):
    """An example: its package, the port it takes when that is free, and what there is to see.

    `target` is what is served, made by calling it where that is not `app` of the package's module `app`.
    """

    name: str
    port: int
    said: str
    target: str = ""


NEIGHBOURS: Final = (
    Neighbour(
        "hub",
        9090,
        "an AI gateway: simulated models, MCP servers, pipelines; clients of OpenAI, Anthropic, Ollama and MCP",
        target="fanlight.gateway.app:create",
    ),
    Neighbour("orchestrator", 5000, "wrappers that fail, slow down and hang by knobs; scores and breakers follow"),
    Neighbour("uploads", 8002, "uploads through a workflow, with panels and a page of their own"),
)


def examples() -> Path:
    """The folder that holds the examples: in the installed package, or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / "chat_api" / "app.py").is_file():
            return folder
    raise FanlightError(
        "the example service is not in this install; install the released package: pip install 'fanlight[demo]'"
    )


Begin = Callable[[], tuple[dict[str, str], str]]
"""Serve the neighbours; their addresses by name, and what to say of them."""


@contextmanager
def neighbourhood(host: str, prefix: str, chosen: Sequence[Neighbour], *, any_port: bool) -> Iterator[Begin]:
    """What serves the neighbours once it is called; they end with this."""
    started: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def begin() -> tuple[dict[str, str], str]:
        addresses: dict[str, str] = {}
        for neighbour in chosen:
            place = "127.0.0.1" if neighbour.name == "hub" else host  # elsewhere a gateway needs keys
            sockets = bound(place, 0 if any_port else neighbour.port)
            addresses[neighbour.name] = url(place, sockets)
            started.append(_served(neighbour.name, sockets))
        return addresses, said(chosen, addresses, prefix)

    try:
        yield begin
    finally:
        end(started)


def bound(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen already, so that an early visitor waits; on another port when this one is taken."""
    try:
        sockets = bind(host, port)
    except ListenError:
        sockets = bind(host, 0)
    for each in sockets:
        each.listen()
    return sockets


def said(chosen: Sequence[Neighbour], addresses: dict[str, str], prefix: str) -> str:
    """A line for each neighbour, and one for each thing that was left out."""
    lines = [f"fanlight: {each.name} at {addresses[each.name]}{prefix} ({each.said})" for each in chosen]
    return "\n".join([*lines, *(f"fanlight: left out: {each}" for each in left_out(addresses))])


def left_out(served: Collection[str]) -> list[str]:
    """What these examples have to do without here, and what would bring it."""
    lines = []
    if "hub" in served:
        clients = [name for name in SDKS if find_spec(name) is None]
        lines += [f"clients with {name}; pip install 'fanlight[demo]' brings it" for name in clients]
        servers = [name for name in MCP_SERVERS if find_spec(name) is None]
        lines += [f"{name.replace('_', '-')}; pip install 'fanlight[demo]' brings it" for name in servers]
        if "mcp_server_git" not in servers and not shutil.which("git"):
            lines.append("mcp-server-git, as there is no git (Debian: apt install git)")
    if "uploads" in served and not with_redis():
        lines.append(
            "Redis; without redis-server (Debian: apt install redis-server) and pip install 'fanlight[redis]' "
            "uploads are kept in memory"
        )
    if not os.environ.get("CHAT_STORE"):
        lines.append("MongoDB; with CHAT_STORE=mongodb://host:27017/chat the chat service uses one in place of SQLite")
    return lines


def with_redis() -> bool:
    """Whether the upload service gets a Redis: a server to start, or one that UPLOADS_REDIS names."""
    library = find_spec("redis") is not None
    return library and bool(os.environ.get("UPLOADS_REDIS") or shutil.which("redis-server"))


def end(started: Sequence[tuple[subprocess.Popen[bytes], socket.socket]]) -> None:
    """End children with their lifelines; all are told before any is waited for."""
    for process, lifeline in started:
        lifeline.close()
        process.terminate()
    for process, _ in started:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def child(words: Sequence[str], descriptors: Sequence[int] = ()) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A `fanlight` command in a process that ends with this one; it gets its lifeline and its parent as last words."""
    ours, theirs = socket.socketpair()
    environ = {key: value for key, value in os.environ.items() if key != "FANLIGHT_SAMPLE_DATA"}
    process = subprocess.Popen(  # noqa: S603 - the command line is our own
        [*python(), *words, str(theirs.fileno()), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environ,
        pass_fds=(theirs.fileno(), *descriptors),
        start_new_session=True,
    )
    theirs.close()
    return process, ours


def _served(name: str, sockets: Sequence[socket.socket]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    descriptors = [each.fileno() for each in sockets]
    made = child(["_example", "--", name, ",".join(map(str, descriptors))], descriptors)
    for each in sockets:  # the child has them; when it ends nobody listens
        each.close()
    return made


@click.command(hidden=True)
@click.argument("name")
@click.argument("listeners")
@click.argument("lifeline", type=int)
@click.argument("parent", type=int)
def example(name: str, listeners: str, lifeline: int, parent: int) -> int:
    """One of the examples of the demo."""
    Lifeline(lifeline, parent)
    folder = examples()
    sys.path.insert(0, str(folder))
    logging.getLogger().addHandler(logging.NullHandler())  # its lines are on its dashboard
    sockets = [socket.socket(fileno=int(number)) for number in listeners.split(",")]
    for each in sockets:
        each.set_inheritable(False)
    from fanlight.cli.serving import serve  # the lifeline is tied before the long imports begin

    [found] = [each for each in NEIGHBOURS if each.name == name]
    plan = Plan(
        target=found.target or f"{name}.app:app",
        name=name,
        app_dir=str(folder),
        factory=bool(found.target),
        access_log=False,
        log_level="warning",
        api_at_root=name == "hub",
        joins=name == "hub",
    )
    with _surroundings(name):
        return serve(plan, sockets, lambda ready: None)


@contextmanager
def _surroundings(name: str) -> Iterator[None]:
    """What an example needs around it, named to it by a variable."""
    if name == "uploads" and not os.environ.get("UPLOADS_REDIS"):
        with importlib.import_module("uploads.redis_server").private_redis() as place:
            os.environ["UPLOADS_REDIS"] = place
            yield
    elif name == "hub":
        with importlib.import_module("hub.configuration").private_hub() as place:
            os.environ["FANLIGHT_GATEWAY_CONFIG"] = str(place)
            yield
    else:
        yield
