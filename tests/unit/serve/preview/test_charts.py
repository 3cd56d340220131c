from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.serve.preview.charts import Bar, Column, bars, columns


def _rects(chart: str, kind: str) -> list[dict[str, float]]:
    found = [node.attrib for node in ET.fromstring(chart).iter("rect") if node.attrib["class"] == kind]
    return [{name: float(node[name]) for name in ("x", "y", "width", "height")} for node in found]


def test_a_chart_says_what_it_is_to_those_who_do_not_see_it() -> None:
    chart = ET.fromstring(bars("rate", "A <title>", "1 & 2", [Bar(label='"<a>"', value=1, text="1 %")]))
    assert chart.attrib["role"] == "img"
    named = {node.attrib["id"]: node.text for node in chart if "id" in node.attrib}
    assert [named[name] for name in chart.attrib["aria-labelledby"].split()] == ["A <title>", "1 & 2"]
    assert [node.text for node in chart.iter("text")] == ['"<a>"', "1 %"]


def test_bars_are_as_long_as_their_values() -> None:
    rows = [Bar(label=str(value), value=value, text="") for value in (10, 5, 0)]
    long, half, none = _rects(bars("a", "", "", rows), "bar")
    assert long["width"] == pytest.approx(2 * half["width"])
    assert 0 < none["width"] < 2


def test_columns_stand_on_each_other() -> None:
    chart = columns("a", "", "", [Column(label="1", parts=(3, 1)), Column(label="2", parts=(0, 4))])
    lower, upper = _rects(chart, "part-1"), _rects(chart, "part-2")
    assert len(lower) == 1, "nothing is drawn of nothing"
    assert lower[0]["height"] == pytest.approx(3 * upper[0]["height"], abs=0.2)
    assert upper[0]["y"] + upper[0]["height"] == pytest.approx(lower[0]["y"], abs=0.2)
    assert upper[1]["y"] == pytest.approx(upper[0]["y"], abs=0.2), "both come to 4"


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=40))
def test_every_column_stays_within_the_picture(parts: list[tuple[int, int]]) -> None:
    chart = columns("a", "", "", [Column(label="day", parts=part) for part in parts])
    *_, width, height = map(float, ET.fromstring(chart).attrib["viewBox"].split())
    for kind in ("part-1", "part-2"):
        for rect in _rects(chart, kind):
            assert -0.1 <= rect["y"] <= rect["y"] + rect["height"] <= height
            assert rect["x"] + rect["width"] <= width


@pytest.mark.parametrize("rows", [[], [Bar(label="a", value=0, text="0")]], ids=["none", "nothing"])
def test_nothing_can_be_drawn(rows: list[Bar]) -> None:
    ET.fromstring(bars("a", "", "", rows))
    ET.fromstring(columns("a", "", "", []))
