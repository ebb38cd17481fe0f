"""The application's own panels and pages among the built-in ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from fanlight.core.snapshot import Snapshot
from fanlight.pages.spec import PageSpec
from fanlight.panels import Page, PageFunction, Section, Slot, View

HEADING: Final = Slot(
    name="of-the-application", build=lambda snapshot, view: Section(title="Of the application"), pace="still"
)
"""What stands over the application's panels on a built-in page."""

_NONE: Final[Mapping[str, PageSpec]] = {}


class OwnPages(Mapping[str, PageSpec]):
    """The built-in pages, each with the panels the application put on it, and then its own pages.

    A page of the application may stand in a built-in one's place (`replaced`). All are asked at each look, so that
    later declarations appear.
    """

    def __init__(
        self,
        builtin: Mapping[str, PageSpec],
        own: Mapping[str, PageSpec],
        slots: Callable[[str], Sequence[Slot]],
        replaced: Mapping[str, PageSpec] = _NONE,
    ) -> None:
        self._builtin = builtin
        self._own = own
        self._slots = slots
        self._replaced = replaced

    def __getitem__(self, name: str) -> PageSpec:
        builtin = self._replaced.get(name) or self._builtin.get(name)
        return _extended(builtin, self._slots) if builtin is not None else self._own[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._builtin, *tuple(self._own)))

    def __len__(self) -> int:
        return len(self._builtin) + len(self._own)


class OwnPanels(Mapping[str, Slot]):
    """The built-in panels and the application's own, those of its pages included, by name.

    `instead` finds those of pages in a built-in one's place, which go first.
    """

    def __init__(
        self,
        builtin: Mapping[str, Slot],
        own: Mapping[str, Slot],
        of_pages: Callable[[str], Slot | None],
        instead: Callable[[str], Slot | None] = lambda name: None,
    ) -> None:
        self._builtin = builtin
        self._own = own
        self._of_pages = of_pages
        self._instead = instead

    def __getitem__(self, name: str) -> Slot:
        slot = self._instead(name) or self._builtin.get(name) or self._own.get(name) or self._of_pages(name)
        if slot is None:
            raise KeyError(name)
        return slot

    def __iter__(self) -> Iterator[str]:
        return iter((*self._builtin, *tuple(self._own)))

    def __len__(self) -> int:
        return len(self._builtin) + len(self._own)


def _extended(spec: PageSpec, slots: Callable[[str], Sequence[Slot]]) -> PageSpec:
    build: PageFunction = spec.build

    def extended(snapshot: Snapshot, view: View) -> Page:
        page = build(snapshot, view)
        there = {slot.name for slot in page.slots}
        own = [slot for slot in slots(spec.name) if slot.name not in there]
        return msgspec.structs.replace(page, slots=(*page.slots, HEADING, *own)) if own else page

    return msgspec.structs.replace(spec, build=extended)
