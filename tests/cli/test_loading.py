"""Which words and things are taken for an application; the refusals are in test_refusals.py."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from fanlight import FanlightError
from fanlight.cli.loading import LoadError, is_asgi, is_wsgi, load, service_name, split


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""


def passing(*arguments: Any) -> Any:
    """A wrapper of one."""
    return plain(*arguments)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    """A WSGI application."""
    return []


@pytest.mark.parametrize("found", [plain, passing, Starlette(), functools.partial(passing)])
def test_applications_of_all_shapes_are_taken(found: Any) -> None:
    """X-8: functions, objects and wrappers are ASGI applications."""
    assert is_asgi(found)


@pytest.mark.parametrize("found", [None, 3, "app", Starlette, wsgi, lambda: None, lambda scope: None])
def test_other_things_are_not(found: Any) -> None:
    """X-8: what cannot be called with scope, receive and send is no ASGI application."""
    assert not is_asgi(found)
    assert is_wsgi(found) is (found is wsgi)


@pytest.mark.parametrize("target", ["", ":", "a:", ":app", "a b:app", "a:app()", "../a:app", "a.py:app", "-c:app"])
def test_words_that_are_no_target_are_refused(target: str) -> None:
    """X-8: a target is module:attribute, both of names and dots."""
    with pytest.raises(LoadError, match="expected module:application, such as"):
        split(target)


@pytest.mark.parametrize(
    ("target", "folder", "name"),
    [
        ("chat_api.app:app", "/srv/x", "chat-api"),
        ("shop:app", "/srv/x", "shop"),
        ("main:app", "/srv/web_shop", "web-shop"),
        ("app.main:app", "/srv/shop", "shop"),
    ],
)
def test_a_service_is_named_after_its_module(target: str, folder: str, name: str) -> None:
    """API-1: with no name given the service has one that tells it from others."""
    assert service_name(target, folder) == name


def test_a_dotted_attribute_and_a_factory_are_followed(tmp_path: Path) -> None:
    """X-8: `module:object.app` and `--factory` reach the application."""
    (tmp_path / "fanlight_load_test.py").write_text(
        "class Service:\n    @staticmethod\n    async def app(scope, receive, send):\n        return None\n"
        "def make():\n    return Service.app\n"
    )
    found = load("fanlight_load_test:Service.app", str(tmp_path))
    assert load("fanlight_load_test:make", str(tmp_path), factory=True) is found


def test_a_factory_that_fanlight_refuses_is_refused_in_its_words(tmp_path: Path) -> None:
    """X-8: what Fanlight itself says of a factory's settings is not wrapped in a failure of the factory."""
    (tmp_path / "fanlight_refused_test.py").write_text(
        "from fanlight import Fanlight\ndef make():\n    return Fanlight('x', prefix='dash').asgi(None)\n"
    )
    with pytest.raises(FanlightError, match=r"^prefix= is 'dash'"):
        load("fanlight_refused_test:make", str(tmp_path), factory=True)
