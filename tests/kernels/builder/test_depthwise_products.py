"""Steps of depthwise windows: every tap once, weights where the instructions want them, zeros where nothing is seen."""

import numpy as np
import pytest

from rdpass.kernels.builder.depthwise_products import (
    DotTaps,
    FourfoldTaps,
    LongTaps,
    TwofoldTaps,
    depthwise_products,
)
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import ASIMD, AVX2, AVX512, SSE, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels.tester import WITH_EVERYTHING

CONV = Convolution(1, 20, 20, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1), groups=20)
WAYS = (LongTaps, DotTaps, FourfoldTaps, TwofoldTaps)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [((3, 3), 1, 1), ((5, 3), 2, 1), ((3, 5), 1, 3)], ids=str)
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_every_window_has_each_tap_once_where_it_lies(way, kernel, stride, dilation, rows):
    conv = Convolution(1, 20, 20, 30, 30, kernel, (stride, stride), (0, 0, 0, 0), (dilation, dilation), 20)
    products = way(conv, rows, isa_of(WITH_EVERYTHING) if way is FourfoldTaps else ASIMD)
    for row in range(rows):
        found = {}
        for step in products.steps(row):
            for tap, place in zip(products.taps[step.number], step.places, strict=False):
                if tap is not None:
                    assert tap not in found
                    found[tap] = place
        taps = [(i, j) for i in range(kernel[0]) for j in range(kernel[1])]
        assert found == {(i, j): (row * stride + i * dilation, j * dilation) for i, j in taps}


@pytest.mark.parametrize("way", WAYS)
def test_every_weight_is_packed_and_missing_ones_are_zero(way):
    products = way(CONV, 1, ASIMD)
    weights = np.arange(1, 181).reshape(20, 1, 3, 3) % 100 + 1
    packed = products.pack(weights.astype(np.int8))
    assert packed.shape == (2, 16 // way.channels, len(products.taps), way.depth * way.channels)
    assert sorted(packed[packed != 0]) == sorted(weights.ravel())


def test_orders_are_those_of_the_instructions():
    weights = np.arange(9 * 16, dtype=np.uint8).astype(np.int8).reshape(16, 1, 3, 3)  # 9 x channel + tap
    assert [*LongTaps(CONV, 1, ASIMD).pack(weights)[0, 0, 0, :3]] == [0, 9, 18]
    assert LongTaps(CONV, 1, ASIMD).pack(weights)[0, 0, 0, 16] == 1  # the next tap of the first channel
    assert [*DotTaps(CONV, 1, ASIMD).pack(weights)[0, 0, 0, :6]] == [0, 3, 6, 0, 9, 12]  # down a column
    assert [*DotTaps(CONV, 2, ASIMD).pack(weights)[0, 0, 3, :4]] == [0, 0, 3, 6]  # the row below


def test_windows_of_all_rows_share_the_weights_of_long_products():
    assert len(LongTaps(CONV, 4, ASIMD).taps) == 5
    assert len(DotTaps(CONV, 2, ASIMD).taps) == 6


@pytest.mark.parametrize(
    ("isa", "way"),
    [
        (ASIMD, LongTaps), (isa_of(find_target("rpi5")), DotTaps), (isa_of(find_target("graviton3")), DotTaps),
        (AVX512, TwofoldTaps), (AVX2, TwofoldTaps), (SSE, TwofoldTaps),
    ],
)  # fmt: skip
def test_the_way_is_the_fastest_that_there_is(isa, way):
    assert type(depthwise_products(CONV, 2, isa)) is way


def test_weights_of_three_by_three_stay_in_registers_and_those_of_five_by_five_do_not():
    large = Convolution(1, 20, 20, 9, 11, (5, 5), (1, 1), (2, 2, 2, 2), groups=20)
    for isa in (ASIMD, isa_of(find_target("rpi5"))):
        assert depthwise_products(CONV, 2, isa).holds_weights()
        assert not depthwise_products(large, 2, isa).holds_weights()


def test_registers_are_counted_with_weights_and_what_a_window_sees():
    assert LongTaps(CONV, 1, ASIMD).window_vectors == 9
    assert DotTaps(CONV, 2, ASIMD).window_vectors == 6  # three columns of four rows, eight channels each
    assert LongTaps(CONV, 1, ASIMD).missing(8) == 0 < LongTaps(CONV, 2, ASIMD).missing(8)
    assert DotTaps(CONV, 2, ASIMD).missing(8) == 0
