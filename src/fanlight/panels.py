"""The panel, page and view vocabulary: what every face can show, as data.

A page is a function `(Snapshot, View) -> Page`; a page holds slots; a slot builds one panel when a face wants it.
Panels hold
raw values in base units (seconds, bytes, fractions of 1, Unix seconds) and say by `unit` what they are; the faces
format
them, all with `fanlight.formats`. No panel holds markup, and every text is shown as text.

Links are relative to the dashboard's root and have no leading slash: "requests?status=error".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fanlight.core.table import Column as Column
from fanlight.core.table import Filter as Filter
from fanlight.core.table import PanelBase as PanelBase
from fanlight.core.table import Row as Row
from fanlight.core.table import State as State
from fanlight.core.table import Table as Table
from fanlight.core.table import Unit as Unit
from fanlight.core.view import RANGES as RANGES
from fanlight.core.view import View as View

if TYPE_CHECKING:
    from fanlight.core.snapshot import Snapshot

Tone = Literal["main", "second", "ok", "warn", "error", "muted"]
"""The colour role of a line, a bar or a slice."""


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


FieldKind = Literal["text", "integer", "number", "boolean", "choice"]
"""What can be put into a field."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A value an action asks for; `choices` are those of a "choice"."""

    name: str
    title: str
    kind: FieldKind = "text"
    required: bool = True
    default: Any = None
    choices: tuple[str, ...] = ()


class ActionButton(msgspec.Struct, frozen=True, kw_only=True):
    """A button that posts `fields` to `action` (relative), after `confirm` was answered, for those of at least `role`.

    `note` says what became of it last, `state` how that was; `disabled` says why it cannot be pressed."""

    title: str
    action: str
    confirm: str = ""
    disabled: str = ""
    fields: tuple[Field, ...] = ()
    role: str = "operator"
    note: str = ""
    state: State = ""


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
