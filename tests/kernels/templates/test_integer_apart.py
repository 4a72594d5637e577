"""A pair of bytes that comes apart: two kernels, one after the other, with the bytes of the pair."""

import numpy as np

from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.integer_apart import INTEGER_APART
from rdpass.kernels.workload import PointwisePair
from rdpass.targets.isa import SSE
from tests.kernels.case import Case
from tests.kernels.cases import machine_with
from tests.kernels.examples import integer_examples
from tests.kernels.layout import from_blocked, to_blocked
from tests.kernels.numbers import constants_of, inputs_of, written
from tests.kernels.tester import run

HERE = machine_with(SSE, 2)
PAIR = next(work for work in integer_examples(SSE.byte) if isinstance(work, PointwisePair))


def called(kernel, inputs):
    """What ``kernel`` writes."""
    shape = tuple(int(extent) for extent in kernel.function.params[-2].shape)
    return run(Case(kernel.name, kernel.function, HERE.isa, tuple(inputs), shape, np.zeros(1), lambda y: y))[-2]


def test_both_kernels_one_after_the_other_give_the_bytes_of_the_oracle():
    constants, inputs = constants_of(PAIR), inputs_of(PAIR, written(PAIR))
    first, second = build_kernels(PAIR, constants, next(INTEGER_APART.tiles(PAIR, HERE)), HERE)
    x, other = (to_blocked(each, 16) for each in inputs)
    middle = called(first, [x, *first.constants])
    got = called(second, [middle, *second.constants, other])
    _, channels, height, width = written(PAIR)
    assert np.array_equal(from_blocked(got, channels, height, width), INTEGER_APART.oracle(PAIR, constants, inputs))


def test_it_is_never_a_default_and_any_tiles_of_the_halves_may_be_its():
    assert INTEGER_APART.default(PAIR, HERE) is None
    tile = next(INTEGER_APART.tiles(PAIR, HERE))
    assert tile.halves == (tile.first, tile.second)
    assert INTEGER_APART.has(PAIR, tile, HERE)
