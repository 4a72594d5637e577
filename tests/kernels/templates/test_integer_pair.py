"""Pairs of bytes: exact by every way to multiply, the wide map a block at a time, and almost nothing but products."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.function import WORKSPACE
from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.integer_apart import INTEGER_APART
from rdpass.kernels.templates.integer_pair import INTEGER_PAIR, IntegerPairTile, integer_pair
from rdpass.kernels.workload import Convolution, Epilogue, PointwisePair
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.isa import ASIMD, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels import cases
from tests.kernels.assembly import assembly_of, loops
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM, retyped
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.networks import conv
from tests.kernels.numbers import constants_of
from tests.kernels.strategies import axes, convolutions
from tests.kernels.tester import check

FIRST = Convolution(2, 20, 50, 7, 9, (1, 1), epilogue=Epilogue("clip"))
ADDED = Epilogue("clip", add=True, late=True)
PAIR = PointwisePair(FIRST, Convolution(2, 50, 35, 7, 9, (1, 1), epilogue=ADDED))


def some_cases(isa):
    pair, tile = retyped(PAIR, bytes_of(isa)), IntegerPairTile
    yield case_of(pair, tile(4, 1, 20), isa, 2)
    yield case_of(pair.in_place(), tile(3, 1, 63, groups_parallel=True), isa, 2)
    second = pair.second
    yield case_of(replace(pair, second=replace(second, epilogue=Epilogue())), tile(5, 1, 7), isa)
    floats = replace(second, epilogue=Epilogue(), types=replace(second.types, output=FLOAT32))
    yield case_of(replace(pair, second=floats), tile(3, 1, 16), isa, 2)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 1e-6)


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    check_emulated([*some_cases(isa_of(target))], target, tmp_path, 1e-6)


@st.composite
def random_cases(draw):
    isa, axis = draw(st.sampled_from(ISAS)), axes((1,), (1,))
    first = draw(convolutions(st.integers(1, 50), st.integers(1, 90), axis, axis, add=False))
    first = replace(first, epilogue=Epilogue(draw(st.sampled_from(["none", "clip"]))))
    added, in_place = draw(st.booleans()), draw(st.booleans())
    epilogue = Epilogue(draw(st.sampled_from(["none", "clip"])), 0, 0, added, added and in_place, added)
    second = replace(first, channels=first.filters, filters=draw(st.integers(1, 60)), epilogue=epilogue)
    tile = IntegerPairTile(
        draw(st.integers(1, 6)), draw(st.integers(1, 2)), draw(st.integers(1, 60)), draw(st.booleans())
    )
    pair = retyped(PointwisePair(first, second), bytes_of(isa))
    return case_of(pair, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=20)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


@each_core
@pytest.mark.parametrize(("width", "size"), [(64, 56), (512, 7)])
def test_a_block_of_the_wide_map_is_all_there_is_of_it(name, width, size):
    machine = replace(machine_of(find_target(name)), threads=1)
    pair = PointwisePair(conv(width, 4 * width, size, 1), conv(4 * width, width, size, 1))
    work = retyped(replace(pair, first=replace(pair.first, epilogue=Epilogue())), bytes_of(machine.isa))
    tile = choose_default(work, machine)
    assert isinstance(tile, IntegerPairTile)
    (kernel,) = build_kernels(work, constants_of(work), tile, machine)
    assert kernel.name.startswith("s8_pair")
    assert f"_{width}_{4 * width}_{width}_{size}x{size}" in kernel.name
    totals = 2 * 64 * tile.pixels  # of a register tile of each layer, where they wait between passes
    assert int(kernel.function.attrs[WORKSPACE]) <= 4 * width * min(tile.block, size * size) + totals


@pytest.mark.parametrize(
    ("name", "added", "word"),
    [
        ("rpi4", (0, 0), "pair_20"),
        ("rpi5", (0, 0), "pair_short_20"),
        ("rpi5", (0, 2**23), "pair_short_then_short_values_20"),
        ("rpi5", (2**23, 0), "pair_short_values_then_short_20"),
        ("rpi5", (2**23, 2**23), "pair_short_values_20"),
    ],
)
def test_a_name_says_what_is_short_of_either_layer(name, added, word, tmp_path, monkeypatch):
    target = emulated(name)
    work = retyped(PAIR, bytes_of(isa_of(target)))
    weights, biases, bys = constants_of(work)
    small = tuple(replace(by, factors=by.factors / 8) for by in bys)
    constants = weights, tuple(bias + more for bias, more in zip(biases, added, strict=True)), small
    (kernel,) = build_kernels(work, constants, IntegerPairTile(2), machine_of(target))
    assert kernel.name.startswith(f"s8_{word}_50_35")
    monkeypatch.setattr(cases, "constants_of", lambda *_: constants)
    check_emulated([case_of(work, IntegerPairTile(2), isa_of(target))], target, tmp_path, 0)


@pytest.mark.parametrize(("name", "product", "share"), [("rpi5", "sdot", 0.78), ("graviton3", "smmla", 0.63)])
def test_hot_loops_are_products(name, product, share):
    target = find_target(name)
    machine = replace(machine_of(target), threads=1)
    pair = retyped(PointwisePair(conv(256, 1024, 14, 1), conv(1024, 256, 14, 1)), bytes_of(machine.isa))
    kernel = integer_pair(pair, choose_default(pair, machine), machine.isa, 1, "kernel")
    hot = sorted(
        (sum(line.startswith(product) for line in loop.instructions) / len(loop.instructions), len(loop.instructions))
        for loop in loops(assembly_of(kernel, target, NAME))
    )
    assert len([loop for loop, _ in hot if loop >= share]) >= 2, hot[-4:]


@pytest.mark.parametrize("template", [INTEGER_PAIR, INTEGER_APART], ids=lambda template: template.name)
def test_what_is_no_pair_is_refused(template):
    pair = retyped(PAIR, bytes_of(ASIMD))
    assert template.refusal(pair, ARM) is None
    strided = replace(pair, second=replace(pair.second, kernel=(3, 3)))
    assert "1x1 window" in template.refusal(strided, ARM)


def test_a_map_between_both_that_is_added_to_or_of_floats_is_refused():
    pair = retyped(PAIR, bytes_of(ASIMD))
    assert "is added between" in INTEGER_PAIR.refusal(replace(pair, first=replace(pair.first, epilogue=ADDED)), ARM)
    floats = replace(pair.first, types=replace(pair.first.types, output=FLOAT32))
    assert "other numbers" in INTEGER_PAIR.refusal(replace(pair, first=floats), ARM)
