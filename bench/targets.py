"""What is measured beside the gateway: how each is started, and what it uses while it runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

HERE = Path(__file__).resolve().parent


class Target(NamedTuple):
    """Something to load: its command (None for the upstream itself), port, path and headers."""

    name: str
    command: list[str] | None
    port: int
    path: str = "/v1/chat/completions"
    headers: str = ""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def targets(folder: Path, upstream: int, peers: Peers) -> Iterator[Target]:
    """What can be measured here; says what cannot."""
    here, mock = str(HERE / "gateway.py"), str(upstream)
    yield Target("direct", None, upstream)
    if nginx := shutil.which("nginx"):
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, upstream=upstream))
        yield Target("nginx", [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)], port)
    else:
        print("nginx is not installed: left out")
    port = free_port()
    yield Target("bare pass-through", [sys.executable, here, "--serve-bare", str(port), "--upstream", mock], port)
    yield fanlight(folder, HUB.format(upstream=upstream))
    if peers.litellm:
        port, key = free_port(), f"sk-{secrets.token_hex(24)}"
        (folder / "litellm.yaml").write_text(LITELLM.format(upstream=upstream, key=key))
        words = [peers.litellm, "--config", str(folder / "litellm.yaml"), "--port", str(port)]
        yield Target("litellm", words, port, headers=f"authorization: Bearer {key}")
    else:
        print("LiteLLM's proxy is not installed (pip install 'litellm[proxy]', --litellm PATH): left out")
    if peers.portkey:
        port = free_port()
        host = f"x-portkey-custom-host: http://127.0.0.1:{upstream}/v1"
        headers = f"x-portkey-provider: openai\r\n{host}\r\nauthorization: Bearer x"
        yield Target("portkey", [peers.portkey, f"--port={port}", "--headless"], port, headers=headers)
    else:
        print("Portkey is not installed (npm install @portkey-ai/gateway, --portkey PATH): left out")


def fanlight(folder: Path, configuration: str) -> Target:
    """The gateway as anybody starts it, with everything on."""
    port = free_port()
    (folder / "hub.toml").write_text(configuration)
    words = ["gateway", "--config", str(folder / "hub.toml"), "--port", str(port)]
    return Target("fanlight", [sys.executable, "-m", "fanlight", *words], port)


class Peers(NamedTuple):
    """Where the commands of peers are, None for those that are not installed."""

    litellm: str | None
    portkey: str | None
    mcp_proxy: str | None


def peers_of(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], Peers]:
    """Add an option for each peer's command; what makes Peers of them, where there is none by PATH."""
    for name in ("litellm", "portkey", "mcp-proxy"):
        parser.add_argument(f"--{name}", help=f"the command of {name}; without it, the one on PATH")

    def found(given: argparse.Namespace) -> Peers:
        return Peers(
            given.litellm or shutil.which("litellm"),
            given.portkey or _portkey(),
            given.mcp_proxy or shutil.which("mcp-proxy"),
        )

    return found


def _portkey() -> str | None:
    """Portkey's command is called `gateway`, as others may be."""
    command = shutil.which("gateway")
    return command if command and "@portkey-ai" in str(Path(command).resolve()) else None


NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream u {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000;
    location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; }} }}
}}
"""
HUB = """
[providers.mock]
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
[models.m]
provider = "mock"
prices = {{ input = 1.0, output = 2.0 }}
"""
LITELLM = """
model_list:
  - model_name: m
    litellm_params: {{ model: openai/m, api_base: "http://127.0.0.1:{upstream}/v1", api_key: x }}
general_settings: {{ master_key: {key} }}
"""


@contextlib.contextmanager
def running(target: Target) -> Iterator[psutil.Process | None]:
    """The target's process, on a core of its own."""
    if target.command is None:
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # not the history of one's own gateway
        environ = {
            **os.environ,
            "PYTHONPATH": str(HERE.parent / "src"),
            "FANLIGHT_STORE": f"sqlite:///{folder}/bench.db",
            "LITELLM_LOCAL_MODEL_COST_MAP": "1",
        }
        yield from _started(target, environ)


def _started(target: Target, environ: dict[str, str]) -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        ["taskset", "-c", "0", *(target.command or ())], env=environ, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(2_400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", target.port), 1):
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{target.name} does not listen")
        yield psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(each.cpu_times().user + each.cpu_times().system for each in family)
