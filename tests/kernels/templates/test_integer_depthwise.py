"""A group for every channel, over bytes: borders hold the input's zero, whatever the window; every byte is exact."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.depthwise_products import depthwise_products
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.choice import build_kernels
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.integer_depthwise import (
    INTEGER_DEPTHWISE,
    IntegerDepthwiseTile,
    bands_of,
    integer_depthwise,
)
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.isa import ASIMD, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels import cases
from tests.kernels.assembly import assembly_of, loops
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.networks import conv
from tests.kernels.numbers import constants_of
from tests.kernels.strategies import axes, convolutions
from tests.kernels.tester import check

CONV = Convolution(2, 20, 20, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1), groups=20)
ADDED = Epilogue("clip", add=True, late=True)


def some_cases(isa):
    conv, tile = replace(CONV, types=bytes_of(isa)), IntegerDepthwiseTile
    yield case_of(conv, tile(2, 4), isa, 2)
    yield case_of(replace(conv, stride=(2, 2), epilogue=ADDED), tile(1, 4), isa, 3)
    in_place = replace(ADDED, activation="none", in_place=True)
    yield case_of(replace(conv, kernel=(5, 5), padding=(2, 2, 2, 2), epilogue=in_place), tile(1, 2), isa)
    yield case_of(replace(conv, kernel=(5, 3), dilation=(1, 2), padding=(0, 2, 1, 0)), tile(3, 1), isa, 2)
    yield case_of(replace(conv, kernel=(7, 7), padding=(6, 6, 6, 6), height=2, width=1), tile(2, 1), isa)
    yield case_of(replace(conv, stride=(2, 3), padding=(1, 0, 1, 1)), tile(2, 2), isa, 5)
    yield case_of(replace(conv, types=replace(conv.types, output=FLOAT32), padding=(2, 0, 0, 2)), tile(1, 1), isa)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 1e-6)


def test_large_sums_are_right_on_an_emulated_core_that_takes_short_ones_faster(tmp_path, monkeypatch):
    """Biases of which float32 does not hold every number, and factors that bring them to bytes or far beyond."""
    target = emulated("rpi5")
    isa = isa_of(target)
    work = replace(CONV, types=bytes_of(isa))
    weights, bias, by = constants_of(work)
    large, wide = bias + 2**25 + 1, replace(by, factors=np.linspace(4e-6, 1e-3, 20, dtype=np.float32))
    monkeypatch.setattr(cases, "constants_of", lambda *_: (weights, large, wide))
    check_emulated([case_of(work, IntegerDepthwiseTile(2, 4), isa)], target, tmp_path, 0)


@pytest.mark.parametrize(
    ("name", "words"), [("rpi4", ("", "", "")), ("rpi5", ("_short", "_short_values", ""))], ids=["rpi4", "rpi5"]
)
def test_a_core_that_converts_slowly_makes_use_of_what_is_short(name, words):
    machine = machine_of(find_target(name))
    work = replace(CONV, types=bytes_of(machine.isa))
    weights, bias, by = constants_of(work)
    small = replace(by, factors=np.full(20, 1e-3, np.float32))
    for more, word in zip((0, 2**23, 2**25), words, strict=True):
        (kernel,) = build_kernels(work, (weights, bias + more, small), IntegerDepthwiseTile(1, 1), machine)
        assert kernel.name.startswith(f"s8_depthwise{word}_k")


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    check_emulated([*some_cases(isa_of(target))], target, tmp_path, 1e-6)


@st.composite
def random_cases(draw):
    isa, axis = draw(st.sampled_from(ISAS)), axes((1, 2, 3, 5), (1, 2, 3), (1, 1, 2))
    conv = draw(convolutions(st.just(1), st.just(1), axis, axis, draw(st.integers(2, 40))))
    added = conv.epilogue.add
    epilogue = Epilogue(draw(st.sampled_from(["none", "clip"])), add=added, in_place=conv.epilogue.in_place, late=added)
    tile = IntegerDepthwiseTile(draw(st.integers(1, 4)), draw(st.integers(1, 3)))
    work = replace(conv, epilogue=epilogue, types=bytes_of(isa))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2, 3])), draw(st.integers(0, 99)))


@settings(max_examples=15)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


def test_a_border_of_the_inputs_zero_stands_for_nothing():
    """A map of nothing but its zero gives the biases alone, at the border too."""
    work = replace(CONV, types=bytes_of(ASIMD))
    weights, bias, by = constants_of(work)
    x = np.full((2, 20, 9, 11), by.input_zero, np.int8)
    output = INTEGER_DEPTHWISE.oracle(work, (weights, bias, by), [x])
    assert (output == output[:, :, :1, :1]).all()


@pytest.mark.parametrize("change", [{"groups": 1}, {"filters": 40}, {"channels": 1, "filters": 1, "groups": 1}])
def test_what_sums_over_channels_is_refused(change):
    work = replace(CONV, types=bytes_of(ASIMD))
    assert "not a group for every channel" in INTEGER_DEPTHWISE.refusal(replace(work, **change), ARM)
    assert INTEGER_DEPTHWISE.refusal(work, ARM) is None


def test_no_tile_is_larger_than_the_map_and_one_pixel_is_always_there():
    for height, width in ((1, 1), (2, 4), (9, 3)):
        work = replace(CONV, height=height, width=width, types=bytes_of(ASIMD))
        tiles = list(INTEGER_DEPTHWISE.tiles(work, ARM))
        assert IntegerDepthwiseTile(1, 1) in tiles
        assert all(tile.rows <= work.out_height and tile.pixels <= work.out_width for tile in tiles)


@pytest.mark.parametrize(
    ("name", "tile", "most"), [("rpi4", IntegerDepthwiseTile(1, 4), 66), ("rpi5", IntegerDepthwiseTile(2, 4), 52)]
)
def test_the_hot_loop_of_three_by_three_takes_few_instructions_and_keeps_its_sums(name, tile, most):
    """By SMULL, 38 for the products of sixteen channels and 20 to make bytes of them; by SDOT 18 and 22."""
    target = find_target(name)
    isa = isa_of(target)
    work = replace(conv(96, 96, 56, 3, 1, 96, Epilogue()), types=bytes_of(isa))
    hot = max(loops(assembly_of(integer_depthwise(work, tile, isa, 1, "kernel"), target, NAME)), key=size_of)
    parts = BLOCK // depthwise_products(work, tile.rows, isa).channels
    assert size_of(hot) * parts <= most * tile.rows * tile.pixels
    assert sum("[sp" in line for line in hot.instructions) <= 2


def size_of(block):
    return len(block.instructions)


@pytest.mark.parametrize(
    ("blocks", "turns", "threads", "bands"), [(8, 56, 4, 1), (2, 56, 4, 2), (3, 56, 4, 4), (1, 7, 4, 4), (6, 28, 1, 1)]
)
def test_blocks_that_threads_do_not_share_evenly_are_cut_into_bands(blocks, turns, threads, bands):
    assert bands_of(blocks, turns, threads) == bands
