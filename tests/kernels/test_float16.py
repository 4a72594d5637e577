"""Kernels in float16, on an emulated Cortex-A76, in one program: every template of floats, every kind of its tiles."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT16, NumericTypes
from rdpass.kernels.choice import build_kernels, choose_default, label, rank_tiles, refusals, template_of
from rdpass.kernels.machine import machine_of
from rdpass.kernels.registry import TEMPLATES
from rdpass.kernels.template import FLOATS
from rdpass.kernels.workload import Convolution, Head, PointwisePair
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target
from tests.kernels.cases import case_of, machine_with
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import EXAMPLES, retyped
from tests.kernels.integers import emulated
from tests.kernels.numbers import constants_of

HALF = NumericTypes.all(FLOAT16)
TOLERANCE = 5e-3
"""Of the largest number: each is rounded to 2^-11 of itself, and Winograd's transforms lose two bits more."""
LONG_TOLERANCE, LONG_WINOGRAD = 3e-3, 1e-2
"""Where a thousand products are added and more; one by one they are off by 2.1e-2 and 1.7e-2."""
WORKS = [retyped(work, HALF) for work in EXAMPLES]


def kinds_of(work, machine):
    """For every kind of tile the one that looks best."""
    best = {}
    for ranked in rank_tiles(work, machine):
        if not ranked.tile.halves:
            best.setdefault(label(ranked.tile), ranked.tile)
    return best.values()


def test_every_kernel_gives_the_values_of_its_oracle(tmp_path):
    target = emulated("rpi5")
    machine = machine_with(isa_of(target), 2)
    cases = [[case_of(work, tile, machine.isa, 2) for tile in kinds_of(work, machine)] for work in WORKS]
    check_emulated([*chain(*cases)], target, tmp_path, TOLERANCE)
    halved = {template_of(tile).name for work in WORKS for tile in kinds_of(work, machine)}
    assert {template.name for template in TEMPLATES if template.types is FLOATS} - halved <= {"apart"}


LONG = [
    retyped(work, HALF)
    for work in (
        Convolution(1, 2048, 40, 5, 4, (1, 1)),
        Convolution(1, 500, 24, 6, 7, (3, 3), (1, 1), (1, 1, 1, 1)),
        PointwisePair(Convolution(1, 512, 1024, 5, 4, (1, 1)), Convolution(1, 1024, 24, 5, 4, (1, 1))),
        Head(2, 2048, 1, 40),
        Head(1, 70, 49, 40, averages=False),
    )
]


def test_long_sums_are_nearly_as_right_as_short_ones(tmp_path):
    target = emulated("rpi5")
    machine = machine_with(isa_of(target), 2)
    tiles = [(work, tile) for work in LONG for tile in kinds_of(work, machine)]
    cases = [case_of(work, tile, machine.isa, 2) for work, tile in tiles]
    for (_, tile), error in zip(tiles, check_emulated(cases, target, tmp_path, LONG_WINOGRAD), strict=True):
        assert error <= (LONG_WINOGRAD if "winograd" in label(tile) else LONG_TOLERANCE), tile


def test_the_mean_of_a_large_map_is_right_though_its_sum_is_beyond_float16(tmp_path):
    target = emulated("rpi5")
    work = retyped(Head(1, 10, 112 * 112, 0), HALF)
    case = case_of(work, choose_default(work, machine_with(isa_of(target))), isa_of(target))
    sixes = [np.full_like(array, 6.0) for array in case.inputs]
    check_emulated(
        [replace(case, inputs=tuple(sixes), expected=np.full(case.expected.shape, 6.0))], target, tmp_path, 1e-3
    )


@pytest.mark.parametrize("work", WORKS[:7], ids=lambda work: work.describe())
def test_a_kernel_says_that_it_needs_the_instructions(work):
    machine = machine_of(find_target("rpi5"))
    (kernel,) = build_kernels(work, constants_of(work), choose_default(work, machine), machine)
    assert kernel.name.startswith("f16_")
    assert kernel.features == ("asimd", "asimdhp")
    assert all(constant.itemsize == FLOAT16.bytes for constant in kernel.constants)


def test_a_core_without_them_refuses_with_the_reason():
    reasons = refusals(WORKS[0], machine_of(find_target("rpi4")))
    assert all("nothing that multiplies f16" in reason or "not for f16" in reason for reason in reasons.values())
