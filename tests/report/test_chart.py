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
    root = drawn(Series("<a> & 'b'", ((1.0, 0.0), (2.0, 0.0))))
    assert any(text.text == "<a> & 'b'" for text in root.iter("text"))


def test_of_many_curves_no_two_look_alike():
    root = drawn(*(Series(str(i), ((1.0, i), (2.0, i + 1.0))) for i in range(2 * len(COLOURS))))
    looks = {(path.get("stroke"), path.get("stroke-dasharray")) for path in root.iter("path")}
    assert len(looks) == 2 * len(COLOURS)
