"""How long a tile is timed: the rounds asked for, and more while times still get shorter."""

import numpy as np
import pytest

from rdpass.tuning.worker import _is_enough


def _rounds(*shortest):
    return [np.array([time, 2 * time, 3 * time]) for time in shortest]


@pytest.mark.parametrize(
    ("times", "enough"),
    [
        ((1.0, 1.0), False),
        ((1.0, 1.0, 1.0), True),
        ((1.0, 1.0, 0.98), True),
        ((1.0, 1.0, 0.5), False),
        ((1.0, 1.0, 0.5, 0.5), True),
        ((1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4), False),
        ((1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3), True),
    ],
)
def test_three_rounds_or_more_while_the_last_brought_news(times, enough):
    steady = _rounds(*[1.0] * len(times))
    assert _is_enough([_rounds(*times), steady], 3) == enough
    assert _is_enough([steady, _rounds(*times)], 3) == enough
