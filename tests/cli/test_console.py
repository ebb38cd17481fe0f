"""A serving command in a real terminal: toggling, keys, ends, and what the service notices of it all (nothing)."""

from __future__ import annotations

import http.client
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.cli.terminal import DRAWN, PLAIN, Start, Terminal, numbers

from fanlight.cli.backlog import MEMORY_LIMIT

if TYPE_CHECKING:
    from tests.cli.conftest import Command

Eventually = Callable[[Callable[[], bool]], None]

SOURCE = Path(__file__).resolve().parents[2] / "src"

MISSING = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "textual" else find(name, package)
"""
"""Has textual look as if it were not installed."""

BASH = ("bash", "--norc", "-i", "-c", "exec bash --norc -i", "--")
"""A shell with job control; the words after it are not run."""

STALLED_LINES = 20_000
"""Of 110 bytes: more than all pipes and buffers on the way hold."""

SERVE = ("run", "chatty:app", "--port", "0", "--no-access-log")


def served(terminal: Terminal) -> str:
    """Wait until the service serves and keys are taken; its host and port."""
    address = terminal.until(r"dashboard at http://([\d.:]+)/dashboard").group(1)
    terminal.until("fanlight: d shows the dashboard here, q stops")
    return str(address)


def ask(place: str, path: str = "/") -> str:
    """The service's answer on a connection of its own; "" when it answers nothing."""
    connection = http.client.HTTPConnection(place, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except http.client.HTTPException:
        return ""
    finally:
        connection.close()


def toggled(terminal: Terminal, pattern: str) -> int:
    """Press d and wait for the other screen; how much had been printed by then."""
    start = len(terminal.text)
    terminal.type("d")
    return terminal.until(pattern, start).end()


@pytest.mark.parametrize(("no_color", "colored"), [("1", False), ("", True)])
def test_the_servers_lines_have_colours_unless_no_color_is_set(start: Start, no_color: str, colored: bool) -> None:
    """TTY-1: NO_COLOR is heeded by what the server prints, too."""
    terminal = start("run", "chatty:app", "--port", "0", NO_COLOR=no_color)
    served(terminal)
    terminal.until("Application startup complete")
    assert ("\x1b[32mINFO" in terminal.text) is colored
    terminal.type("q")
    assert terminal.end() == 0


def test_ten_toggles_lose_repeat_and_reorder_no_line(start: Start) -> None:
    """TTY-1, TTY-2: under 200 lines a second every number is printed exactly once and in order over ten toggles."""
    terminal = start(*SERVE, rate=200)
    served(terminal)
    for _ in range(5):
        place = toggled(terminal, DRAWN)
        terminal.until("chatty", place)
        place = toggled(terminal, PLAIN)
        terminal.until(r"<\d*9>", place)
    terminal.until("<300>")
    terminal.type("q")
    assert terminal.end() == 0
    found = numbers(terminal.rest())
    assert found == list(range(len(found)))


@pytest.mark.parametrize("next_key", ["d", "\x1b[100;;100u"], ids=["d", "d as kitty sends it"])
def test_what_is_typed_as_the_dashboard_goes_is_not_lost(start: Start, next_key: str) -> None:
    """TTY-2: a key typed in one go with the d that leaves, or right after it, does its work in the plain lines."""
    terminal = start(*SERVE, "--dashboard")
    served(terminal)
    place = terminal.until("In flight", terminal.until(DRAWN).end()).end()
    terminal.type(f"d{next_key}")
    place = terminal.until("In flight", terminal.until(DRAWN, terminal.until(PLAIN, place).end()).end()).end()
    terminal.type("d")
    terminal.type(next_key)
    place = terminal.until("In flight", terminal.until(DRAWN, terminal.until(PLAIN, place).end()).end()).end()
    terminal.type("dq")
    assert terminal.end() == 0
    assert len(re.findall(DRAWN, terminal.rest())) == 3
    assert terminal.modes() == terminal.modes_before


def test_bytes_that_are_no_text_are_no_key(start: Start) -> None:
    """TTY-2, X-6: the dashboard does not mind what no keyboard sends."""
    terminal = start(*SERVE, "--dashboard")
    served(terminal)
    terminal.until("In flight", terminal.until(DRAWN).end())
    terminal.type("\udcff\udcc3\x00")
    toggled(terminal, PLAIN)
    terminal.type("q")
    assert terminal.end() == 0


@pytest.mark.parametrize("key", ["q", "\x1b", "\x03"], ids=["q", "Esc", "Ctrl+C"])
@pytest.mark.parametrize("dashboard", [False, True], ids=["lines", "dashboard"])
def test_keys_end_the_server_and_the_terminal_is_as_it_was(start: Start, key: str, dashboard: bool) -> None:
    """TTY-2: q, Esc and Ctrl+C end the server with status 0 from either screen; the terminal's modes are restored."""
    terminal = start(*SERVE, *(["--dashboard"] if dashboard else []))
    served(terminal)
    if dashboard:
        terminal.until("In flight", terminal.until(DRAWN).end())
    family = terminal.family()
    terminal.type(key)
    assert terminal.end() == 0
    assert terminal.modes() == terminal.modes_before
    assert "Application shutdown complete" in terminal.rest()
    assert not any(process.is_running() for process in family)


def test_the_dashboard_has_the_terminals_size_and_follows_it(start: Start) -> None:
    """TTY-4: whatever the environment says of columns and lines, the last row is drawn on, after a resize too."""
    terminal = start(*SERVE, "--dashboard", COLUMNS="80", LINES="24")
    served(terminal)
    place = terminal.until(r"\x1b\[40;1H", terminal.until(DRAWN).end()).end()
    terminal.resize(150, 50)
    terminal.until(r"\x1b\[50;1H", place)
    terminal.type("q")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_it_from_the_dashboard(start: Start, number: int) -> None:
    """TTY-2: a signal ends the server with status 0, the terminal restored and out of the dashboard's screen."""
    terminal = start(*SERVE, "--dashboard")
    served(terminal)
    place = terminal.until("In flight", terminal.until(DRAWN).end()).end()
    terminal.popen.send_signal(number)
    assert terminal.end() == 0
    assert re.search(PLAIN, terminal.rest()[place:])
    assert terminal.modes() == terminal.modes_before


@pytest.mark.parametrize("dashboard", [False, True], ids=["lines", "dashboard"])
@pytest.mark.parametrize("victim", ["console", "supervisor"])
def test_nothing_survives_a_killed_process(start: Start, eventually: Eventually, dashboard: bool, victim: str) -> None:
    """TTY-2: after kill -9 of what owns the terminal, or of the supervisor behind it, no process is left."""
    terminal = start(*SERVE, *(["--dashboard"] if dashboard else []))
    served(terminal)
    if dashboard:
        terminal.until(DRAWN)
    family = terminal.family()
    assert len(family) == 2
    killed = terminal.popen.pid if victim == "console" else terminal.popen.pid and family[0].pid
    os.kill(killed, signal.SIGKILL)
    assert terminal.end() == (-signal.SIGKILL if victim == "console" else 128 + signal.SIGKILL)
    eventually(lambda: not any(_alive(process) for process in family))


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("dashboard", [False, True], ids=["lines", "dashboard"])
def test_a_closed_terminal_ends_everything(start: Start, eventually: Eventually, dashboard: bool) -> None:
    """TTY-2: closing the window ends the service and leaves no process."""
    terminal = start(*SERVE, *(["--dashboard"] if dashboard else []), rate=50)
    served(terminal)
    if dashboard:
        terminal.until(DRAWN)
    family = terminal.family()
    terminal.close()
    assert terminal.end() == 0
    eventually(lambda: not any(_alive(process) for process in family))


@pytest.mark.parametrize("dashboard", [False, True], ids=["lines", "dashboard"])
def test_a_server_that_dies_gives_its_status(start: Start, dashboard: bool) -> None:
    """TTY-2: the status is the server's own, and the last lines say what happened."""
    terminal = start(*SERVE, *(["--dashboard"] if dashboard else []))
    place = served(terminal)
    if dashboard:
        terminal.until(DRAWN)
    ask(place, "/die")
    assert terminal.end() == 7
    assert re.search(r"the server \(pid \d+\) ended with status 7", terminal.rest())
    assert terminal.modes() == terminal.modes_before


def test_a_server_that_cannot_start_says_so_in_plain_lines(start: Start, folder: Path) -> None:
    """TTY-1: what goes wrong before anything is served is read as lines, with its status, dashboard or not."""
    (folder / "chatty.py").write_text("raise OSError('no such disk')")
    terminal = start(*SERVE, "--dashboard")
    assert terminal.end() == 2
    assert "no such disk" in terminal.rest()
    assert not re.search(DRAWN, terminal.rest())


def test_ctrl_z_and_fg(start: Start, eventually: Eventually) -> None:
    """TTY-2: Ctrl+Z gives the shell back from either screen, the service answers on, fg goes on, no line lost."""
    shell = start("--version", before=BASH)
    shell.until("bash-.*[#$] ")
    command = " ".join([sys.executable, "-m", "fanlight", *SERVE])
    shell.type(f"RATE=100 {command}\r")
    place = served(shell)
    for dashboard in (False, True):
        if dashboard:
            shell.until("chatty", toggled(shell, DRAWN))
        begun = len(shell.text)
        shell.type("\x1a")
        shell.until("Stopped", begun)
        begun = len(shell.text)
        shell.type("stty -a | tr ' ' '\\n' | grep -x -e -icanon -e icanon\r")
        shell.until(r"[^-]icanon\r", begun)
        assert ask(place).isdigit()
        begun = len(shell.text)
        shell.type("fg\r")
        if dashboard:
            shell.until("chatty", shell.until(DRAWN, begun).end())
            toggled(shell, PLAIN)
        shell.until(r"<\d+>", begun)
    begun = len(shell.text)
    shell.type("q")
    shell.until("bash-.*[#$] ", begun)
    shell.type("echo status $?\r")
    shell.until(r"status 0\r", begun)
    shell.type("exit\r")
    shell.end()
    found = numbers(shell.rest())
    assert found == list(range(len(found)))


def in_a_shell(start: Start, *words: str) -> tuple[Terminal, psutil.Process]:
    """A command as a job of a shell, and its process in the terminal's foreground."""
    shell = start("--version", before=BASH)
    shell.until("bash-.*[#$] ")
    shell.type(f"RATE=100 {' '.join([sys.executable, '-m', 'fanlight', *words])}\r")
    served(shell)
    return shell, psutil.Process(shell.popen.pid).children()[0]


def left_with(shell: Terminal, keys: str) -> list[int]:
    """End the command and the shell; the numbered lines there were."""
    begun = len(shell.text)
    shell.type(keys)
    shell.until("bash-.*[#$] ", begun)
    shell.type("echo status $?\r")
    shell.until(r"status 0\r", begun)
    shell.type("exit\r")
    shell.end()
    return numbers(shell.rest())


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP], ids=["TSTP", "STOP"])
@pytest.mark.parametrize("dashboard", [False, True], ids=["lines", "dashboard"])
def test_stopped_and_continued_from_outside(start: Start, number: int, dashboard: bool) -> None:
    """TTY-2: kill -TSTP gives the shell its terminal as Ctrl+Z does; fg draws anew, after -STOP too; the service
    answers all the while and no line is lost."""
    restores = number == signal.SIGTSTP
    shell, job = in_a_shell(start, *SERVE)
    place = re.findall(r"dashboard at http://([\d.:]+)/", shell.text)[-1]
    if dashboard:
        shell.until("chatty", toggled(shell, DRAWN))
    for _ in range(2):
        begun = len(shell.text)
        job.send_signal(number)
        begun = shell.until("Stopped", shell.until(PLAIN, begun).end() if dashboard and restores else begun).end()
        if restores:
            shell.type("stty -a | tr ' ' '\\n' | grep -x -e -icanon -e icanon\r")
            shell.until(r"[^-]icanon\r", begun)
        assert ask(place).isdigit()
        begun = len(shell.text)
        shell.type("fg\r")
        begun = shell.until(DRAWN if dashboard else r"<\d+>", begun).end()
        if dashboard:
            shell.until("chatty", begun)
    if dashboard:
        toggled(shell, PLAIN)
    found = left_with(shell, "q")
    if not dashboard:  # then some lines stand behind the shell's prompt
        found = [int(number) for number in re.findall(r"<(\d+)>", shell.text)]
    assert found == list(range(len(found)))


