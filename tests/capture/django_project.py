"""A Django project in one file: `application` is its WSGI application."""
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
)
django.setup()


def show(request: Any, **values: Any) -> HttpResponse:
    return HttpResponse(str(values), status=404 if "none" in values.values() else 200)


def file(request: Any) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"))


def stream(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"a", b"b"]))


def boom(request: Any) -> HttpResponse:
    raise RuntimeError("secret=hunter2 went wrong")


urlpatterns = [
    path("users/<int:pk>/", include([path("orders/<slug:order>", show)])),
    re_path(r"^years/(?P<year>[0-9]{4}(-[0-9]{2})?)/?$", show),
    path("file", file),
    path("stream", stream),
    path("boom", boom),
]

application = get_wsgi_application()
