"""The WSGI capture: stands around an application, notes what passes, changes nothing but one header.

It serves no dashboard: a WSGI server holds a thread for each connection, and live views would hold them all. The
dashboard of a WSGI service is a process of its own, over the store both share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from logging import getLogger
from typing import Any

from fanlight.capture.asgi import CaptureOptions, any_of
from fanlight.capture.frameworks import WsgiRoutes, listen_for_errors
from fanlight.capture.response import Environ, Exchange, StartResponse, WsgiApplication
from fanlight.core import context
from fanlight.core.context import correlation_id, serving
from fanlight.core.recorder import Recorder, Sample
from fanlight.errors import FanlightError


class WsgiCapture:
    """A WSGI application around `app`: its requests become facts. Any number of threads may call it.

    `on_startup` is called before the first request of each process. It gives the recorder its sampler and its way to
    name routes: one per recorder.
    """

    fanlight_dashboard: Any = None
    """The dashboard this was made for, where it was made for one."""

    def __init__(
        self,
        app: WsgiApplication,
        recorder: Recorder,
        options: CaptureOptions,
        on_startup: Callable[[], object] | None = None,
    ) -> None:
        self.app = app
        self.recorder = recorder
        self.live: set[int] = set()  # the identities of the exchanges in flight; adding and removing are atomic
        self.peak = 0
        self.append = recorder.append
        self.next_seq = recorder.next_seq
        self.now_ns = recorder.clock.monotonic_ns
        self.is_declared_stream = any_of(options.stream_routes)
        self._exact = frozenset(path for path in options.exclude if not path.endswith("*"))
        self._beginnings = tuple(path[:-1] for path in options.exclude if path.endswith("*"))
        self._on_startup = on_startup
        self._started = False
        self._starting = threading.Lock()
        routes = WsgiRoutes()
        recorder.resolve_routes(routes.describe, routes.by_path)
        recorder.samplers.append(self.sample)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        path = environ.get("PATH_INFO")
        if path in self._exact or (self._beginnings and path is not None and path.startswith(self._beginnings)):
            return self._pass_by(environ, start_response)
        if not self._started:
            self._start()
        exchange = Exchange()
        try:
            exchange.begin(self, environ, start_response)
        except Exception as error:  # an environ that is not one; the application will say so itself
            self.recorder.failed("capture", error)
            return self.app(environ, start_response)
        if context.tell_apart:
            serving.set(self.recorder)
        correlation_id.set(exchange.correlation_id)
        try:
            body = self.app(environ, exchange.start_response)
        except BaseException as error:
            exchange.end(error)  # the ID stays set: the server logs the error next, on this thread
            raise
        return exchange.opened(body)

    def sample(self) -> Iterator[Sample]:
        """Requests in flight now, and the most there were since the last sample: a sampler of the recorder."""
        active = len(self.live)
        peak, self.peak = self.peak, active
        yield Sample("http.server.active_requests", "", active, "sum", "instance")
        yield Sample("http.server.active_requests.peak", "", peak, "sum", "instance")

    def _pass_by(self, environ: Environ, start_response: StartResponse) -> Any:
        """Run what is not measured, under no correlation ID: this thread may have kept that of a failed request."""
        correlation_id.set("")
        self.recorder.count("fanlight.excluded.requests")
        return self.app(environ, start_response)

    def _start(self) -> None:
        """Begin, once; what fails is said where the operator looks, for it is too late to refuse the start."""
        with self._starting:
            if self._started:
                return
            self._started = True
            try:
                listen_for_errors()
                if self._on_startup is not None:
                    self._on_startup()
            except Exception as error:
                self.recorder.failed("startup", error)
                if isinstance(error, FanlightError):
                    getLogger("fanlight").error("%s", error)
