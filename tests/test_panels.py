"""The panel vocabulary: plain data that any face can show."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from fanlight.panels import Panel, PanelBase, Phrase, Stat, Table, Unit, Verdict, View


def test_every_kind_of_panel_is_in_the_union_and_has_a_name_of_its_own() -> None:
    """X-1: a face that handles the union handles every panel there is."""
    kinds = set(get_args(Panel))
    assert kinds == {kind for kind in PanelBase.__subclasses__() if kind.__module__.startswith("fanlight.")}
    assert len({kind.__struct_config__.tag for kind in kinds}) == len(kinds)


def test_panels_cross_a_process() -> None:
    """X-1: a panel encodes to JSON with its kind, and decodes to an equal panel."""
    stat = Stat(title="Requests", value=3, unit="rate", spark=(1.0, None))
    encoded = msgspec.json.encode(stat)
    assert b'"panel":"stat"' in encoded
    assert msgspec.json.decode(encoded, type=Stat | Table) == stat


def test_panels_and_views_are_frozen_and_equal_by_content() -> None:
    """Design: equal snapshots and views give equal panels, so that unchanged ones are not pushed."""
    assert Stat(value=1) == Stat(value=1) != Stat(value=2)
    with pytest.raises(AttributeError):
        Stat(value=1).value = 2  # type: ignore[misc]  # the point of the test
    assert hash(View(filters=(("q", "a"),))) == hash(View(filters=(("q", "a"),)))


def test_a_filter_that_is_not_set_is_empty() -> None:
    """Design: a view answers for every filter."""
    view = View(filters=(("q", "a"),))
    assert (view.filter("q"), view.filter("status")) == ("a", "")


def test_a_verdict_reads_as_one_sentence() -> None:
    """Issue 2, item 5: phrases, links and all, are one text."""
    assert Verdict(state="ok", phrases=(Phrase("Fine.", strong=True), Phrase(" Go on."))).sentence == "Fine. Go on."


def test_units_are_named_once() -> None:
    """X-1: the vocabulary has no doubles."""
    assert len(set(get_args(Unit))) == len(get_args(Unit))
