"""Answers that are not pages: errors in the one format, as a document for programs and as a page for people."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fanlight.faces.errors import CONTENT_TYPE, FaceError, shown
from fanlight.faces.web.assets import asset_url

LISTED = "The pages are those of the menu; api/openapi.json lists the documents."
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 422: "invalid_query"}


def error_response(error: FaceError, *, page: bool, root: str, login: bool = False) -> Response:
    """An error as `{"error": ...}`, or as a page with, perhaps, a login form."""
    if not page:
        return Response(error.json(), error.status, headers=error.headers, media_type=CONTENT_TYPE)
    text = _template().render(
        error=error,
        base=f"{root}/",
        login=login,
        style_url=asset_url("app.css"),
        theme_script_url=asset_url("theme.js"),
        icon_url=asset_url("icon.svg"),
    )
    return Response(text, error.status, headers=error.headers, media_type="text/html")


def from_http(error: HTTPException, path: str) -> FaceError:
    """A routing library's error in our format."""
    if error.status_code == 404:
        return FaceError(404, "not_found", f"There is no page or document {shown(path)}.", LISTED)
    allow = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    code = _CODES.get(error.status_code, "http_error")
    methods = f" Use {allow['Allow']}." if "Allow" in allow else ""
    return FaceError(error.status_code, code, f"This cannot be asked for in this way.{methods}", "", allow)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    return environment.get_template("refusal.html")
