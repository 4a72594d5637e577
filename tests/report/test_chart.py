"""Charts of a training: round ticks."""

import pytest

from rdpass.report.chart import ticks


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
