"""A terminal of its own for a command: a real pty, what it printed, its keys and its modes; and a chatty service."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

PATIENCE = 40.0

CHATTY = """
import os, select, threading, time, sys

number = blocked = 0

def talk():
    global number, blocked
    rate, began = float(os.environ["RATE"]), time.monotonic()
    while True:
        while number < (time.monotonic() - began) * rate:
            blocked += not select.select([], [1], [], 0)[1]
            print(f"<{number}>" + "." * int(os.environ.get("PAD", 0)), flush=True)
            number += 1
        time.sleep(0.005)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        threading.Thread(target=talk, daemon=True).start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/die":
        os._exit(7)
    if scope["path"] == "/error":
        print("gone wrong", file=sys.stderr, flush=True)
    body = str({"/number": number, "/blocked": blocked}.get(scope["path"], os.getpid())).encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
"""Prints numbered lines, RATE a second, and counts those it has to wait for; dies with status 7 when asked to."""

PLAIN = "\x1b\\[\\?1049l"
"""Leaves the dashboard's screen."""

DRAWN = "\x1b\\[\\?1049h"
"""Enters it."""


def numbers(text: str) -> list[int]:
    """The numbers of the chatty service's lines among what a terminal was sent, in order."""
    text = re.sub(PLAIN, "\n", text)
    plain = re.sub(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]", "", text).replace("\r", "\n")
    return [int(found) for found in re.findall(r"^<(\d+)>\.*$", plain, re.MULTILINE)]


class Terminal:
    """A command whose stdin, stdout and stderr are one terminal, in a session of its own, `columns` by `rows`."""

    def __init__(self, words: list[str], environ: dict[str, str], folder: str, columns: int = 120, rows: int = 40):
        self._master, self._slave = pty.openpty()
        self.resize(columns, rows)
        self.modes_before = termios.tcgetattr(self._slave)
        self.popen = subprocess.Popen(
            words,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            cwd=folder,
            env={**environ, "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=self._own,
        )
        self.reading = threading.Event()
        self.reading.set()
        self._came = threading.Condition()
        self._output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _own(self) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)

    def _read(self) -> None:
        while self.reading.wait():
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                data = b""
            with self._came:
                self._output += data
                self._came.notify_all()
            if not data:
                return

    @property
    def text(self) -> str:
        """Everything it has printed so far."""
        return self._output.decode("utf-8", "replace")

    def screen(self) -> list[str]:
        """What a person sees of the dashboard now: its rows. Knows as much of terminals as the drawing library uses."""
        rows = [[" "] * self.size[0] for _ in range(self.size[1])]
        x = y = 0
        drawn = self.text[self.text.rindex(DRAWN.replace("\\", "")) :]
        for place, other, text in re.findall(r"\x1b\[([\d;]*)H|(\x1b\[[\d;?<>=$]*[ -/]*[@-~]|\x1b.)|([^\x1b]+)", drawn):
            if text:
                for character in text:
                    if character == "\n":
                        x, y = 0, y + 1
                    elif character.isprintable() and y < len(rows) and x < len(rows[0]):
                        rows[y][x] = character
                        x += 1
            elif not other:
                y, x = (int(part or 1) - 1 for part in (f"{place};").split(";")[:2])
        return ["".join(row) for row in rows]

    def until(self, pattern: str, start: int = 0) -> re.Match[str]:
        """Wait for a match in what has been printed from character `start` on."""
        last = time.monotonic() + PATIENCE
        with self._came:
            while not (found := re.compile(pattern).search(self.text, start)):
                self._came.wait(0.2)
                assert time.monotonic() < last, f"{pattern!r} never came:\n{self.text[start:][-3_000:]}"
        return found

    def rest(self) -> str:
        """All it has printed, now that the command has ended."""
        last = time.monotonic() + PATIENCE
        while select.select([self._master], [], [], 0.1)[0] and self._reader.is_alive():
            assert time.monotonic() < last
        with self._came:
            return self.text

    def type(self, keys: str) -> None:
        """Press keys; a lone surrogate is a byte that is no UTF-8."""
        os.write(self._master, keys.encode(errors="surrogateescape"))

    def resize(self, columns: int, rows: int) -> None:
        """Give it another size."""
        self.size = columns, rows
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[Any]:
        """Its modes, as `stty -a` shows them."""
        return termios.tcgetattr(self._slave)

    def close(self) -> None:
        """As a person closing the window: both ends gone, which sends SIGHUP."""
        os.close(self._slave)
        self._slave = -1
        self.popen.send_signal(signal.SIGHUP)  # the kernel's own comes with the last master descriptor
        master, self._master = self._master, -1
        os.close(master)

    def end(self) -> int:
        """Wait for the end; the exit status."""
        return self.popen.wait(PATIENCE)

    def family(self) -> list[psutil.Process]:
        """The processes the command has started, and theirs."""
        return psutil.Process(self.popen.pid).children(recursive=True)

    def clean(self) -> None:
        """End everything; the reader first, or it would read from whatever gets the descriptor's number next."""
        for process in self.family() if self.popen.poll() is None else []:
            process.kill()
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        if self._slave >= 0:
            os.close(self._slave)
        self.reading.set()
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive()
        if self._master >= 0:
            os.close(self._master)


Start = Callable[..., Terminal]
