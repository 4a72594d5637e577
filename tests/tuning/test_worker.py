"""What a kernel is timed with, an array for every parameter, the same every time; and for how many rounds."""

import numpy as np
import pytest

from rdpass.core.numeric_types import INT8, INT32, UINT8
from rdpass.kernels.choice import build_kernels, rank_tiles
from rdpass.tuning.job import Step
from rdpass.tuning.libraries import step_of
from rdpass.tuning.worker import _is_enough, arguments_of, as_map, error_of

from .cases import BYTES, CASES, MACHINE

EVERY = {**CASES, **BYTES}


@pytest.mark.parametrize(("work", "constants", "inputs"), EVERY.values(), ids=EVERY.keys())
def test_every_parameter_has_its_array_of_its_type(work, constants, inputs):
    tiles = [ranked.tile for ranked in rank_tiles(work, MACHINE)]
    for tile in (tiles[0], tiles[-1]):
        for kernel in build_kernels(work, constants, tile, MACHINE):
            step = step_of("kernel", kernel)
            arrays, again = arguments_of(step), arguments_of(step)
            assert [array.shape for array in arrays] == list(step.shapes)
            assert [array.dtype for array in arrays] == [str(parameter.dtype) for parameter in kernel.function.params]
            assert step.inputs == inputs
            assert all(isinstance(constant, np.ndarray) for constant in step.constants)  # whatever the workload's are
            *read, output, workspace = arrays
            assert not any(is_poison(array) for array in read)
            assert is_poison(workspace)
            assert is_poison(output) != kernel.epilogue.in_place
            assert all(one.tobytes() == two.tobytes() for one, two in zip(arrays, again, strict=True))


def is_poison(array):
    """What nobody is to read: NaN or, of integers, one number throughout that stands for nothing."""
    return bool(np.isnan(array).all() if array.dtype.kind == "f" else (array == 99).all())


def test_bytes_are_all_that_there_are():
    """The ends of the range, where sums overflow first, are among them."""
    step = Step("kernel", ((1, 16, 64, 16), (1, 1, 1, 16), (16,)), (UINT8, INT8, INT32), (), False, False)
    x, _, _ = arguments_of(step)
    assert sorted(set(x.reshape(-1).tolist())) == list(range(256))


def test_a_map_is_read_out_of_blocks_and_of_nothing_else():
    blocked = np.arange(2 * 2 * 6 * 4).reshape(2, 2, 6, 4)
    found = as_map(blocked, (2, 7, 2, 3))
    assert found.shape == (2, 7, 2, 3)
    assert (found[1, 5, 1, 2], found[0, 3, 0, 0]) == (blocked[1, 1, 5, 1], blocked[0, 0, 0, 3])
    assert as_map(np.arange(6).reshape(1, 2, 3), (1, 2, 3, 1)).tolist() == [[[[0], [1], [2]], [[3], [4], [5]]]]
    blocked[:, 1, :, 3] = -1  # no channel
    assert error_of(blocked, found) == 0.0
    assert error_of(blocked + 1, found) > 0.0


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
