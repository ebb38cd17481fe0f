"""`fanlight top`: finding, getting in, looking once and for long, losing the connection and coming back."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.cli.terminal import DRAWN, PLAIN, Start

from fanlight.cli.top import root_of
from fanlight.errors import FanlightError

if TYPE_CHECKING:
    from tests.cli.conftest import Command

SERVE = ("run", "plain:app", "--port", "0", "--no-access-log")
TOKEN = "operator-token-0123456789"


@pytest.mark.parametrize(
    ("typed", "root"),
    [
        ("http://127.0.0.1:8000/dashboard", "http://127.0.0.1:8000/dashboard"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/dashboard"),
        ("localhost:8000", "http://localhost:8000/dashboard"),
        ("https://ops.example/glass/", "https://ops.example/glass"),
        ("[::1]:8000", "http://[::1]:8000/dashboard"),
    ],
)
def test_an_address_may_be_short(typed: str, root: str) -> None:
    """TTY-1: scheme and path may be left away."""
    assert root_of(typed) == root


@pytest.mark.parametrize("typed", ["ftp://x/", "http://", "http://host:port", "http://[::1"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    """TTY-1: with what was got and what was expected."""
    with pytest.raises(FanlightError, match=r"expected one like http://127\.0\.0\.1:8000/dashboard"):
        root_of(typed)


def test_the_one_dashboard_of_the_machine_is_found_and_shown_once(command: Command) -> None:
    """TTY-1: without an address a page is printed as JSON or as text of the terminal's width, other pages by name."""
    service = command(*SERVE, "--name", "shop")
    address = service.served()
    service.get(address, "/anything")
    as_json = command("top", "--json")
    assert as_json.end() == 0
    page = json.loads("".join(as_json.lines))
    assert (page["service"], page["page"], page["role"]) == ("shop", "overview", "operator")
    as_text = command("top", "--once", "--page", "system", COLUMNS="90")
    assert as_text.end() == 0
    assert "shop" in as_text.lines[0]
    assert max(map(len, as_text.lines)) <= 90
    assert service.stop() == 0


def test_several_are_told_apart(command: Command, refused: Callable[..., str]) -> None:
    """TTY-1: two services are named with their addresses; two workers of one are one; none says what to do."""
    assert "give its address" in refused("top", "--json")
    services = [command(*SERVE, "--name", "shop", "--workers", "2"), command(*SERVE, "--name", "bank")]
    addresses = [service.served() for service in services]
    line = refused("top", "--json")
    assert line.startswith("fanlight: there are 2 dashboards")
    assert all(address in line for address in addresses)
    assert [service.stop() for service in services] == [0, 0]


def test_a_choice_is_offered_in_a_terminal(command: Command, start: Start) -> None:
    """TTY-1: of several services one is chosen by its number."""
    services = [command(*SERVE, "--name", name) for name in ("shop", "bank")]
    for service in services:
        service.served()
    terminal = start("top", "--json")
    terminal.until(r"1 +bank.*\n2 +shop")
    terminal.type("2\r")
    assert terminal.end() == 0
    assert '"service":"shop"' in terminal.rest()
    assert [service.stop() for service in services] == [0, 0]


def test_a_token_is_given_or_asked_for(command: Command, refused: Callable[..., str], start: Start) -> None:
    """TTY-1, X-6: by option, variable or prompt, and never shown; a wrong one is refused in one line."""
    service = command(*SERVE, "--token", TOKEN)
    address = service.served()
    assert "--token" in refused("top", address, "--json")
    refused_line = refused("top", address, "--json", "--token", "wrong-token-0123456789")
    assert "wrong-token" not in refused_line
    assert command("top", address, "--json", "--token", TOKEN).end() == 0
    assert command("top", address, "--json", FANLIGHT_TOKEN=TOKEN).end() == 0
    terminal = start("top", address, "--json")
    terminal.until("Token of")
    terminal.type(f"{TOKEN}\r")
    assert terminal.end() == 0
    assert '"role":"operator"' in terminal.rest()
    assert TOKEN not in terminal.rest()
    assert service.stop() == 0


def test_a_terminal_is_needed_to_look_for_long(refused: Callable[..., str]) -> None:
    """TTY-1: without one the line names what works without."""
    assert "--once" in refused("top", "127.0.0.1:1")
    assert "cannot be reached" in refused("top", "127.0.0.1:1", "--once")


@pytest.mark.parametrize("ending", ["q", "\x03", signal.SIGTERM, signal.SIGHUP])
def test_it_detaches_and_leaves_the_server_alone(command: Command, start: Start, ending: str | int) -> None:
    """TTY-2: a key or a signal ends looking with status 0, the terminal restored, the server untouched."""
    service = command(*SERVE)
    address = service.served()
    terminal = start("top", address)
    terminal.until("In flight", terminal.until(DRAWN).end())
    terminal.type(ending) if isinstance(ending, str) else terminal.popen.send_signal(ending)
    assert terminal.end() == 0
    assert terminal.modes() == terminal.modes_before
    assert re.search(PLAIN, terminal.rest())
    assert service.get(address, "/")[0] == 200
    assert service.stop() == 0


def test_a_closed_terminal_ends_looking(command: Command, start: Start) -> None:
    """TTY-2, TTY-6: with the window gone nothing is left behind, though the kernel sends SIGCONT after its SIGHUP."""
    service = command(*SERVE)
    terminal = start("top", service.served())
    terminal.until("In flight", terminal.until(DRAWN).end())
    terminal.close()
    assert terminal.end() == 0
    assert service.stop() == 0


def test_it_survives_the_loss_of_the_server(command: Command, start: Start) -> None:
    """TTY-1: when the server goes it says so and keeps the last data; when one is there again it goes on."""
    service = command(*SERVE, "--name", "first")
    address = service.served()
    port = address.rpartition(":")[2].partition("/")[0]
    terminal = start("top", address)
    terminal.until("In flight", terminal.until(DRAWN).end())
    assert service.stop() == 0
    lost = terminal.until("lost|no connection|not answer|cannot be reached|closed").end()
    again = command("run", "plain:app", "--port", port, "--name", "second", "--no-access-log")
    again.served()
    terminal.until("second", lost)
    terminal.type("q")
    assert terminal.end() == 0
    assert again.stop() == 0
