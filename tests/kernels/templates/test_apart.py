"""A pair that comes apart: two kernels, one after the other, with the oracle of the pair."""

import numpy as np

from rdpass.core.comparison import relative_error
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.function import WORKSPACE
from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.apart import APART
from rdpass.kernels.workload import PointwisePair
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import host_target
from tests.kernels.case import Case
from tests.kernels.cases import machine_with
from tests.kernels.examples import EXAMPLES
from tests.kernels.layout import from_blocked, to_blocked
from tests.kernels.numbers import constants_of, inputs_of, written
from tests.kernels.tester import run
from tests.kernels.tolerances import TOLERANCE

HERE = machine_with(isa_of(host_target()), 2)
PAIR = next(work for work in EXAMPLES if isinstance(work, PointwisePair))


def called(kernel, inputs):
    """What ``kernel`` writes."""
    shape = tuple(int(extent) for extent in kernel.function.params[-2].shape)
    return run(Case(kernel.name, kernel.function, HERE.isa, tuple(inputs), shape, np.zeros(1), lambda y: y))[-2]


def test_both_kernels_one_after_the_other_give_the_values_of_the_oracle():
    constants, inputs = constants_of(PAIR), inputs_of(PAIR, written(PAIR))
    first, second = build_kernels(PAIR, constants, next(APART.tiles(PAIR, HERE)), HERE)
    assert all(int(kernel.function.attrs[WORKSPACE]) > 0 for kernel in (first, second))
    x, other = (to_blocked(each, HERE.isa.block(FLOAT32)) for each in inputs)
    middle = called(first, [x, *first.constants])
    got = called(second, [middle, *second.constants, other])
    _, channels, height, width = written(PAIR)
    expected = APART.oracle(PAIR, constants, inputs)
    assert relative_error(from_blocked(got, channels, height, width), expected) <= TOLERANCE


def test_it_is_never_a_default_and_any_tiles_of_the_halves_may_be_its():
    assert APART.default(PAIR, HERE) is None
    tile = next(APART.tiles(PAIR, HERE))
    assert tile.halves == (tile.first, tile.second)
    assert APART.has(PAIR, tile, HERE)