def test_continued_in_the_background_it_waits_for_the_terminal(start: Start) -> None:
    """TTY-2: Ctrl+Z and bg: lines, and no drawing, while the terminal is the shell's; fg draws."""
    shell, _ = in_a_shell(start, *SERVE, "--dashboard")
    place = re.findall(r"dashboard at http://([\d.:]+)/", shell.text)[-1]
    begun = shell.until("chatty", shell.until(DRAWN).end()).end()
    shell.type("\x1a")
    begun = shell.until("Stopped", begun).end()
    shell.type("bg\r")
    begun = shell.until(r"bash-.*[#$] ", shell.until("bg\r", begun).end()).end()
    shell.type("echo typed $((6 * 7))\r")
    begun = shell.until("typed 42\r", begun).end()
    assert ask(place).isdigit()
    shell.type("fg\r")
    shell.until("chatty", shell.until(DRAWN, begun).end())
    toggled(shell, PLAIN)
    left_with(shell, "q")
    found = [int(number) for number in re.findall(r"<(\d+)>", shell.text)]  # some stand behind the shell's prompt
    assert found == list(range(len(found)))


def test_a_stopped_supervisor_is_no_such_thing(start: Start, eventually: Eventually) -> None:
    """TTY-2: the process behind the terminal is no job of a shell: kill -TSTP does not stop it, and nothing waits."""
    terminal = start(*SERVE, "--dashboard", rate=50)
    place = served(terminal)
    terminal.until("chatty", terminal.until(DRAWN).end())
    supervisor = psutil.Process(terminal.popen.pid).children()[0]
    supervisor.send_signal(signal.SIGTSTP)
    toggled(terminal, PLAIN)
    begun = int(ask(place, "/number"))
    terminal.until(f"<{begun + 5}>")
    assert supervisor.status() != psutil.STATUS_STOPPED
    terminal.type("q")
    assert terminal.end() == 0
    found = numbers(terminal.rest())
    assert found == list(range(len(found)))


