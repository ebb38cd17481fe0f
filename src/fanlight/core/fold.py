"""Fold: facts into a frame's cells, counters and kept records, on the pulse's thread.

Requests that fold alike (same method, route, status) are collected in batches of one tick, because a service has few
routes and many requests: the label, the threshold and the cell are looked up once for all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from fanlight.core import metrics, records
from fanlight.core.budgets import Budgets
from fanlight.core.calls import CallFold
from fanlight.core.cell import Cell, Report, increase, record_pieces
from fanlight.core.facts import CALL, COUNT, EVENT, LOG, REQUEST, SOCKET, STREAM, Fact, broken_as
from fanlight.core.frame import KEPT_LIMITS, OTHER, Frame, Key
from fanlight.core.model_calls import ModelAmounts

AUDIT: Final = "audit"
"""The type of the events that say who was refused and who changed something."""

START: Final = "start"
"""The type of the event that says an instance started."""

COUNTER_LIMIT: Final = 1_000
"""Distinct counter names besides Fanlight's own; what comes after them counts under the `other` of its group."""

AMOUNT_LIMIT: Final = 2**53
"""A counter goes up by less than this at once: what JSON can say exactly."""

CLOSE_CODE_LIMIT: Final = 64
"""Distinct WebSocket close codes (clients choose them); what comes after them counts as the outcome `other`."""

COUNTER_GROUPS: Final = (*metrics.COUNTER_GROUPS, "cache.hits.", "cache.misses.", "cache.evictions.")
"""Beginnings of counter names whose ends the application chooses."""

COUNTED_FAMILIES: Final = ("requests", "streams", "sockets", "calls")
"""Families in which each fact counts once; the others say more of the same facts."""

BATCH_LIMIT: Final = 1_024
"""Kinds of requests one tick remembers the batches of; of others each looks for its own."""

_EVENT_KINDS: Final = {AUDIT: "audit", START: "starts"}

_PIECE: Final = 64  # requests put to those alike between two breaths, 0.5 µs each

_ALIKE: Final = slice(5, 10)  # method, route, root_path, status, flags
_PATH: Final = 10
_CORRELATION: Final = 11
_ERROR: Final = 12


class Batch:
    """Requests of one tick that fold alike, but for their amounts."""

    __slots__ = ("amounts", "apart_ns", "cell", "failed", "gathers", "outcome", "slow_ns")

    def __init__(self, cell: Cell, outcome: str, failed: bool, slow_ns: int) -> None:
        self.gathers = False  # amounts, which its tick records at its end
        self.cell = cell
        self.outcome = outcome
        self.failed = failed
        self.slow_ns = slow_ns
        self.apart_ns = 0 if failed else slow_ns  # from here on they are looked at one by one
        self.amounts: list[int] = []


class Kept(dict[str, deque[Fact]]):
    """Facts to keep, by kind, the newest few of each."""

    def __missing__(self, kind: str) -> deque[Fact]:
        made = self[kind] = deque(maxlen=KEPT_LIMITS[kind])
        return made


class Tick:
    """What one take collects."""

    __slots__ = ("batches", "by_series", "calls", "ended", "frame", "kept", "models", "offset_ns", "remembered")

    def __init__(self, frame: Frame, offset_ns: int) -> None:
        self.frame = frame
        self.offset_ns = offset_ns  # wall time = monotonic + offset
        self.kept = Kept()
        self.remembered = 0
        self.calls: dict[tuple[str, str, str], list[int]] = {}  # durations of plain successes, see CallFold
        self.models: dict[tuple[str, str], ModelAmounts] = {}
        self.ended: list[str] = []  # correlation IDs of what ended while calls wait for it
        self.batches: dict[tuple[Any, ...], Any] = {}  # Batch by what is alike; or {path: Batch} where paths decide
        self.by_series: dict[tuple[Key, int], Batch] = {}  # the same, by series and status

    def find(self, fact: Fact) -> Batch | None:
        """The batch of requests like this one."""
        try:
            found = self.batches.get(fact[_ALIKE])
        except TypeError:  # an endpoint without a hash
            return None
        batch: Batch | None = found.get(fact[_PATH]) if isinstance(found, dict) else found
        return batch

    def remember(self, fact: Fact, batch: Batch, by_path: bool) -> None:
        """Let later requests like this one find the batch; raises TypeError for an endpoint without a hash."""
        if self.remembered >= BATCH_LIMIT:
            return
        if by_path:
            self.batches.setdefault(fact[_ALIKE], {})[fact[_PATH]] = batch
        else:
            self.batches[fact[_ALIKE]] = batch
        self.remembered += 1


