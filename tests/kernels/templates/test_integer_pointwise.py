"""1x1 windows of bytes: exact by every way to multiply them, whatever is added, cut off or left as float32."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.integer_tile import short_of
from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.quantization import Short
from rdpass.kernels.templates.integer_pointwise import INTEGER_POINTWISE, IntegerPointwiseTile
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import ASIMD, AVX2, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels import cases
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.numbers import constants_of
from tests.kernels.strategies import axes, convolutions
from tests.kernels.tester import check

ADDED = Epilogue("clip", add=True, late=True)


def some_cases(isa):
    conv = Convolution(2, 40, 50, 7, 9, (1, 1), types=bytes_of(isa))
    tile = IntegerPointwiseTile
    yield case_of(replace(conv, epilogue=Epilogue("clip")), tile(4, 1, 20), isa, 2)
    yield case_of(replace(conv, epilogue=ADDED), tile(3, 1, 56), isa, 2)
    in_place = replace(ADDED, activation="none", in_place=True)
    yield case_of(replace(conv, epilogue=in_place, stride=(2, 2)), tile(3, 1, 56, 2), isa)
    yield case_of(replace(conv, types=replace(conv.types, output=FLOAT32)), tile(5, 1, 56), isa, 2)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 1e-6)


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    check_emulated([*some_cases(isa_of(target))], target, tmp_path, 1e-6)


@pytest.mark.parametrize("name", ["rpi5", "graviton3"])
def test_large_sums_are_right_on_an_emulated_core_that_takes_short_ones_faster(name, tmp_path, monkeypatch):
    """Sums of which float32 does not hold every one, and which become values below 2^15, or up to that and above."""
    target = emulated(name)
    isa = isa_of(target)
    work = Convolution(1, 40, 50, 7, 9, (1, 1), types=bytes_of(isa))
    weights, bias, by = constants_of(work)
    several, shorts = [], []
    for most in (9e-4, 1e-3):
        large, wide = bias + 2**25 + 1, replace(by, factors=np.linspace(4e-6, most, 50, dtype=np.float32))
        monkeypatch.setattr(cases, "constants_of", lambda *_, of=(weights, large, wide): of)
        several.append(case_of(work, IntegerPointwiseTile(4, 1, 20), isa))
        shorts.append(short_of(isa, (weights, large, wide), work.types.input))
    assert shorts == [Short.VALUES, Short.NOTHING]
    check_emulated(several, target, tmp_path, 0)


@st.composite
def random_cases(draw):
    isa, axis = draw(st.sampled_from(ISAS)), axes((1,), (1, 2))
    conv = draw(convolutions(st.integers(1, 70), st.integers(1, 70), axis, axis))
    added = conv.epilogue.add
    epilogue = Epilogue(draw(st.sampled_from(["none", "clip"])), add=added, in_place=conv.epilogue.in_place, late=added)
    tile = IntegerPointwiseTile(draw(st.integers(1, 8)), draw(st.integers(1, 2)), draw(st.integers(1, 60)))
    work = replace(conv, epilogue=epilogue, types=bytes_of(isa))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=25)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


def test_what_is_no_matrix_product_is_refused():
    conv = Convolution(1, 20, 26, 7, 6, (1, 1), types=bytes_of(ASIMD))
    assert "not a 1x1 window" in INTEGER_POINTWISE.refusal(replace(conv, kernel=(3, 3)), ARM)
    assert INTEGER_POINTWISE.refusal(conv, ARM) is None
    assert "nothing that multiplies" in INTEGER_POINTWISE.refusal(replace(conv, types=bytes_of(AVX2)), ARM)


@pytest.mark.parametrize(("name", "instruction"), [("rpi4", "asimd"), ("rpi5", "asimddp"), ("graviton3", "i8mm")])
def test_a_kernel_says_what_it_multiplies_with_and_keeps_weights_as_bytes(name, instruction):
    machine = machine_of(find_target(name))
    work = Convolution(1, 64, 64, 14, 14, (1, 1), types=bytes_of(machine.isa))
    (kernel,) = build_kernels(work, constants_of(work), choose_default(work, machine), machine)
    kind = "pointwise" if name == "rpi4" else "pointwise_short"
    assert kernel.name.startswith(f"s8_{kind}_64_64_14x14")
    assert kernel.features[-1] == instruction
    assert kernel.constants[0].nbytes == 64 * 64
