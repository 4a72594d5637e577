"""Schedules: of fading, and of the weight of mixed paths."""

import pytest

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