class Fold:
    """Folds for one recorder; remembers which series, counters and codes it has admitted. For one thread.

    `describe` gives a route's template; `by_path` says whether that depends on the path, or on the route alone.
    `failed` is told of a fact that cannot be folded.
    """

    def __init__(
        self,
        failed: Report,
        slow_ns: int,
        very_slow_ns: int,
        slow_routes_ns: Mapping[str, int],
        max_series: int,
        budgets: Budgets,
    ) -> None:
        self.describe: Callable[[Any, str, str], str] = _describe_plainly
        self.by_path: Callable[[Any], bool] = _is_described
        self._failed = failed
        self._slow_ns = slow_ns
        self._very_slow_ns = very_slow_ns
        self._slow_routes_ns = slow_routes_ns
        self._max_series = max_series
        self._keys: dict[str, dict[Key, Key]] = {}
        self._counters: set[str] = set()
        self._close_codes: set[str] = set()
        self.budgets = budgets
        self._calls = CallFold(self._cell, failed, slow_ns, very_slow_ns, budgets)
        self._kinds: Mapping[int, Callable[[Fact, Tick], None]] = {
            REQUEST: self._request,
            LOG: self._log,
            SOCKET: self._socket,
            EVENT: self._event,
            COUNT: self._counted,
            CALL: self._calls.fold,
        }

    def forget(self) -> None:
        """Admit anew; for the child of a fork."""
        self._keys.clear()
        self._counters.clear()
        self._close_codes.clear()
        self._calls.forget()

    def drain(self, facts: deque[Fact], tick: Tick, breathe: Callable[[], None]) -> tuple[int, int]:
        """Fold what waits now; how many that were, and the highest sequence number among them."""
        batches, kinds, popleft = tick.batches, self._kinds, facts.popleft
        keep_recent, ended, waiting = tick.kept["recent"].append, tick.ended.append, self._calls.waiting
        folded = highest = 0
        for left in range(len(facts), 0, -_PIECE):
            breathe()
            for _ in range(min(left, _PIECE)):
                try:
                    fact = popleft()
                except IndexError:  # the bound dropped some from under us
                    break
                folded += 1
                try:
                    if fact[1] > highest:
                        highest = fact[1]
                    try:
                        batch = batches.get(fact[_ALIKE]) if fact[0] == REQUEST else None
                        if type(batch) is dict:
                            batch = batch.get(fact[_PATH])
                    except TypeError:  # an endpoint without a hash
                        batch = None
                    if batch is None or fact[3] >= batch.apart_ns or fact[_ERROR] is not None:
                        kinds[fact[0]](fact, tick)
                        breathe()
                    else:
                        batch.amounts.append(fact[3])
                        keep_recent(fact)
                        if waiting:
                            ended(fact[_CORRELATION])
                except Exception as error:
                    self._failed("fold", error)
        for batch in tick.by_series.values():
            record_pieces(batch.cell, batch.amounts, batch.outcome, batch.failed, breathe, self._failed)
            batch.amounts = []
        self._calls.settle(tick, breathe)
        if not tick.kept["recent"]:
            del tick.kept["recent"]
        return folded, highest

    def template(self, route: Any, root_path: str, path: str) -> str:
        """The label of a route, as text that every face can carry."""
        template = self.describe(route, root_path, path)
        plain = type(template) is str and template.isascii()
        return template if plain else records.text(template, records.PATH_LIMIT)

    def _cell(self, family: str, key: Key, frame: Frame, unit: float = 1e-9) -> Cell:
        cells = frame.series.get(family)
        if cells is None:
            cells = frame.series[family] = {}
        cell = cells.get(key)
        if cell is None:
            key = self._admit(family, key, frame)
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = Cell(unit)
        return cell

    def _admit(self, family: str, key: Key, frame: Frame) -> Key:
        known = self._keys.setdefault(family, {})
        admitted = known.get(key)
        if admitted is not None:
            return admitted
        key = tuple(records.text(part, records.PATH_LIMIT) for part in key)
        if key in known or len(known) < self._max_series:
            return known.setdefault(key, key)
        if family in COUNTED_FAMILIES:
            increase(frame.counters, "fanlight.dropped.series", 1)
        return (OTHER,) * len(key)

    def _request(self, fact: Fact, tick: Tick) -> None:
        if fact[9] & STREAM:
            self._stream(fact, tick)
            return
        batch = tick.find(fact) or self._batch(fact, tick)
        error, amount = fact[_ERROR], fact[3]
        if error is not None and not batch.failed:  # it broke off behind a status that was fine
            batch.cell.record(amount, str(broken_as(fact[9])), True)
        elif batch.gathers:
            batch.amounts.append(amount)
        else:
            batch.cell.record(amount, batch.outcome, batch.failed)
        self._keep(fact, tick, batch.failed or error is not None, amount, batch.slow_ns)

    def _stream(self, fact: Fact, tick: Tick) -> None:
        """A stream is judged by its first byte; its duration is counted apart."""
        template = self.template(fact[6], fact[7], fact[10])
        status, first_byte_ns = records.code_of(fact[8]), fact[4]
        failed = status >= 400 or fact[_ERROR] is not None
        key = (fact[5], template)
        self._cell("stream_durations", key, tick.frame).record(fact[3])
        outcome = str(status if status >= 400 or not failed else broken_as(fact[9]))
        self._cell("streams", key, tick.frame).record(first_byte_ns, outcome, failed)
        self._keep(fact, tick, failed, first_byte_ns, self._slow_routes_ns.get(template, self._slow_ns))

    def _batch(self, fact: Fact, tick: Tick) -> Batch:
        """What the request folds with: that of its series and status."""
        template = self.template(fact[6], fact[7], fact[_PATH])
        status = records.code_of(fact[8])
        key = (fact[5], template)
        batch = tick.by_series.get((key, status))
        if batch is None:
            slow_ns = self._slow_routes_ns.get(template, self._slow_ns)
            cell = self._cell("requests", key, tick.frame)
            batch = Batch(cell, str(status), status >= 400, slow_ns)
            if key not in self._keys["requests"]:  # a series beyond the cap is counted each time
                return batch
            batch.gathers = True
            tick.by_series[key, status] = batch
        with suppress(TypeError):  # an endpoint without a hash
            tick.remember(fact, batch, self.by_path(fact[6]))
        return batch

    def _keep(self, fact: Fact, tick: Tick, failed: bool, amount: int, slow_ns: int) -> None:
        kept = tick.kept
        kept["recent"].append(fact)
        tick.ended.append(fact[_CORRELATION])
        if failed:
            kept["failed"].append(fact)
        if amount >= slow_ns:
            kept["slow"].append(fact)
            increase(tick.frame.counters, "requests.slow", 1)
        if amount >= self._very_slow_ns * max(slow_ns / self._slow_ns, 1.0):  # as Settings.slow_from has it
            increase(tick.frame.counters, "requests.very_slow", 1)

    def _log(self, fact: Fact, tick: Tick) -> None:
        tick.kept["logs"].append(fact)
        self._count(tick.frame, f"log.lines.{records.text(fact[5], records.LABEL_LIMIT).lower()}", 1)

    def _socket(self, fact: Fact, tick: Tick) -> None:
        event, code = fact[3], records.code_of(fact[9])
        if event == "connected":
            increase(tick.frame.counters, "websocket.connects", 1)
            tick.kept["sockets"].append(fact)
            return
        tick.ended.append(fact[12])
        failed = event == "refused" or records.abnormal(code)
        key = ("WS", self.template(fact[4], fact[5], fact[6]))
        self._cell("sockets", key, tick.frame).record(fact[10], self._close_code(str(code)), failed)
        tick.kept["sockets"].append(fact)
        if failed:
            tick.kept["failed"].append(fact)

    def _close_code(self, code: str) -> str:
        known = self._close_codes
        if code not in known:
            if len(known) >= CLOSE_CODE_LIMIT:
                return OTHER
            known.add(code)
        return code

    def _event(self, fact: Fact, tick: Tick) -> None:
        # apart, so that a flood of one pushes out nothing of the others
        tick.kept[_EVENT_KINDS.get(fact[3], "events")].append(fact)
        if fact[3] != START:
            self._count(tick.frame, f"events.{records.text(fact[3], records.LABEL_LIMIT)}", 1)

    def _counted(self, fact: Fact, tick: Tick) -> None:
        self._count(tick.frame, fact[3], fact[4])

    def _count(self, frame: Frame, name: str, amount: int) -> None:
        if not isinstance(amount, int) or not 0 <= amount < AMOUNT_LIMIT:
            raise ValueError(f"a counter went up by {amount!r}; expected a whole number from 0 to {AMOUNT_LIMIT - 1}")
        increase(frame.counters, name if name in self._counters else self._admit_counter(name), amount)

    def _admit_counter(self, name: str) -> str:
        """The name a counter goes by; Fanlight's own are never displaced by the application's."""
        name = records.text(name, 120)
        if name.startswith("fanlight.") or name in metrics.COUNTERS:
            return name
        if name in self._counters or len(self._counters) < COUNTER_LIMIT:
            self._counters.add(name)
            return name
        return next((group for group in COUNTER_GROUPS if name.startswith(group)), "") + OTHER


def _describe_plainly(route: Any, root_path: str, path: str) -> str:
    return route if isinstance(route, str) else "unmatched"


def _is_described(route: Any) -> bool:
    return route is not None and not isinstance(route, str)
