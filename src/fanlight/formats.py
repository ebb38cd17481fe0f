"""How values look as text: at most three significant digits, the unit apart, the same in every face."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

DASH: Final = "–"
"""What stands where there is no value."""

TOO_LARGE: Final = 1e15
"""From here on a number is nothing anybody measured."""

SMALLEST: Final = 1e-6
"""What is below this has no place in six decimals."""

ZEROS: Final = re.compile(r"(?<=\.)(\d*[1-9])0+(?!\d)|\.0+(?!\d)")
"""Zeros that end a number after its point, with what stands between, and the point where nothing else does."""

NARROW_SPACE: Final = "\u202f"
"""Groups thousands; never breaks a line."""


def significant(value: float, digits: int = 3) -> str:
    """A number with at most `digits` significant digits and no exponent: 0.0123, 1.24, 45.1, 184."""
    if math.isnan(value):
        return DASH
    if abs(value) >= TOO_LARGE:
        return "∞" if value > 0 else "-∞"
    rounded = float(f"{value:.{digits - 1}e}")  # first, or 9.999 would become 10.00
    if abs(rounded) < 5e-7:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(0, min(decimals, 6))}f}"


def trimmed(value: float, digits: int = 3) -> str:
    """As `significant`, without zeros that say nothing: 2, 0.8, 12.5."""
    text = significant(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def integer(value: float) -> tuple[str, str]:
    """A count: exact with grouped thousands below 100 000, then 412 k, 1.90 M."""
    if abs(value) < 100_000:
        return f"{round(value):,}".replace(",", NARROW_SPACE), ""
    return scaled(value)


def scaled(value: float) -> tuple[str, str]:
    """A large number with its decimal prefix."""
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return significant(value / limit), suffix
    return trimmed(value), ""


def seconds(value: float) -> tuple[str, str]:
    """A duration: 820 µs, 45 ms, 1.24 s, 5 min 3 s."""
    size = abs(value)
    if size == 0:
        return "0", "ms"
    if size < 0.0009995:
        return trimmed(value * 1e6), "µs"
    if size < 0.9995:
        return trimmed(value * 1e3), "ms"
    if size < 99.95:
        return significant(value), "s"
    return span(value), ""


def limit(value: float) -> str:
    """A threshold as people say it: 500 ms, 1 s, 2.5 s."""
    return tick(value, "seconds")


def span(value: float) -> str:
    """A long duration by its two largest units: 2d 5h, 5m 3s."""
    if not abs(value) < TOO_LARGE:
        return DASH
    whole = int(abs(value))
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    first = next((place for place, (amount, _) in enumerate(parts) if amount), 3)
    shown = [f"{amount}{unit}" for amount, unit in parts[first : first + 2] if amount or unit == parts[first][1]]
    return ("-" if value <= -1 else "") + " ".join(shown)


def uptime(value: float) -> str:
    """A duration to the second, all units: 2d 5h 30m 4s."""
    if not 0 <= value < TOO_LARGE:
        return DASH
    whole = int(value)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days}d {hours}h {minutes}m"
    if hours:
        return f"{hours}h {minutes}m {whole % 60}s"
    return f"{minutes}m {whole % 60}s"


def size(value: float) -> tuple[str, str]:
    """Bytes with binary steps, named as people say them: 256 MB."""
    for limit, suffix in ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if abs(value) >= limit * 0.9995:
            return significant(value / limit), suffix
    return trimmed(round(value)), "B"


def percent(value: float) -> tuple[str, str]:
    """A percentage; small ones keep a digit that says they are not zero."""
    return ("<0.01" if 0 < value < 0.01 else trimmed(value)), "%"


def moment(value: float) -> str:
    """Unix seconds as RFC 3339 UTC with milliseconds; text is left as it is for times nobody can have."""
    try:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return DASH


def date_and_time(value: float) -> str:
    """Unix seconds as YYYY-MM-DD HH:MM:SS.mmm UTC."""
    return moment(value).replace("T", " ").removesuffix("Z")


def time_of_day(value: float) -> str:
    """Unix seconds as HH:MM:SS.mmm UTC."""
    text = moment(value)
    return text[11:23] if len(text) > 20 else text


def value(raw: Any, unit: str) -> tuple[str, str]:
    """A raw value and its unit (see `panels.Unit`) as (text, suffix).

    None and what is no finite number is a dash; a text in a number's place ("N/A") stays as it is.
    """
    formatter = _BY_UNIT.get(unit)
    if raw is None or (isinstance(raw, float) and not math.isfinite(raw)):
        return DASH, ""
    if formatter is None or isinstance(raw, str):
        return str(raw), ""
    try:
        return formatter(float(raw))
    except OverflowError:
        return DASH, ""
    except (TypeError, ValueError):
        return str(raw), ""


def phrase(raw: Any, unit: str) -> str:
    """As `value`, in one piece: "45 ms", "184/s"."""
    text, suffix = value(raw, unit)
    if not suffix:
        return text
    return f"{text}{suffix}" if suffix.startswith("/") else f"{text} {suffix}"


def tick(raw: float, unit: str) -> str:
    """As `phrase`, for the mark of an axis: zeros after the point say nothing there."""
    return ZEROS.sub(r"\1", phrase(raw, unit), count=1)


def _number(raw: float) -> tuple[str, str]:
    if 0 < raw < SMALLEST:
        return "<0.000001", ""  # not nothing, as a cost may be
    return scaled(raw) if abs(raw) >= 10_000 else (trimmed(raw), "")


def _rate(raw: float) -> tuple[str, str]:
    text, prefix = _number(raw)
    return text + prefix, "/s"


def _per_minute(raw: float) -> tuple[str, str]:
    text, prefix = _number(raw)
    return text + prefix, "/min"


_BY_UNIT: Final[Mapping[str, Callable[[Any], tuple[str, str]]]] = {
    "integer": integer,
    "number": _number,
    "rate": _rate,
    "per_minute": _per_minute,
    "seconds": seconds,
    "bar": seconds,
    "bytes": size,
    "ratio": lambda raw: percent(raw * 100),
    "percent": percent,
    "time": lambda raw: (time_of_day(raw), ""),
    "boolean": lambda raw: ("yes" if raw else "no", ""),
}


def dollars(amount: float) -> str:
    """US dollars to the cent, less than one to a hundredth of it where that says more."""
    whole, _, rest = f"{amount:,.2f}".partition(".") if amount >= 1 else f"{amount:.4f}".partition(".")
    return f"${whole}.{rest[:2]}{rest[2:].rstrip('0')}"
