"""What can be taken away: single charts as files, and the report on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fanlight.faces.context import VISIT, FaceContext
from fanlight.faces.errors import FaceError
from fanlight.faces.plots.charts import NotAChart, sheet
from fanlight.faces.plots.pdf import MissingLibrary, pdf
from fanlight.faces.plots.sheet import Sheet
from fanlight.faces.plots.svg import svg
from fanlight.faces.threads import in_thread
from fanlight.faces.web import views
from fanlight.faces.web.rendering import Rendering, accepts_gzip, compressed
from fanlight.panels import View


def _svg(drawing: Sheet) -> bytes:
    return svg(drawing).encode("utf-8", "replace")


WRITERS: Final[dict[str, tuple[Callable[[Sheet], bytes], str]]] = {
    "svg": (_svg, "image/svg+xml"),
    "pdf": (pdf, "application/pdf"),
}
"""Kinds of file: what writes them, and their media type. PNG is made of the SVG by the browser that shows it."""


class Files:
    """Answers the routes of files."""

    def __init__(self, context: FaceContext, rendering: Rendering) -> None:
        self._context = context
        self._rendering = rendering
        self.all = [
            Route("/charts/{panel}.{kind}", self._chart),
            Route("/report", self._report),
        ]

    async def _chart(self, request: Request) -> Response:
        name, kind = request.path_params["panel"], request.path_params["kind"]
        if kind not in WRITERS:
            raise FaceError(
                404, "not_found", f"Charts are given as {' or '.join(WRITERS)}.", "PNG: save it in the page."
            )
        view = views.parse_view(request.query_params.get("page", View().page), request.query_params)
        body = await in_thread(self._context.pulse.pacer, self._drawn, name, kind, view)
        service = re.sub(r"[^A-Za-z0-9._-]+", "-", self._context.settings.name)[:60].strip("-.") or "service"
        disposition = f'attachment; filename="{service}-{name}.{kind}"'
        return Response(body, headers={"Content-Disposition": disposition}, media_type=WRITERS[kind][1])

    def _drawn(self, name: str, kind: str, view: View) -> bytes:
        try:
            return WRITERS[kind][0](sheet(self._rendering.named_panel(name, view)))
        except NotAChart as error:
            raise FaceError(404, "not_found", f"{error}.") from None
        except MissingLibrary as error:
            raise FaceError(501, "not_installed", f"{error}.") from None

    async def _report(self, request: Request) -> Response:
        view, notice = views.forgiving_view("report", request.query_params)
        accepted = accepts_gzip(request.headers.get("accept-encoding", ""))

        def work() -> tuple[bytes, dict[str, str]]:
            text = self._rendering.report(view, request.scope[VISIT], notice)
            return compressed(text.encode("utf-8", "replace"), accepted)

        content, headers = await in_thread(self._context.pulse.pacer, work)
        return Response(content, headers=headers, media_type="text/html")
