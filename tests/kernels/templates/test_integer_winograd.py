"""Winograd of bytes: every sum exact, of the largest numbers too, and chosen where it wins."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.function import WORKSPACE
from rdpass.kernels.choice import choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.quantization import Bounds, Requantization, limits
from rdpass.kernels.templates.integer_direct import IntegerDirectTile
from rdpass.kernels.templates.integer_winograd import INTEGER_WINOGRAD, IntegerWinogradTile, integer_winograd
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.isa import ASIMD, AVX2, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels import cases
from tests.kernels.assembly import assembly_of, loops
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, emulated
from tests.kernels.networks import conv
from tests.kernels.strategies import axes, convolutions
from tests.kernels.tester import check

CONV = Convolution(2, 20, 35, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1))


def some_cases(isa):
    work, tile = replace(CONV, types=bytes_of(isa)), IntegerWinogradTile
    added = Epilogue("clip", add=True, late=True)
    yield case_of(replace(work, epilogue=added), tile(4, 1, 2), isa, 2)
    yield case_of(replace(work, channels=250, epilogue=replace(added, in_place=True)), tile(3, 1, 1), isa)
    yield case_of(replace(work, padding=(0, 2, 1, 0), height=12), tile(2, 1, 3), isa, 2)
    yield case_of(replace(work, types=replace(work.types, output=FLOAT32)), tile(5, 1, 1), isa)


def largest(isa, monkeypatch, sign):
    """The largest sums that there are: they wrap on the way, and come out right."""
    work = replace(CONV, channels=256, types=bytes_of(isa))
    low, high = limits(isa.byte)
    weights = np.full((35, 256, 3, 3), 127 * sign, np.int8)
    weights[::2, ::3] *= -1
    x = np.full((2, 256, 9, 11), low if low else high, isa.byte.value)
    factors = np.full(35, 100 / (9 * 256 * 127 * 255), np.float32)
    by = Requantization(low, factors, Bounds((low + high) // 2, low, high))
    monkeypatch.setattr(cases, "constants_of", lambda *_: (weights, np.arange(35, dtype=np.int32), by))
    monkeypatch.setattr(cases, "inputs_of", lambda *_: [x])
    return case_of(work, IntegerWinogradTile(2), isa)


@pytest.mark.parametrize("isa", ISAS[1:], ids=lambda isa: isa.name)
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 1e-6)


@pytest.mark.parametrize("name", ["rpi4", "rpi5"])
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path, monkeypatch):
    target = emulated(name)
    isa = isa_of(target)
    several = [*some_cases(isa), *(largest(isa, monkeypatch, sign) for sign in (1, -1))]
    check_emulated(several, target, tmp_path, 1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_are_right(sign, monkeypatch):
    check(largest(AVX2, monkeypatch, sign), 0)


@st.composite
def random_cases(draw):
    isa, axis = draw(st.sampled_from(ISAS[1:])), axes((3,), (1,))
    work = draw(convolutions(st.integers(1, 40), st.integers(1, 40), axis, axis))
    added = work.epilogue.add
    epilogue = Epilogue(draw(st.sampled_from(["none", "clip"])), add=added, in_place=work.epilogue.in_place, late=added)
    out = draw(st.integers(1, 2))
    tile = IntegerWinogradTile(draw(st.integers(1, 5)), out, draw(st.integers(1, 3)))
    work = replace(work, epilogue=epilogue, types=bytes_of(isa))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=15)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


@pytest.mark.parametrize(
    ("board", "width", "size", "chosen"),
    [
        ("rpi4", 64, 56, IntegerWinogradTile),
        ("rpi4", 256, 14, IntegerWinogradTile),
        ("rpi3", 64, 56, IntegerWinogradTile),
        ("rpi5", 64, 56, IntegerDirectTile),
        ("graviton3", 64, 56, IntegerDirectTile),
    ],
)
def test_it_is_chosen_where_nothing_sums_four_bytes_at_once(board, width, size, chosen):
    machine = replace(machine_of(find_target(board)), threads=1)
    work = replace(conv(width, width, size, 3, epilogue=Epilogue()), types=bytes_of(machine.isa))
    assert isinstance(choose_default(work, machine), chosen)


@pytest.mark.parametrize(("width", "size", "most"), [(64, 56, 110), (128, 28, 380), (256, 14, 400)])
def test_the_workspace_does_not_set_a_networks_peak(width, size, most):
    """In KB. ResNet's stages hold maps of some 200 KB besides, and the pair between stages 600."""
    machine = replace(machine_of(find_target("rpi4")), threads=1)
    work = replace(conv(width, width, size, 3, epilogue=Epilogue()), types=bytes_of(machine.isa))
    kernel = integer_winograd(work, choose_default(work, machine), machine.isa, 1, "kernel")
    assert int(kernel.attrs[WORKSPACE]) <= most << 10


def test_the_hot_loop_multiplies_by_lane():
    target = find_target("rpi4")
    work = replace(conv(64, 64, 56, 3, epilogue=Epilogue()), types=bytes_of(ASIMD))
    kernel = integer_winograd(work, IntegerWinogradTile(5), ASIMD, 1, "kernel")
    counts = (
        (sum(line.startswith("smlal") and ".h[" in line for line in loop.instructions), len(loop.instructions))
        for loop in loops(assembly_of(kernel, target, NAME))
    )
    products, instructions = max(counts)
    assert products == 5 * 4 * 16
    assert products >= 0.83 * instructions


def test_other_windows_are_refused():
    work = replace(CONV, types=bytes_of(ASIMD))
    assert INTEGER_WINOGRAD.refusal(work, ARM) is None
    for change in ({"stride": (2, 2)}, {"kernel": (5, 5)}, {"groups": 5}, {"dilation": (2, 2)}):
        assert "not a 3x3 window" in INTEGER_WINOGRAD.refusal(replace(work, **change), ARM)
