"""What a kernel is timed with, an array for every parameter, the same every time; and for how many rounds."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT16, NumericTypes
from rdpass.kernels.choice import build_kernels, rank_tiles
from rdpass.tuning.job import Step
from rdpass.tuning.libraries import step_of
from rdpass.tuning.worker import _is_enough, arguments_of

from .cases import CASES, MACHINE, numbers


@pytest.mark.parametrize(("work", "constants", "inputs"), CASES.values(), ids=CASES.keys())
def test_every_parameter_has_its_array(work, constants, inputs):
    tiles = [ranked.tile for ranked in rank_tiles(work, MACHINE)]
    for tile in (tiles[0], tiles[-1]):
        for kernel in build_kernels(work, constants, tile, MACHINE):
            step = step_of("kernel", kernel)
            arrays, again = arguments_of(step), arguments_of(step)
            assert [array.shape for array in arrays] == list(step.shapes)
            assert step.inputs == inputs
            *read, output, workspace = arrays
            assert all(np.isfinite(array).all() for array in read)
            assert np.isnan(workspace).all()
            assert np.isfinite(output).all() == kernel.epilogue.in_place
            assert all(np.array_equal(one, two, equal_nan=True) for one, two in zip(arrays, again, strict=True))


def test_arrays_are_of_the_steps_types():
    types = NumericTypes(input=FLOAT16, output=FLOAT16)
    step = Step("kernel", ((1, 2), (3,), (1, 2), (1, 2), (4,)), (numbers(3),), adds=True, in_place=False, types=types)
    assert [array.dtype for array in arguments_of(step)] == ["float16", "float32", "float16", "float16", "float32"]


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
