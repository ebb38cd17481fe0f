"""faces.web.views: views from queries and back."""

from __future__ import annotations

import math
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanlight.faces.web.views import (
    FILTER_LIMIT,
    FILTERS,
    SHORTEST_SPAN,
    ViewError,
    forgiving_view,
    parse_interval,
    parse_view,
    to_query,
)
from fanlight.panels import RANGES, View

NAMES = st.sampled_from(["scope", "range", "from", "to", "sort", "id", "name", "interval", *sorted(FILTERS), "unknown"])
LIKELY = st.sampled_from(
    ["15m", "7d", "all", "this", "web1-4242-9f3a", "-p95", "p95", "0", "1700000000", "1700000300.125", "1e400", "nan",
     "-1", "2023-11-14T22:13:20Z",
     "2023-11-14T22:20:00+02:00", "0001-01-01", "9999-12-31T23:59:59Z", "253402300799", "error"]
)  # fmt: skip
QUERIES = st.dictionaries(NAMES, LIKELY | st.text(max_size=300))


def parsed(query: dict[str, str], path: dict[str, str] | None = None) -> tuple[View | None, ViewError | None]:
    """The view of a query, or the error; anything else raised fails the test."""
    try:
        return parse_view("requests", query, path), None
    except ViewError as error:
        return None, error


@given(QUERIES)
def test_any_query_is_a_view_or_a_view_error(query: dict[str, str]) -> None:
    """ORC-3: whatever is asked ends as a view inside the limits, or as a 422 that names the parameter."""
    view, error = parsed(query)
    if view is None:
        assert error is not None
        assert error.status == 422
        assert error.detail in query or error.detail in ("from", "to")
        return
    assert view.range in RANGES
    assert all(0 < len(value) <= FILTER_LIMIT for _, value in view.filters)
    if view.start is not None and view.end is not None:
        assert view.end - view.start >= SHORTEST_SPAN - 0.002


@given(QUERIES)
def test_views_survive_their_own_address(query: dict[str, str]) -> None:
    """ORC-6: the address of a view leads back to it."""
    view, _ = forgiving_view("requests", query)
    assert parse_view("requests", dict(parse_qsl(to_query(view)))) == view


@given(QUERIES, st.text(max_size=400))
def test_a_page_falls_back_to_the_defaults_and_says_so(query: dict[str, str], identity: str) -> None:
    """ORC-3: a page is shown whatever the query; where it made no sense a notice says which part."""
    view, notice = forgiving_view("requests", query, {"id": identity})
    strict, error = parsed(query, {"id": identity})
    assert view == (strict or View(page="requests", path=view.path))
    assert notice.startswith(error.message) if error else not notice


def test_the_defaults() -> None:
    """ORC-5: nothing asked is the last 15 minutes of all instances."""
    assert parse_view("overview", {"page": "x", "utm_source": "mail"}) == View()
    assert to_query(View()) == ""


def test_a_whole_view() -> None:
    """HUB-6, ORC-5: range, scope, sort and filters, the filters in name order."""
    view = parse_view(
        "requests", {"range": "1h", "scope": "this", "sort": "-p95", "status": "error", "q": "/items", "type": ""}
    )
    assert view == View(
        page="requests", range="1h", scope="this", sort="-p95", filters=(("q", "/items"), ("status", "error"))
    )


@pytest.mark.parametrize(
    "start", ["1700000000", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20 01:00", "2023-11-14T22:13:20"]
)
def test_times_are_rfc_3339_or_epoch_seconds(start: str) -> None:
    """ORC-5: both forms mean the same, also with a plus sign that was read as a space; no zone means UTC."""
    view = parse_view("requests", {"from": start, "to": "1700000600"})
    assert (view.start, view.end) == (1_700_000_000.0, 1_700_000_600.0)


def test_spans_are_clamped() -> None:
    """X-3: a shorter span than a chart step gets a later end; a long one is cut to what is kept where it is read."""
    long = parse_view("requests", {"from": "0", "to": "99999999999"})
    assert (long.start, long.end) == (0.0, 99_999_999_999.0)
    short = parse_view("requests", {"from": "1700000000", "to": "1700000001"})
    assert (short.start, short.end) == (1_700_000_000.0, 1_700_000_000.0 + SHORTEST_SPAN)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"range": "2y"}, "range"),
        ({"scope": "a b"}, "scope"),
        ({"sort": "p95;drop"}, "sort"),
        ({"from": "1700000000"}, "to"),
        ({"to": "1700000000"}, "from"),
        ({"from": "yesterday", "to": "1700000000"}, "from"),
        ({"from": "1700000001", "to": "1700000000"}, "from"),
        ({"q": "x" * (FILTER_LIMIT + 1)}, "q"),
        ({"route": "/a\x00"}, "route"),
    ],
)
def test_what_cannot_be_is_refused(query: dict[str, str], parameter: str) -> None:
    """ORC-3: a 422 in the error format, naming the parameter, what was got and what was expected."""
    with pytest.raises(ViewError) as refused:
        parse_view("requests", query)
    document = refused.value.document()["error"]
    assert (document["code"], document["detail"]) == ("invalid_query", parameter)
    assert "expected" in document["message"]
    assert len(document["message"]) < 250


def test_path_values_come_from_the_path_first() -> None:
    """X-4: a fragment is told the request's id in its query, a page by its path; the path wins."""
    assert parse_view("requests", {"id": "a1"}).path == (("id", "a1"),)
    assert parse_view("requests", {"id": "a1"}, {"id": "b2"}).path == (("id", "b2"),)


@given(st.text(max_size=20) | st.floats().map(str))
def test_intervals_are_clamped(text: str) -> None:
    """ORC-6: a viewer's interval is between 0.25 and 60 seconds, whatever is sent."""
    interval = parse_interval({"interval": text})
    assert math.isfinite(interval)
    assert 0.25 <= interval <= 60
