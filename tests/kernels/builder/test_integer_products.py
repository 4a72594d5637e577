"""Weights in the order that each way to multiply takes them; tiles that fit the registers."""

import numpy as np
import pytest

from rdpass.kernels.builder.integer_products import (
    DotProducts,
    FourfoldProducts,
    InterleavedDotProducts,
    LongProducts,
    MatrixProducts,
    TwofoldProducts,
    pack_steps,
    products_of,
)
from rdpass.profiling.emulation.boards import find_board
from rdpass.targets.isa import ASIMD, AVX2, AVX512, SSE, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels.integers import bytes_of

WAYS = (DotProducts, FourfoldProducts, LongProducts, MatrixProducts, TwofoldProducts)
STEP = np.arange(256).reshape(16, 16)  # 16 x output + input


@pytest.mark.parametrize("way", WAYS)
def test_every_weight_has_its_place(way):
    assert sorted(way.order(STEP)) == [*range(256)]


def test_orders_are_those_of_the_instructions():
    outputs_then_channels = [0, 1, 2, 3, 16, 17, 18, 19]
    assert [*DotProducts.order(STEP)[:8]] == [*FourfoldProducts.order(STEP)[:8]] == outputs_then_channels
    assert DotProducts.order(STEP)[64] == FourfoldProducts.order(STEP)[64] == 4  # the next four channels
    assert [*LongProducts.order(STEP)[:17]] == [*range(16), 16]
    assert [*MatrixProducts.order(STEP)[:16]] == [*range(8), *range(16, 24)]
    assert MatrixProducts.order(STEP)[128] == 8  # the upper eight channels
    assert [*TwofoldProducts.order(STEP)[:4]] == [0, 1, 16, 17]


@pytest.mark.parametrize("out", [1, 2])
def test_missing_channels_weigh_nothing(out):
    packed = pack_steps(np.ones((35, 20, 3, 2), np.int8), out, LongProducts)
    assert packed.shape == (3 if out == 1 else 2, 2, 3, 2, 256 * out)
    assert packed.sum() == 35 * 20 * 6


@pytest.mark.parametrize(
    ("isa", "way", "largest"),
    [
        (isa_of(find_target("rpi5")), DotProducts, (5, 1)),
        (isa_of(find_board("cortex-a55")), InterleavedDotProducts, (5, 1)),
        (ASIMD, LongProducts, (5, 1)),
        (isa_of(find_target("graviton3")), MatrixProducts, (4, 1)),
        (AVX512, TwofoldProducts, (30, 1)),
        (AVX2, TwofoldProducts, (6, 1)),
        (SSE, TwofoldProducts, (2, 1)),
    ],
)
def test_the_largest_tile_fills_the_registers(isa, way, largest):
    pixels, out = largest
    assert products_of(isa, bytes_of(isa)) is way
    assert way.fits(isa, pixels, out)
    assert not way.fits(isa, pixels + 1, out)


@pytest.mark.parametrize(("board", "pixels", "held"), [("rpi5", 5, 7), ("rpi5", 4, 11), ("graviton3", 4, 9)])
def test_pixels_that_stay_take_room(board, pixels, held):
    isa = isa_of(find_target(board))
    way = products_of(isa, bytes_of(isa))
    assert way.holds_pixels
    assert [way.fits(isa, pixels, 1, held + more) for more in (0, 1)] == [True, False]
