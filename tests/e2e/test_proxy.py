"""Under another address than its own: behind nginx on a sub-path, at another prefix, with a root path."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.e2e.browsing import Page, Visit, expect
from tests.e2e.service import TIMEOUT, TOKEN, Shop, shop

pytestmark = pytest.mark.browser

CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /shop/ {{
      proxy_pass http://127.0.0.1:{service}/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      {prefix}
    }}
  }}
}}
"""


def free_port() -> int:
    """A port that was free a moment ago: nginx cannot be told to take any."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def nginx(service: Shop, folder: Path, prefix: str = "proxy_set_header X-Forwarded-Prefix /shop;") -> Iterator[str]:
    """A real nginx in front of a service, under /shop, which it tells the service or not; its address."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (Debian: apt install nginx-light)")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, service=service.port, prefix=prefix))
    process = subprocess.Popen([program, "-e", str(folder / "early.log"), "-p", str(folder), "-c", str(config)])
    try:
        answers(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def answers(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens."""
    end = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT).close()
        except ConnectionRefusedError:
            continue
        return
    pytest.fail("nginx did not start")


def works(page: Page, service: Shop, name: str) -> None:
    """Assert that a page's stream, links and styles work where it is."""
    service.ask(f"/items/{name}")
    expect(page.locator("#panel-activity tbody tr").filter(has_text=name)).to_be_visible()
    assert page.evaluate("document.styleSheets.length") > 0
    assert page.evaluate("typeof uPlot") == "function"


def test_sub_path_behind_nginx(tmp_path: Path, visit: Visit, stage: ExitStack) -> None:
    """X-6, OBS-3: behind a real nginx at /shop, with a token: login, assets, the stream, links and actions work."""
    service = stage.enter_context(shop(token=TOKEN))
    address = stage.enter_context(nginx(service, tmp_path))
    root = f"{address}/shop/dashboard"
    visitor = visit(root, tolerant=True)
    page = visitor.go(live=False)
    expect(page.get_by_label("Token")).to_be_visible()
    visitor.tolerant = False
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{root}/")
    visitor.state("live")
    works(page, service, "through-nginx")
    page.get_by_role("button", name="Clear caches").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("success")
    assert service.cached == {}
    page.locator("#panel-activity tbody tr").filter(has_text="through-nginx").get_by_role("link").click()
    expect(page.locator("#panel-request")).to_contain_text("/items/through-nginx")
    visitor.state("live")
    page.get_by_role("link", name="System").first.click()
    expect(page).to_have_url(f"{root}/system")
    visitor.state("live")


def test_bare_proxy_is_not_the_local_machine(tmp_path: Path, visit: Visit, stage: ExitStack) -> None:
    """X-6: what comes through a proxy on this machine is asked for a token, although its peer is loopback."""
    service = stage.enter_context(shop())
    address = stage.enter_context(nginx(service, tmp_path))
    visitor = visit(f"{address}/shop/dashboard", tolerant=True)
    page = visitor.go(live=False)
    expect(page.locator("main.refusal")).to_be_visible()
    expect(page.locator(".panel.table")).to_have_count(0)


def test_another_prefix(visit: Visit, stage: ExitStack) -> None:
    """X-6: mounted elsewhere, two levels deep, everything works as at its usual place."""
    service = stage.enter_context(shop(prefix="/internal/view"))
    visitor = visit(service.page)
    page = visitor.go()
    works(page, service, "elsewhere")
    page.get_by_role("link", name="Logs", exact=False).first.click()
    expect(page).to_have_url(f"{service.page}/logs")
    visitor.state("live")


def test_root_path_of_the_server(tmp_path: Path, visit: Visit, stage: ExitStack) -> None:
    """X-6: a server told its root path, behind a proxy that says nothing of it, serves a page that works under it."""
    service = stage.enter_context(shop(token=TOKEN, server={"root_path": "/shop"}))
    address = stage.enter_context(nginx(service, tmp_path, prefix=""))
    visitor = visit(f"{address}/shop/dashboard")
    page = visitor.go(f"/login?token={TOKEN}")
    works(page, service, "below-the-root")
    assert page.evaluate("document.baseURI") == f"{address}/shop/dashboard/"
