"""The panel, page and view vocabulary: what every face can show, as data.

A page is a function `(Snapshot, View) -> Page`; a page holds slots; a slot builds one panel when a face wants it.
Panels hold
raw values in base units (seconds, bytes, fractions of 1, Unix seconds) and say by `unit` what they are; the faces
format
them, all with `fanlight.formats`. No panel holds markup, and every text is shown as text.

Links are relative to the dashboard's root and have no leading slash: "requests?status=error".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from fanlight.core.snapshot import Snapshot

State = Literal["", "ok", "warn", "error", "idle"]
"""What a value means for the operator; "" is neutral, "idle" is unknown or not set up. Faces show it by shape and
word too."""

Unit = Literal[
    "text",
    "code",
    "integer",
    "number",
    "rate",
    "per_minute",
    "seconds",
    "bytes",
    "ratio",
    "percent",
    "time",
    "status",
    "method",
    "route",
    "state",
    "bar",
    "score",
    "boolean",
]
"""What a value is: `seconds` a duration, `time` Unix seconds, `ratio` a fraction of 1, `percent` already times 100,
`status` an HTTP status or close code, `rate` per second, `bar` a duration drawn as a bar against the column's largest,
`score` 0 to 100 drawn as a level, `state` one of State, `code` text in monospace."""

Tone = Literal["main", "second", "ok", "warn", "error", "muted"]
"""The colour role of a line, a bar or a slice."""


class PanelBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="panel"):
    """What every panel has. `note` is a muted word on what it covers; `empty` is shown, with the line of code
    that fills it, when there is nothing."""

    title: str = ""
    note: str = ""
    href: str = ""
    empty: str = ""
    error: str = ""


class Stat(PanelBase, frozen=True, kw_only=True, tag="stat"):
    """One figure with its last 15 minutes. `value` None shows a dash."""

    value: float | int | None
    unit: Unit = "number"
    detail: str = ""
    state: State = ""
    spark: tuple[float | None, ...] = ()
    tone: Tone = "main"


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """One level: `value` of `maximum` drawn, `text` (or the value in its unit) said."""

    name: str
    value: float | None
    maximum: float
    unit: Unit = "number"
    text: str = ""
    state: State = "ok"
    href: str = ""


class Gauge(PanelBase, frozen=True, kw_only=True, tag="gauge"):
    """Levels against their limits."""

    meters: tuple[Meter, ...]


class StatusItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing and how it is."""

    name: str
    state: State
    text: str = ""
    kind: str = ""
    href: str = ""


class Status(PanelBase, frozen=True, kw_only=True, tag="status"):
    """Things and how they are."""

    items: tuple[StatusItem, ...]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column. `sort` False keeps its header from being a sort link; `wide` lets it take the room left."""

    name: str
    title: str = ""
    unit: Unit = "text"
    sort: bool = True
    wide: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row: one value per column, None a dash. `key` is unique in the table and stays the same between updates;
    `state` marks the row; `href` is where it leads; `detail` is said under or beside it."""

    key: str
    values: tuple[Any, ...]
    state: State = ""
    href: str = ""
    detail: str = ""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """A field to filter by: free text when it has no `choices` (value, label)."""

    name: str
    title: str
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()


class Table(PanelBase, frozen=True, kw_only=True, tag="table"):
    """Rows in a fixed order. `sortable` tables take `sort=column` or `sort=-column` of the View; `sorted` says what
    is applied.
    `more` counts the rows left out; `filters` are the View's filter fields this table understands."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = ()
    sortable: bool = False
    sorted: str = ""
    more: int = 0
    filters: tuple[Filter, ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart; None is a gap."""

    name: str
    values: tuple[float | None, ...]
    tone: Tone = "main"
    unit: Unit | Literal[""] = ""
    fill: bool = False


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """A moment worth a vertical line."""

    at: float
    text: str


