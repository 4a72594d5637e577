"""What a kernel is timed with: an array for every parameter, nothing to read that nobody wrote, the same every time."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT16, NumericTypes
from rdpass.kernels.choice import build_kernels, rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Elementwise, Epilogue, Head, PointwisePair, Pooling, Stem
from rdpass.targets.lookup import find_target
from rdpass.tuning.cost_model import predict_ratios
from rdpass.tuning.job import Step
from rdpass.tuning.libraries import step_of
from rdpass.tuning.worker import arguments_of

MACHINE = machine_of(find_target("rpi4"))
ADDED, IN_PLACE = Epilogue("relu", add=True), Epilogue("relu", add=True, in_place=True)


def conv(channels=8, filters=8, kernel=1, epilogue=ADDED):
    return Convolution(1, channels, filters, 6, 6, (kernel, kernel), padding=(kernel // 2,) * 4, epilogue=epilogue)


def numbers(*shape):
    return np.ones(shape, np.float32)


def layer(work):
    return numbers(work.filters, work.channels // work.groups, *work.kernel), [numbers(work.filters)]


PAIR = PointwisePair(conv(8, 24, epilogue=Epilogue("relu")), conv(24, 8))
CASES = {
    "added": (conv(), layer(conv()), 1),
    "in place": (conv(epilogue=IN_PLACE), layer(conv()), 1),
    "3x3": (conv(kernel=3), layer(conv(kernel=3)), 1),
    "pair": (PAIR, tuple(zip(*map(layer, (PAIR.first, PAIR.second)), strict=True)), 1),
    "stem": (Stem(conv(3, 8, 3, Epilogue())), layer(conv(3, 8, 3)), 1),
    "pooling": (Pooling(1, 8, 6, 6, "max", (2, 2), (2, 2), (0, 0, 0, 0)), (), 1),
    "head": (Head(1, 8, 36, 5), ((numbers(5, 8), numbers(5)),), 1),
    "gate": (Elementwise(1, 8, 36, Epilogue("relu"), "gate"), ([numbers(8)],), 2),
    "gate and add": (Elementwise(1, 8, 36, ADDED, "gate"), ([numbers(8)],), 2),
    "constant": (Elementwise(1, 8, 36, IN_PLACE, "constant"), ([numbers(8), numbers(8)],), 1),
}


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


def test_the_cost_model_knows_the_tiles_of_every_workload():
    for work, _, _ in CASES.values():
        ranked = rank_tiles(work, MACHINE)
        assert len(predict_ratios([(one, 1.0 + index) for index, one in enumerate(ranked[:4])], ranked)) == len(ranked)
