"""`fanlight run` with one worker: what it says, whom it lets in, what it answers, how it ends."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fanlight.cli.plan import Ready
from fanlight.cli.run import banner

if TYPE_CHECKING:
    from tests.cli.conftest import Command

ALONE = ("run", "plain:app", "--port", "0")

CARRYING = """
from starlette.applications import Starlette
from fanlight import Fanlight

app = Starlette()
Fanlight("own", prefix="/glass").install(app)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_a_clean_end(command: Command, number: int) -> None:
    """TTY-2: TERM, Ctrl+C and a closed terminal end the server with status 0, its application shut down."""
    running = command(*ALONE)
    running.served()
    assert running.stop(number) == 0
    assert any("Application shutdown complete" in line for line in running.lines)


def test_the_application_is_served_with_its_dashboard(command: Command) -> None:
    """X-8: an application that was not changed has a dashboard, under the prefix that was chosen."""
    running = command(*ALONE, "--prefix", "/glass")
    address = running.served()
    assert address.endswith("/glass")
    assert running.get(address, "/anything") == (200, str(running.popen.pid))
    assert running.get(address, "/glass")[0] == 200


def test_health_and_metrics_are_answered_where_the_application_has_none(command: Command) -> None:
    """API-10: `/health` is ours where the application says 404, `/metrics` stays the application's; other 404s stay."""
    running = command(*ALONE)
    address = running.served()
    status, body = running.get(address, "/health")
    assert status in (200, 503)
    assert body != str(running.popen.pid)
    assert running.get(address, "/metrics") == (200, str(running.popen.pid))
    assert running.get(address, "/missing") == (404, str(running.popen.pid))


def test_health_checks_are_no_errors_of_the_service(
    command: Command, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """OBS-2: a 404 that the client never sees is counted with the dashboard's own requests, not the service's."""
    running = command(*ALONE)
    address = running.served()
    for path in ("/health", "/health", "/missing"):
        running.get(address, path)
    performance: dict[str, int] = {}

    def counted() -> bool:
        performance.update(json.loads(running.get(address, "/dashboard/api/data")[1])["performance"])
        return performance["total_requests"] > 0

    eventually(counted)
    assert (performance["total_requests"], performance["total_errors"]) == (1, 1)


def test_a_dashboard_of_the_applications_own_is_used(command: Command, folder: Path) -> None:
    """X-8: an application that carries a dashboard keeps it, and has no second one."""
    (folder / "carrying.py").write_text(CARRYING)
    running = command("run", "carrying:app", "--port", "0")
    address = running.served()
    assert address.endswith("/glass")
    assert running.get(address, "/glass")[0] == 200
    assert running.get(address, "/dashboard")[0] == 404


def test_settings_come_from_the_file_where_none_are_given(command: Command, folder: Path) -> None:
    """X-8: fanlight.toml counts, and the command line counts more."""
    (folder / "fanlight.toml").write_text('prefix = "/glass"\n')
    assert command(*ALONE).served().endswith("/glass")
    assert command(*ALONE, "--prefix", "/pane").served().endswith("/pane")


def test_listening_elsewhere_makes_a_token(command: Command) -> None:
    """X-6: on other addresses than loopback nobody gets in without the token that is made and shown."""
    running = command(*ALONE, "--host", "0.0.0.0")
    address = running.served()
    token = re.search(r"token=([\w-]{43})$", running.until("log in with"))
    assert token is not None
    assert running.get(address, "/dashboard/api/data", {"Host": "example.org"})[0] in (401, 403)
    authorization = {"Host": "example.org", "Authorization": f"Bearer {token[1]}"}
    assert running.get(address, "/dashboard/api/data", authorization)[0] == 200


def test_a_token_that_is_set_is_the_one_shown(command: Command) -> None:
    """X-6: a token from the environment is used as it is."""
    running = command(*ALONE, "--host", "0.0.0.0", FANLIGHT_TOKEN="a-token-of-my-own-choice")
    running.served()
    assert running.until("log in with").endswith("/dashboard/login?token=a-token-of-my-own-choice")


def test_a_failing_start_up_is_the_servers_status(command: Command, folder: Path) -> None:
    """TTY-2: an application whose own start-up fails ends the command with the server's failure status."""
    (folder / "failing.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    running = command("run", "failing:app", "--port", "0")
    assert running.end() == 3
    assert any("no database" in line for line in running.lines)


def test_the_banner_says_what_is_served() -> None:
    """X-6: address, workers, and the login link where there is a token; an off switch is said."""
    on = Ready(enabled=True, prefix="/d", token="t" * 20)
    assert banner("http://h:1", on, 2).splitlines() == [
        "fanlight: dashboard at http://h:1/d (2 workers)",
        f"fanlight: log in with http://h:1/d/login?token={'t' * 20}",
    ]
    off = Ready(enabled=False, prefix="/d", token="")
    assert banner("http://h:1", off) == "fanlight: serving at http://h:1; the dashboard is off (FANLIGHT_ENABLED)"
