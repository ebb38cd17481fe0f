"""Names: the path name of a declaration is its function's, or the one given."""

from __future__ import annotations

from typing import Any

import pytest

from fanlight.errors import FanlightError
from fanlight.services.names import heading, path_name


def recent_uploads() -> None: ...


def test_a_functions_name_is_its_path() -> None:
    """X-5: `_` reads as `-`; `name=` wins."""
    assert path_name("panel", recent_uploads, None) == "recent-uploads"
    assert path_name("panel", recent_uploads, "uploads") == "uploads"


@pytest.mark.parametrize("name", ["Uploads", "a/b", "-a", "a--b", "x" * 61, "ä"])
def test_what_is_no_path_is_refused(name: str) -> None:
    """X-5: a name that cannot stand in an address says what one is."""
    with pytest.raises(FanlightError, match=r'give one with name="\.\.\."'):
        path_name("panel", recent_uploads, name)


@pytest.mark.parametrize("title", [recent_uploads, "", "  ", None])
def test_a_decorator_without_a_title_says_so(title: Any) -> None:
    """X-5: `@dashboard.panel` without its arguments is an error at start, not a panel without a name."""
    with pytest.raises(FanlightError, match=r'expected its title: @dashboard\.panel\("\.\.\."\)'):
        heading("panel", title)