class TimeSeries(PanelBase, frozen=True, kw_only=True, tag="timeseries"):
    """Lines over one time axis: value i is at `start + i * step` (Unix seconds), all lines of one length.

    A line with a `unit` of its own goes on a second axis. `select` names the page that lists what happened in a
    chosen span (it gets `from` and `to`)."""

    start: float
    step: float
    lines: tuple[Line, ...]
    unit: Unit = "number"
    markers: tuple[Marker, ...] = ()
    select: str = ""
    limit: float | None = None


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar or slice."""

    name: str
    value: float
    tone: Tone = "main"
    detail: str = ""
    href: str = ""


class Bars(PanelBase, frozen=True, kw_only=True, tag="bars"):
    """Named amounts, the largest first unless the order means something."""

    bars: tuple[Bar, ...]
    unit: Unit = "integer"


class Donut(PanelBase, frozen=True, kw_only=True, tag="donut"):
    """Parts of a whole; `text` stands in the middle."""

    slices: tuple[Bar, ...]
    unit: Unit = "integer"
    text: str = ""


class FeedItem(msgspec.Struct, frozen=True, kw_only=True):
    """One event: when (Unix seconds), what, and its fields said in a line."""

    key: str
    at: float
    type: str
    text: str = ""
    state: State = ""
    href: str = ""


class Feed(PanelBase, frozen=True, kw_only=True, tag="feed"):
    """Events, the newest first."""

    items: tuple[FeedItem, ...]


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One log line."""

    key: str
    at: float
    level: str
    logger: str
    message: str
    source: str = ""
    correlation_id: str = ""
    instance: str = ""


class Log(PanelBase, frozen=True, kw_only=True, tag="log"):
    """Log lines, the newest last."""

    lines: tuple[LogLine, ...]
    dropped: int = 0
    filters: tuple[Filter, ...] = ()


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of a waterfall: offset and length in seconds."""

    name: str
    start: float
    duration: float
    state: State = ""
    detail: str = ""
    depth: int = 0


class Waterfall(PanelBase, frozen=True, kw_only=True, tag="waterfall"):
    """What happened inside one request, on its own time axis of `duration` seconds."""

    spans: tuple[Span, ...]
    duration: float


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A name and its value, for lists of properties."""

    name: str
    value: Any
    unit: Unit = "text"
    state: State = ""
    href: str = ""


class Text(PanelBase, frozen=True, kw_only=True, tag="text"):
    """Prose, properties or preformatted text; any of the three."""

    text: str = ""
    facts: tuple[Fact, ...] = ()
    code: str = ""


class Phrase(msgspec.Struct, frozen=True):
    """A piece of a sentence, perhaps a link, perhaps strong."""

    text: str
    href: str = ""
    strong: bool = False


class Verdict(PanelBase, frozen=True, kw_only=True, tag="verdict"):
    """The state of the service in one plain sentence, and where to look (`href`, `link`)."""

    state: State
    phrases: tuple[Phrase, ...]
    link: str = ""

    @property
    def sentence(self) -> str:
        """The sentence as plain text."""
        return "".join(phrase.text for phrase in self.phrases)


class ActionButton(msgspec.Struct, frozen=True, kw_only=True):
    """A button that posts to `action` (relative), after `confirm` was answered; `disabled` says why it cannot."""

    title: str
    action: str
    confirm: str = ""
    disabled: str = ""


class Actions(PanelBase, frozen=True, kw_only=True, tag="actions"):
    """What an operator can do here."""

    buttons: tuple[ActionButton, ...]


class Section(PanelBase, frozen=True, kw_only=True, tag="section"):
    """A heading over the panels that follow it."""


Panel = (
    Stat
    | Gauge
    | Status
    | Table
    | TimeSeries
    | Bars
    | Donut
    | Feed
    | Log
    | Waterfall
    | Text
    | Verdict
    | Actions
    | Section
)
"""Any panel."""

RANGES: Final[Mapping[str, int]] = {"15m": 900, "1h": 3_600, "24h": 86_400, "7d": 604_800}
"""Ranges by name, in seconds."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer chose; it lives in the URL and equal views render alike.

    `scope` is "all" or an instance id; `start` and `end` (Unix seconds) are set instead of `range` by a zoom or a
    custom
    range; `sort` is a column, with "-" in front for descending; `filters` are (name, value) pairs in
    name order; `path` holds path values such as the request id.
    """

    page: str = "overview"
    scope: str = "all"
    range: str = "15m"
    start: float | None = None
    end: float | None = None
    sort: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    path: tuple[tuple[str, str], ...] = ()

    def filter(self, name: str) -> str:
        """The value of a filter, "" when it is not set."""
        return dict(self.filters).get(name, "")


Build = Callable[["Snapshot", View], Panel]
"""What builds a panel; pure, so equal snapshots and views give equal panels."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A panel's place on a page.

    `name` is unique on the page and its fragment's name; `span` of 12 columns and `rows` high on a wide screen; `pace`:
    "fast" panels hold figures (pushed at 4 Hz), "slow" ones tables and charts (1 Hz), "still" ones are not pushed.
    """

    name: str
    build: Build
    span: int = 12
    rows: int = 1
    pace: Literal["fast", "slow", "still"] = "slow"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page: its panels in reading order."""

    name: str
    title: str
    slots: tuple[Slot, ...]


PageFunction = Callable[["Snapshot", View], Page]
"""What a page is."""
