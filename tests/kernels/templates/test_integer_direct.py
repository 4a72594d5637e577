"""Windows over bytes: borders hold the input's zero, groups and subpixels are cut right, every byte is exact."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.kernels.choice import build_kernels, refusals
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.integer_direct import INTEGER_DIRECT, IntegerDirectTile, integer_direct
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.isa import ASIMD, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels.assembly import assembly_of, loops
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.networks import conv
from tests.kernels.numbers import constants_of
from tests.kernels.strategies import axes, convolutions
from tests.kernels.tester import check

CONV = Convolution(2, 20, 35, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1))


def some_cases(isa):
    conv, tile = replace(CONV, types=bytes_of(isa)), IntegerDirectTile
    added = Epilogue("clip", add=True, late=True)
    yield case_of(conv, tile(3, 1, 2), isa, 2)
    yield case_of(replace(conv, stride=(2, 2), epilogue=added), tile(4, 1, 3), isa, 2)
    yield case_of(replace(conv, kernel=(5, 3), dilation=(1, 2), padding=(0, 2, 1, 0)), tile(2, 1, 1), isa)
    yield case_of(replace(conv, channels=24, filters=36, groups=6), tile(3, 1, 2), isa)
    yield case_of(replace(conv, channels=64, filters=96, groups=2), tile(3, 1, 2, 3), isa)
    yield case_of(replace(conv, subpixel=(2, 3)), tile(3, 1, 2), isa, 2)
    square = replace(conv, filters=20, diagonal=True)
    yield case_of(square, tile(3, 1, 2), isa, 2)
    yield case_of(replace(square, channels=40, filters=40, stride=(2, 1), epilogue=added), tile(2, 1, 1), isa)
    yield case_of(replace(square, kernel=(1, 1), padding=(0, 0, 0, 0)), tile(2, 1, 1), isa)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 0)


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    check_emulated([*some_cases(isa_of(target))], target, tmp_path, 0)


@st.composite
def random_cases(draw):
    isa, axis, groups = draw(st.sampled_from(ISAS)), axes((1, 2, 3, 5), (1, 2, 3), (1, 1, 2)), draw(st.integers(1, 3))
    conv = draw(convolutions(st.integers(1, 40), st.integers(1, 40), axis, axis, groups))
    added = conv.epilogue.add
    epilogue = Epilogue(draw(st.sampled_from(["none", "clip"])), add=added, in_place=conv.epilogue.in_place, late=added)
    tile = IntegerDirectTile(draw(st.integers(1, 6)), draw(st.integers(1, 2)), draw(st.integers(1, 4)))
    work = replace(conv, epilogue=epilogue, types=bytes_of(isa))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=25)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


def test_a_border_of_the_inputs_zero_stands_for_nothing():
    """A map of nothing but its zero gives the biases alone, at the border too."""
    work = replace(CONV, types=bytes_of(ASIMD))
    weights, bias, by = constants_of(work)
    x = np.full((2, 20, 9, 11), by.input_zero, np.int8)
    output = INTEGER_DIRECT.oracle(work, (weights, bias, by), [x])
    assert (output == output[:, :, :1, :1]).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kernel": (1, 1), "padding": (0, 0, 0, 0)}, "matrix product"),
        ({"channels": 20, "filters": 20, "groups": 20}, "nothing to sum over"),
        ({"groups": 5, "subpixel": (2, 2)}, "at once"),
        ({"filters": 35, "diagonal": True}, "no square"),
        ({"filters": 20, "kernel": (2, 3), "diagonal": True}, "no square"),
    ],
    ids=str,
)
def test_what_others_compute_is_refused(change, reason):
    assert reason in INTEGER_DIRECT.refusal(replace(CONV, types=bytes_of(ASIMD), **change), ARM)


@pytest.mark.parametrize("board", ["rpi4", "rpi5"])
@pytest.mark.parametrize(("channels", "size", "stride"), [(64, 56, 1), (128, 56, 2)])
def test_few_rows_are_copied_at_once_where_that_costs_next_to_nothing(board, channels, size, stride):
    target = find_target(board)
    conv = Convolution(1, channels, channels, size, size, (3, 3), (stride, stride), (1, 1, 1, 1))
    work, machine = replace(conv, types=bytes_of(isa_of(target))), replace(machine_of(target), threads=1)
    tile = INTEGER_DIRECT.default(work, machine)
    assert tile.rows <= 8
    cheapest = min(INTEGER_DIRECT.cost(work, each, machine) for each in INTEGER_DIRECT.tiles(work, machine))
    assert INTEGER_DIRECT.cost(work, tile, machine) <= 1.002 * cheapest


def test_a_diagonal_of_sixteen_bits_has_a_word_in_the_name_and_is_refused_elsewhere():
    work = replace(CONV, filters=20, diagonal=True, types=bytes_of(ASIMD))
    (kernel,) = build_kernels(work, constants_of(work), IntegerDirectTile(2), ARM)
    assert "_diagonal_" in kernel.name
    assert kernel.constants[-1].dtype == np.int16
    others = refusals(work, ARM)
    assert all("diagonal" in others[name] for name in others if name.startswith("integer_"))
    assert repr(replace(work, diagonal=False)) == repr(work)  # names of other kernels stay as they were


@pytest.mark.parametrize(
    ("board", "stride", "pixels", "products"),
    [("rpi5", 1, 5, 5 * 16), ("rpi5", 2, 4, 4 * 16), ("graviton3", 1, 4, 4 * 8)],
)
def test_pixels_that_several_taps_of_a_row_read_are_loaded_once_and_stay_in_registers(board, stride, pixels, products):
    target = find_target(board)
    isa = isa_of(target)
    work = replace(conv(64, 64, 56, 3, stride, epilogue=Epilogue()), types=bytes_of(isa))
    kernel = integer_direct(work, IntegerDirectTile(pixels), isa, 1, "kernel")
    hot = max((loop.instructions for loop in loops(assembly_of(kernel, target, NAME))), key=multiplied)
    loaded = sum(2 if line.startswith("ldp") else 1 for line in hot if re.match(r"ld[rp]\s+q|ldur\s+q", line))
    weights, seen = 3 * 16, (pixels - 1) * stride + 3
    assert (multiplied(hot), loaded) == (3 * products, weights + seen)
    assert not any("[sp" in line for line in hot)


def multiplied(instructions):
    return sum(line.startswith(("sdot", "smmla")) for line in instructions)