@pytest.mark.parametrize("dashboard", [False, True], ids=["lines", "dashboard"])
def test_a_terminal_that_stops_reading_stops_nothing(start: Start, eventually: Eventually, dashboard: bool) -> None:
    """TTY-6: while nobody reads the terminal every request is answered, no line of thousands is lost, and for none of
    them did the service wait: what is not shown yet waits elsewhere, in bounded memory."""
    terminal = start(*SERVE, *(["--dashboard"] if dashboard else []), rate=2_000, PAD="100")
    place = served(terminal)
    if dashboard:
        terminal.until("chatty", terminal.until(DRAWN).end())
    terminal.reading.clear()
    supervisor = psutil.Process(terminal.popen.pid).children()[0]
    begun, before = int(ask(place, "/number")), supervisor.memory_info().rss
    answers: list[str] = []

    def printed() -> bool:
        answers.append(ask(place, "/number"))
        return int(answers[-1]) > begun + STALLED_LINES

    eventually(printed)
    assert all(answer.isdigit() for answer in answers)
    assert ask(place, "/blocked") == "0"
    assert supervisor.memory_info().rss - before < 2 * MEMORY_LIMIT
    terminal.reading.set()
    if dashboard:
        toggled(terminal, PLAIN)
    terminal.until(f"<{begun + STALLED_LINES}>")
    terminal.type("q")
    assert terminal.end() == 0
    found = numbers(terminal.rest())
    assert found == list(range(len(found)))


