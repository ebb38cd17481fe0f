"""`fanlight serve`: whose dashboard it is, where it answers, and that it is no instance."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fanlight.stores import open_store
from fanlight.stores.base import InstanceInfo

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Running

Eventually = Callable[[Callable[[], bool]], None]
Refused = Callable[..., str]


@pytest.fixture
def url(folder: Path) -> str:
    return f"sqlite:///{folder}/shared.db"


def known(url: str, *services: str) -> None:
    """Have the store know an instance of each service."""
    store = open_store(url)
    for service in services:
        store.write(InstanceInfo(service, f"{service}-1", "web1", 1, "1.0", time.time(), time.time()), [], None)
    store.close()


def post(running: Running, address: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.removeprefix("http://").partition("/")[0])
    try:
        connection.request("POST", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_store_is_needed(refused: Refused) -> None:
    """X-8: without a store, or with one nobody else can read, it says what to give."""
    assert "holds no service yet" in refused("serve", "--port", "0")
    assert "--store is memory://" in refused("serve", FANLIGHT_STORE="memory://")
    assert "no store is called 'ftp://'" in refused("serve", "--store", "ftp://somewhere")


def test_the_service_has_to_be_clear(refused: Refused, url: str) -> None:
    """X-8: an empty store, and one of several services without a name, are refused in one line that names the way."""
    assert "holds no service yet" in refused("serve", "--store", url)
    known(url, *(f"s{number:02}" for number in range(12)))
    line = refused("serve", "--store", url)
    assert "holds 12 services; say which with --name: 's00', 's01'" in line
    assert line.endswith("'s09', ...")


def test_the_only_service_is_shown(command: Command, url: str) -> None:
    """X-8: health, metrics and JSON are on the root too, `/` leads to the pages, and nothing else is there."""
    known(url, "shop")
    running = command("serve", "--store", url, "--port", "0", "--prefix", "/glass")
    address = running.served()
    assert address.endswith("/glass")
    running.until("it shows the service 'shop'")
    for path in ("/health", "/api/data"):
        assert json.loads(running.get(address, path)[1])["service"] == "shop"
        assert running.get(address, f"/glass{path}")[0] == 200
    assert "fanlight_dashboard_requests_total" in running.get(address, "/metrics")[1]
    assert running.get(address, "/")[0] == 307
    assert "shop" in running.get(address, "/glass")[1]
    status, body = running.get(address, "/elsewhere")
    assert (status, json.loads(body)["error"]["code"]) == (404, "not_found")
    assert running.get(address, "/health/nobody")[0] == 404
    assert running.stop() == 0


def test_it_reads_workers_and_is_none(command: Command, eventually: Eventually, url: str, folder: Path) -> None:
    """X-2, X-8: it shows what two workers counted, is not among the instances, and clears the caches of both."""
    (folder / "shop.py").write_text(
        "import os\n"
        "from starlette.applications import Starlette\n"
        "from fanlight import Fanlight\n"
        "app = Starlette()\n"
        "dashboard = Fanlight('shop')\n"
        "dashboard.cache('prompts', clear=lambda: print('cleared by', os.getpid(), flush=True))\n"
        "dashboard.install(app)\n"
    )
    service = command("run", "shop:app", "--port", "0", "--workers", "2", "--store", url, "--name", "shop")
    place = service.served()
    for _ in range(20):
        service.get(place, "/counted")
    running = command("serve", "--store", url, "--port", "0", FANLIGHT_NAME="shop")
    address = running.served()

    def told() -> bool:
        data = json.loads(running.get(address, "/api/data")[1])
        instances = json.loads(running.get(address, "/api/system/health")[1])["instances"]
        assert running.popen.pid not in {each["pid"] for each in instances}
        return bool(data["performance"]["total_requests"] == 20 and len(instances) == 2)

    eventually(told)
    assert ">this one<" not in running.get(address, "/dashboard")[1]
    status, body = post(running, address, "/dashboard/actions/clear-cache")
    assert (status, json.loads(body)["status"]) == (200, "success"), body
    assert running.stop() == 0
    assert service.stop() == 0
    workers = {line.removeprefix("cleared by ") for line in service.lines if line.startswith("cleared by")}
    assert len(workers) == 2
    store = open_store(url)
    assert len(store.instances("shop")) == 2
    store.close()


def test_a_token_is_made_when_it_listens_elsewhere(command: Command, url: str) -> None:
    """X-6, X-8: on all addresses nobody gets in without the token of the login link."""
    known(url, "shop")
    running = command("serve", "--store", url, "--port", "0", "--host", "0.0.0.0")
    address = running.served()
    assert running.get(address, "/api/data")[0] == 401
    token = running.until("log in with").rpartition("token=")[2]
    assert running.get(address, "/api/data", {"Authorization": f"Bearer {token}"})[0] == 200
    assert running.stop() == 0


def test_what_the_setting_port_starts_keeps_the_settings(folder: Path, environ: dict[str, str]) -> None:
    """X-8: prefix, tokens and the rest reach the process beside the service, none of them by its command line."""
    from fanlight.cli.serve import given
    from fanlight.settings import Settings, load

    settings = Settings(
        name="shop",
        prefix="/glass",
        port=9090,
        token="a-token-of-sixteen-characters",
        exclude=("/a,b",),
        slow_routes={"/x": 2.0},
    )
    again = load("shop", given(settings), {}, folder)
    assert (again.prefix, again.token, again.exclude, again.slow_routes, again.port) == (
        settings.prefix, settings.token, ("/a,b",), {"/x": 2.0}, 0,
    )  # fmt: skip
