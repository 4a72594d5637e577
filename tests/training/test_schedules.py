"""Schedules: of fading, and of the weight of mixed paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdpass.training.options import PathOptions, StudentOptions
from rdpass.training.schedules import FadeSchedule, mixed_weight


def test_the_schedules_start_and_end_where_they_should():
    paths = PathOptions(floor=0.2, span=0.5)
    assert [mixed_weight(p, paths) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    names = ["a", "b", "c"]
    for shape in ("linear", "cosine"):
        for order in ("together", "output_first", "input_first"):
            schedule = FadeSchedule(dict.fromkeys(names, 0.75), StudentOptions(shape=shape, order=order))
            assert set(schedule.faded(0.0).values()) == {0.0}
            assert set(schedule.faded(0.75).values()) == {1.0}
            passed = [sum(schedule.faded(i / 40).values()) for i in range(41)]
            assert passed == sorted(passed)
    half = FadeSchedule(dict.fromkeys(names, 0.75), StudentOptions(order="output_first")).faded(0.375)
    assert half == pytest.approx({"a": 0.0, "b": 0.5, "c": 1.0})
    each = FadeSchedule({"a": 0.5, "b": 0.75}, StudentOptions())
    assert (each.faded(0.25), each.faded(0.6), each.end) == (
        {"a": 0.5, "b": 1 / 3},
        {"a": 1.0, "b": pytest.approx(0.8)},
        0.75,
    )


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("order", ["together", "output_first", "input_first"])
@given(progress=st.floats(0, 1), fades=st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_nothing_fades_beyond_its_ends_and_all_has_faded_when_the_schedule_says(progress, fades, shape, order):
    schedule = FadeSchedule({str(i): fade for i, fade in enumerate(fades)}, StudentOptions(shape=shape, order=order))
    assert all(0 <= faded <= 1 for faded in schedule.faded(progress).values())
    assert set(schedule.faded(schedule.end).values()) == {1.0}
    assert set(schedule.faded(0.0).values()) == {0.0}


def test_a_shortcut_waits_for_those_before_it():
    schedule = FadeSchedule(dict.fromkeys("abc", 1.0), StudentOptions(order="input_first"))
    assert schedule.faded(0.5) == pytest.approx({"a": 1.0, "b": 0.5, "c": 0.0})


def test_the_mixed_weight_never_falls_below_its_floor():
    for floor, span in ((0.0, 0.3), (0.5, 1.0), (1.0, 0.5)):
        weights = [mixed_weight(i / 50, PathOptions(floor=floor, span=span)) for i in range(51)]
        assert weights == sorted(weights, reverse=True)
        assert weights[0] == 1.0
        assert weights[-1] == pytest.approx(floor)