@pytest.mark.parametrize("dashboard", [False, True], ids=["lines", "dashboard"])
def test_a_terminal_that_is_never_read_again_keeps_nothing_alive(
    start: Start, eventually: Eventually, dashboard: bool
) -> None:
    """TTY-2: a signal ends everything also when the terminal takes no more bytes; its modes are restored."""
    terminal = start(*SERVE, *(["--dashboard"] if dashboard else []), rate=2_000, PAD="100")
    place = served(terminal)
    if dashboard:
        terminal.until("chatty", terminal.until(DRAWN).end())
    family = terminal.family()
    terminal.reading.clear()
    begun = int(ask(place, "/number"))
    eventually(lambda: int(ask(place, "/number")) > begun + 5_000)
    terminal.popen.send_signal(signal.SIGTERM)
    assert terminal.end() == 0
    assert not any(_alive(process) for process in family)
    assert terminal.modes() == terminal.modes_before


def test_in_the_background_the_terminal_is_left_to_the_shell(start: Start) -> None:
    """TTY-2: started with & it serves and prints without being stopped by the terminal; fg gives it the keys."""
    shell = start("--version", before=BASH)
    shell.until("bash-.*[#$] ")
    shell.type(f"RATE=20 {' '.join([sys.executable, '-m', 'fanlight', *SERVE])} &\r")
    place = served(shell)
    begun = len(shell.text)
    shell.type("jobs\r")
    shell.until(r"Running .*chatty:app.* &\r\n", begun)
    assert ask(place).isdigit()
    begun = len(shell.text)
    shell.type("fg\r")
    begun = shell.until(r"chatty:app", begun).end()
    shell.type("q")
    shell.until("bash-.*[#$] ", begun)
    shell.type("echo status $?\r")
    shell.until(r"status 0\r", begun)
    shell.type("exit\r")
    shell.end()


