"""The workflow: each upload is checked, read and indexed, by workers that take them from the queue."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from fanlight import Fanlight

from .storage import Storage, Upload

WORKERS: Final = 3
UNWANTED: Final = b"X5O!P%@AP"
"""How the test file of virus scanners begins."""
SIGNATURES: Final = ((b"\x89PNG", "image"), (b"%PDF", "pdf"), (b"PK\x03\x04", "archive"))
STEP_SECONDS: Final = (0.005, 0.04)
"""How long a step takes; now and then much longer."""
SLOW_RATE: Final = 0.04
SLOW_SECONDS: Final = (0.4, 1.6)

_WORD: Final = re.compile(rb"[A-Za-z]{3,}")

log = logging.getLogger("uploads.workflow")


class Rejected(Exception):
    """An upload that is not wanted; a caller's mistake, not ours."""

    status_code = 422


class Workflow:
    """Workers that take uploads through the stages. For one event loop."""

    def __init__(self, dashboard: Fanlight, storage: Storage, *, chance: Random, now: Callable[[], float] = time.time):
        self.storage = storage
        self._dashboard = dashboard
        self._chance = chance
        self._now = now
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the workers begin."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def stop(self) -> None:
        """End them: until they are, for redis-py loses a cancellation that comes while it connects."""
        while working := [task for task in self._tasks if not task.done()]:
            for task in working:
                task.cancel()
            await asyncio.wait(working, timeout=0.1)

    async def _work(self) -> None:
        id: str | None = None
        while True:
            try:
                id = id or await self.storage.take()
                if id is not None:
                    await self.process(id)
                id = None
            except Exception as error:  # a lost Redis, say; what was taken is in no queue any more: it is tried again
                log.error("worker failed error=%s", error)
                await asyncio.sleep(1.0)

    async def process(self, id: str) -> None:
        """Take one upload through all stages; one that is rejected stays, with the reason."""
        upload, content = await self.storage.get(id), await self.storage.content(id)
        if upload is None or content is None:  # it was one too many
            return
        try:
            upload = await self._step(upload, "checked", self._check, content)
            upload = await self._step(upload, "read", self._read, content)
            upload = replace(upload, done=self._now())
            upload = await self._step(upload, "indexed", self._index, content)
        except Rejected as error:
            ended = replace(upload, stage="rejected", note=str(error), done=self._now())
            await self.storage.save(ended, upload.stage)
            log.warning("rejected upload=%s name=%s reason=%s", id, upload.name, error)
            upload = ended
        self._dashboard.event("upload", name=upload.name, size=upload.size, outcome=upload.stage)

    async def _step(self, upload: Upload, stage: str, act: Callable[[Upload, bytes], Upload], content: bytes) -> Upload:
        async with self._dashboard.call("workflow", act.__name__.strip("_"), upload=upload.id):
            slow = self._chance.random() < SLOW_RATE
            await asyncio.sleep(self._chance.uniform(*(SLOW_SECONDS if slow else STEP_SECONDS)))
            moved: Upload = replace(act(upload, content), stage=stage)  # type: ignore[arg-type]  # one of the stages
        async with self._dashboard.call(self.storage.name, "save"):
            await self.storage.save(moved, upload.stage)
        return moved

    def _check(self, upload: Upload, content: bytes) -> Upload:
        if content.startswith(UNWANTED):
            raise Rejected("it looks like a virus")
        return replace(upload, note=hashlib.sha256(content).hexdigest()[:12])

    def _read(self, upload: Upload, content: bytes) -> Upload:
        kind = next((kind for start, kind in SIGNATURES if content.startswith(start)), "text")
        if kind == "text" and b"\x00" in content:
            raise Rejected("neither a text nor a known kind of file")
        return replace(upload, kind=kind)

    def _index(self, upload: Upload, content: bytes) -> Upload:
        return replace(upload, words=len(words_of(content)) if upload.kind == "text" else 0)


def words_of(content: bytes) -> Counter[str]:
    """The words of a text and how often each is in it."""
    return Counter(word.decode().lower() for word in _WORD.findall(content))
