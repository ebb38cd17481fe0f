"""faces.web.shutdown: finding out that the server stops."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType

from fanlight.faces.web.shutdown import watch_server


class Server:
    """What uvicorn's server looks like from outside."""

    def __init__(self) -> None:
        self.should_exit = False
        self.done = asyncio.Event()

    async def main_loop(self) -> None:
        await self.done.wait()

    async def serve(self) -> None:
        await self.main_loop()

    def handle_exit(self, number: int, frame: FrameType | None) -> None:
        self.should_exit = True


def test_a_server_is_found_in_the_task_that_serves() -> None:
    """TTY-2: a server run by a coroutine of the application's own is found, however deep it is awaited."""

    async def main(server: Server) -> tuple[bool, bool]:
        async def outer() -> None:
            await server.serve()

        task = asyncio.create_task(outer())
        await asyncio.sleep(0)
        stopping = watch_server()
        before = stopping()
        server.should_exit = True
        after = stopping()
        server.done.set()
        await task
        return before, after

    async def run() -> tuple[bool, bool]:
        return await main(Server())

    assert asyncio.run(run()) == (False, True)


def test_a_server_is_found_as_the_owner_of_the_signal_handler() -> None:
    """TTY-2: a server that handles SIGTERM is found by its handler, which stays what it was."""

    async def main() -> bool:
        server = Server()
        before = signal.signal(signal.SIGTERM, server.handle_exit)
        try:
            stopping = watch_server()
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) == server.handle_exit
            return stopping()
        finally:
            signal.signal(signal.SIGTERM, before)

    assert asyncio.run(main())


def test_without_a_known_server_nothing_is_stopping() -> None:
    """X-8: under another server, or none, there is nothing to find and nothing fails."""

    async def main() -> bool:
        return watch_server()()

    assert not asyncio.run(main())