CRASH = """
import os
if "CRASH" in os.environ:
    import fanlight.faces.tui.frame as module
    def frame(*given, **named):
        raise ZeroDivisionError("drawn wrong")
    module.frame = frame
"""


def test_a_crash_in_drawing_leaves_the_service_and_its_lines(start: Start, folder: Path) -> None:
    """TTY-2, TTY-6: drawing that fails says why and gives the terminal back to the lines; the service serves on."""
    (folder / "sitecustomize.py").write_text(CRASH)
    path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    terminal = start(*SERVE, "--dashboard", rate=100, CRASH="1", PYTHONPATH=f"{path}{os.pathsep}{SOURCE}")
    place = served(terminal)
    place_of_failure = terminal.until(r"fanlight: drawing failed.*ZeroDivisionError", terminal.until(DRAWN).end()).end()
    terminal.until(r"<\d+>", place_of_failure)
    assert ask(place).isdigit()
    terminal.type("q")
    assert terminal.end() == 0
    assert terminal.modes() == terminal.modes_before
    found = numbers(terminal.rest())
    assert found == list(range(len(found)))


def test_keys_are_left_alone_where_that_is_asked(start: Start) -> None:
    """TTY-2: with --no-keys the terminal's mode is not touched, nothing is offered, and one process serves."""
    terminal = start(*SERVE, "--no-keys")
    terminal.until("dashboard at")
    assert terminal.modes() == terminal.modes_before
    assert terminal.family() == []
    terminal.type("\x03")
    assert terminal.end() == 0
    assert "d shows the dashboard" not in terminal.rest()


def test_without_the_extra_the_key_says_how_to_get_it(start: Start, folder: Path) -> None:
    """TTY-1: where textual is missing, d says what to install, and --dashboard refuses with that line and status 2."""
    (folder / "textual.py").write_text("raise ImportError(name='textual')")
    (folder / "sitecustomize.py").write_text(MISSING)
    path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}{os.pathsep}{SOURCE}"
    terminal = start(*SERVE, PYTHONPATH=path)
    served(terminal)
    terminal.type("d")
    terminal.until(r"needs textual.*pip install 'fanlight\[terminal\]'")
    terminal.type("q")
    assert terminal.end() == 0
    refused = start(*SERVE, "--dashboard", PYTHONPATH=path)
    assert refused.end() == 2
    assert re.fullmatch(r"fanlight: .*needs textual.*\r\n", refused.rest())


@pytest.mark.parametrize("plain", [True, False], ids=["ascii", "braille"])
def test_a_terminal_without_braille_is_drawn_in_ascii(start: Start, plain: bool) -> None:
    """TTY-4: with --ascii every character on the screen is one that any terminal has; without there are others."""
    terminal = start(*SERVE, "--dashboard", *(["--ascii"] if plain else []), LC_ALL="C.UTF-8")
    served(terminal)
    terminal.until("theme", terminal.until("In flight", terminal.until(DRAWN).end()).end())
    assert "".join(terminal.screen()).isascii() is plain
    terminal.type("q")
    assert terminal.end() == 0


def test_several_workers_have_one_terminal(start: Start, eventually: Eventually) -> None:
    """TTY-2, X-2: with two workers the dashboard shows both, one that dies is replaced, and q ends all."""
    terminal = start(*SERVE, "--workers", "2", "--dashboard")
    place = served(terminal)
    terminal.until("2 instances|2 workers|×2", terminal.until(DRAWN).end())
    seen: set[str] = set()

    def both() -> bool:
        seen.add(ask(place))
        return len(seen - {""}) > 1

    eventually(both)
    ask(place, "/die")
    ask(place)
    terminal.type("q")
    assert terminal.end() == 0
    assert "starting it again" in terminal.rest()


def test_the_dashboard_alone_has_a_terminal_too(start: Start, command: Command, folder: Path) -> None:
    """TTY-1, X-8: `fanlight serve` shows, in its own terminal, the service whose store it reads; d and q work."""
    store = f"sqlite:///{folder}/kept.db"
    service = command("run", "plain:app", "--port", "0", "--name", "shop", "--store", store)
    address = service.served()
    service.get(address, "/")
    terminal = start("serve", "--store", store, "--name", "shop", "--port", "0", "--dashboard")
    terminal.until("it shows the service 'shop'")
    terminal.until("shop", terminal.until(DRAWN).end())
    toggled(terminal, PLAIN)
    terminal.type("q")
    assert terminal.end() == 0
    assert service.stop() == 0
