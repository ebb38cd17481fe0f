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


class OwnPages(Mapping[str, PageSpec]):
    """The built-in pages, each with the panels the application put on it, and then its own pages.

    Both are asked at each look, so that later declarations appear.
    """

    def __init__(
        self,
        builtin: Mapping[str, PageSpec],
        own: Mapping[str, PageSpec],
        slots: Callable[[str], Sequence[Slot]],
    ) -> None:
        self._builtin = {name: _extended(spec, slots) for name, spec in builtin.items()}
        self._own = own

    def __getitem__(self, name: str) -> PageSpec:
        return self._builtin.get(name) or self._own[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._builtin, *tuple(self._own)))

    def __len__(self) -> int:
        return len(self._builtin) + len(self._own)


class OwnPanels(Mapping[str, Slot]):
    """The built-in panels and the application's own, those of its pages included, by name."""

    def __init__(
        self, builtin: Mapping[str, Slot], own: Mapping[str, Slot], of_pages: Callable[[str], Slot | None]
    ) -> None:
        self._builtin = builtin
        self._own = own
        self._of_pages = of_pages

    def __getitem__(self, name: str) -> Slot:
        slot = self._builtin.get(name) or self._own.get(name) or self._of_pages(name)
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
        page, own = build(snapshot, view), slots(spec.name)
        return msgspec.structs.replace(page, slots=(*page.slots, HEADING, *own)) if own else page

    return msgspec.structs.replace(spec, build=extended)
