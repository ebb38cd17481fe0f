"""Values read the same everywhere: at most three significant digits, the unit apart."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanlight import formats
from fanlight.panels import Unit

INF, NAN = float("inf"), float("nan")

GOLDEN: list[tuple[Any, str, str]] = [
    (0, "seconds", "0 ms"),
    (0.00082, "seconds", "820 µs"),
    (0.0009996, "seconds", "1 ms"),
    (0.045, "seconds", "45 ms"),
    (0.9996, "seconds", "1.00 s"),
    (1.24, "seconds", "1.24 s"),
    (9.999, "seconds", "10.0 s"),
    (99.96, "seconds", "1m 39s"),
    (303, "seconds", "5m 3s"),
    (3_600, "seconds", "1h"),
    (190_800, "seconds", "2d 5h"),
    (-0.045, "seconds", "-45 ms"),
    (-303, "seconds", "-5m 3s"),
    (0, "integer", "0"),
    (999, "integer", "999"),
    (12_345, "integer", "12 345"),
    (412_000, "integer", "412 k"),
    (1_900_000, "integer", "1.90 M"),
    (999_900, "integer", "1.00 M"),
    (-5, "integer", "-5"),
    (True, "integer", "1"),
    (0.5, "number", "0.5"),
    (1_234, "number", "1230"),
    (12_345, "number", "12.3 k"),
    (0, "rate", "0/s"),
    (0.1, "rate", "0.1/s"),
    (184.4, "rate", "184/s"),
    (12_345, "rate", "12.3k/s"),
    (30, "per_minute", "30/min"),
    (0, "bytes", "0 B"),
    (999, "bytes", "999 B"),
    (1024, "bytes", "1.00 kB"),
    (268_435_456, "bytes", "256 MB"),
    (0.0523, "ratio", "5.23 %"),
    (1, "ratio", "100 %"),
    (0.00001, "ratio", "<0.01 %"),
    (0, "percent", "0 %"),
    (97.44, "percent", "97.4 %"),
    (-3.5, "percent", "-3.5 %"),
    (True, "boolean", "yes"),
    (False, "boolean", "no"),
    (1_700_000_000.5, "time", "22:13:20.500"),
    ("GET", "method", "GET"),
    (200, "status", "200"),
    ("N/A", "percent", "N/A"),
    ("N/A", "bytes", "N/A"),
    (None, "seconds", "–"),
    (NAN, "rate", "–"),
    (INF, "bytes", "–"),
    (-INF, "seconds", "–"),
    (10**400, "integer", "–"),
    (Decimal("0.25"), "seconds", "250 ms"),
    (1e300, "percent", "∞ %"),
    ([], "number", "[]"),
    (1e17, "time", "–"),
]


@pytest.mark.parametrize(("raw", "unit", "text"), GOLDEN, ids=lambda value: str(value)[:20])
def test_golden(raw: Any, unit: str, text: str) -> None:
    """X-1: the table of how values look."""
    assert formats.phrase(raw, unit).replace(formats.NARROW_SPACE, " ") == text


NUMBERS = st.one_of(st.floats(), st.integers(), st.integers(-(10**400), 10**400), st.just(None), st.booleans())
SHORT = ("number", "rate", "per_minute", "bytes", "ratio", "percent")


@given(NUMBERS, st.sampled_from(get_args(Unit)))
def test_any_value_in_any_unit_has_a_text(raw: Any, unit: str) -> None:
    """TTY-6: nothing crashes, nothing is endless, no number has an exponent."""
    text, suffix = formats.value(raw, unit)
    assert text
    if unit not in ("text", "code", "status", "method", "route", "state", "score"):
        assert len(text + suffix) <= 24
        assert not re.search(r"\de[+-]?\d", text)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(SHORT))
def test_at_most_three_significant_digits(raw: float, unit: str) -> None:
    """X-1: no figure claims more than three significant digits."""
    text, _ = formats.value(raw, unit)
    digits = re.sub(r"[^0-9]", "", text.split("k")[0]).strip("0")
    assert len(digits) <= 3


@given(st.floats(1e-4, 1e11))
def test_a_text_is_close_to_its_value(raw: float) -> None:
    """X-1: what is read is within half a percent of what is meant."""
    text, suffix = formats.scaled(raw)
    factor = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[suffix]
    assert float(text) * factor == pytest.approx(raw, rel=0.006)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.0, "seconds", "3 s"), (1.5, "seconds", "1.5 s"), (0.25, "seconds", "250 ms"), (1.05, "seconds", "1.05 s"),
        (64 * 2**20, "bytes", "64 MB"), (100.0, "integer", "100"), (10.0, "rate", "10/s"), (1.0, "ratio", "100 %"),
    ],
)  # fmt: skip
def test_the_marks_of_an_axis_end_in_no_zeros(value: float, unit: str, text: str) -> None:
    """OBS-1: an axis reads 1 s, 2 s, 3 s, as it does in the browser."""
    assert formats.tick(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "500 ms"), (1.0, "1 s"), (5.0, "5 s"), (2.5, "2.5 s"), (120.0, "2m")]
)
def test_thresholds_as_people_say_them(value: float, text: str) -> None:
    """API-6: "over 1 s", not "over 1.00 s"."""
    assert formats.limit(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0m 0s"), (59.9, "0m 59s"), (3_661, "1h 1m 1s"), (190_804, "2d 5h 0m"), (-1, "–"), (INF, "–")],
)
def test_uptime(value: float, text: str) -> None:
    """OBS-1: a duration to the second; days leave the seconds out."""
    assert formats.uptime(value) == text


def test_significant_of_what_is_no_number_or_too_large() -> None:
    """X-1: not a number is a dash, too large is infinite, too small is zero."""
    found = [formats.significant(value) for value in (math.nan, 1e15, -1e300, 1e-12, -1e-12)]
    assert found == ["–", "∞", "-∞", "0", "0"]


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (4e-7, "<0.000001"), (1e-6, "0.000001"), (0.000004, "0.000004")])
def test_what_is_hardly_anything_is_not_nothing(value: float, text: str) -> None:
    """X-7: a call that costs less than a millionth of a dollar is not said to be free."""
    assert formats.phrase(value, "number") == text


def test_moments() -> None:
    """X-1: times are RFC 3339 in UTC; times nobody can have are a dash."""
    assert formats.moment(0) == "1970-01-01T00:00:00.000Z"
    assert formats.time_of_day(1e18) == "–"


@pytest.mark.parametrize(
    ("amount", "said"), [(0, "$0.00"), (0.5, "$0.50"), (0.00049, "$0.0005"), (1234.5, "$1,234.50"), (0.01, "$0.01")]
)
def test_dollars(amount: float, said: str) -> None:
    """ORC-9: to the cent, small amounts to a hundredth of one where that says more."""
    assert formats.dollars(amount) == said
