"""Charts of a training: round ticks."""

from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rdpass.report.chart import COLOURS, MOST_TICKS, Chart, ticks
from rdpass.report.series import Figure, Series


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.31, 0.34, [0.31, 0.32, 0.33, 0.34]),
        (-3, 117, [-50, 0, 50, 100, 150]),
    ],
)
def test_ticks_are_round_and_enclose_what_they_are_for(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_hold_everything_between_them_and_are_few(low, span):
    high = low + span
    assume(high - low > 1e-9 * max(abs(low), abs(high)))
    found = ticks(low, high)
    step = found[1] - found[0]
    assert found[0] <= low + 1e-6 * step
    assert found[-1] >= high - 1e-6 * step
    assert 2 <= len(found) <= MOST_TICKS + 2


def drawn(*series):
    return ElementTree.fromstring(Chart(Figure("Loss", " %", series)).draw())


def test_a_curve_is_a_path_and_a_single_point_a_dot():
    root = drawn(Series("a", ((1.0, 2.0), (2.0, 4.0), (3.0, 3.0))), Series("b", ((2.0, 1.0),)))
    (path,) = root.iter("path")
    assert path.get("d").count("L") == 2
    assert len(list(root.iter("circle"))) == 1
    titles = [title.text for title in root.iter("title")]
    assert titles == ["Loss", "a: 3 % at step 3", "b: 1 % at step 2"]


def test_higher_values_lie_higher_and_later_ones_further_right():
    (path,) = drawn(Series("a", ((1.0, 2.0), (2.0, 4.0)))).iter("path")
    (x0, y0), (x1, y1) = (map(float, place.split()) for place in path.get("d")[1:].split("L"))
    assert x1 > x0
    assert y1 < y0


def test_a_curve_without_any_change_and_names_that_are_markup_are_drawn():
    root = drawn(Series("<a> & 'b'\x07", ((1.0, 0.0), (2.0, 0.0))), Series("b", ((1.0, 0.0), (2.0, 0.0))))
    assert ["".join(entry.itertext()) for entry in root.iter("li")] == ["<a> & 'b'?", "b"]


def test_of_many_curves_no_two_look_alike_and_each_has_its_entry_in_the_legend():
    root = drawn(*(Series(str(i), ((1.0, i), (2.0, i + 1.0))) for i in range(2 * len(COLOURS))))
    looks = [(path.get("stroke"), path.get("stroke-dasharray")) for path in root.iter("path")]
    assert len(set(looks)) == 2 * len(COLOURS)
    samples = [next(entry.iter("line")) for entry in root.iter("li")]
    assert [(sample.get("stroke"), sample.get("stroke-dasharray")) for sample in samples] == looks


def test_a_line_for_reference_is_dashed():
    root = drawn(Series("student", ((1.0, 1.0), (2.0, 2.0))), Series("teacher", ((1.0, 3.0), (2.0, 3.0)), 0.0, True))
    assert [path.get("stroke-dasharray") for path in root.iter("path")] == [None, "5 3"]


def test_a_dot_has_a_bar_of_its_error_and_says_what_lies_across():
    cloud = Figure("Top-1", " %", (Series("a", ((30.0, 90.0),), 2.0), Series("b", ((10.0, 80.0),))), "milliseconds")
    root = ElementTree.fromstring(Chart(cloud).draw())
    assert [title.text for title in root.iter("title")][1:] == [
        "a: 90 % at 30 milliseconds",
        "b: 80 % at 10 milliseconds",
    ]
    assert any(text.text == "milliseconds" for text in root.iter("text"))
    dot = next(root.iter("circle"))
    bars = [line for line in root.iter("line") if line.get("x1") == line.get("x2") == dot.get("cx")]
    assert len(bars) == 1
    ends = [float(bars[0].get(end)) for end in ("y1", "y2")]
    assert sum(ends) / 2 == pytest.approx(float(dot.get("cy")), abs=0.1)
