"""Kernels in float16, on an emulated Cortex-A76, in one program: every template of floats, every kind of its tiles."""

from itertools import chain

import pytest

from rdpass.core.numeric_types import FLOAT16, NumericTypes
from rdpass.kernels.choice import build_kernels, choose_default, label, rank_tiles, refusals, template_of
from rdpass.kernels.machine import machine_of
from rdpass.kernels.registry import TEMPLATES
from rdpass.kernels.template import FLOATS
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
