"""Planar maps of float32 and blocked bytes: every number is ONNX's, whatever channels and pixels there are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32, INT8, INT32, UINT8, NumericTypes
from rdpass.kernels.templates.dequantization import DEQUANTIZATION, DequantizationTile
from rdpass.kernels.workload import Dequantization
from rdpass.targets.isa import ASIMD, isa_of
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, emulated
from tests.kernels.tester import check

SHAPES = ((2, 3, 35), (1, 40, 16), (1, 16, 50), (2, 21, 5), (1, 1, 1))


def work_of(isa, shape):
    return Dequantization(*shape, NumericTypes(isa.byte, INT8, INT32, FLOAT32))


@pytest.mark.parametrize("isa", ISAS[1:], ids=lambda isa: isa.name)
def test_every_number_is_right_on_this_machine(isa):
    for shape in SHAPES:
        check(case_of(work_of(isa, shape), DequantizationTile(), isa, 2), 0)


@pytest.mark.parametrize("name", ["rpi4", "rpi5"])
def test_every_number_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    isa = isa_of(target)
    check_emulated([case_of(work_of(isa, s), DequantizationTile(), isa, 2) for s in SHAPES], target, tmp_path, 0)


@settings(max_examples=15)
@given(st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 60)), st.sampled_from(ISAS[1:]))
def test_random_shapes_are_exact(shape, isa):
    check(case_of(work_of(isa, shape), DequantizationTile(), isa, 2), 0)


def test_bytes_that_the_core_does_not_multiply_are_refused():
    work = Dequantization(1, 3, 5, NumericTypes(UINT8, INT8, INT32, FLOAT32))
    assert "nothing that multiplies" in DEQUANTIZATION.refusal(work, ARM)
    assert DEQUANTIZATION.refusal(work_of(ASIMD, (1, 3, 5)), ARM) is None
