"""The terms of costs: how they grow with what there is to do, and where caches end."""

from dataclasses import replace

import pytest

from rdpass.core.numeric_types import ALL_FLOAT32, INT8, INT32, UINT8, NumericTypes
from rdpass.kernels.cost_model import (
    HOLDS,
    busiest_share,
    integer_cycles,
    map_bytes,
    preference,
    product_cycles,
    short_cycles,
    space_price,
    spilt_bytes,
    traffic_cycles,
)
from rdpass.kernels.workload import Convolution
from rdpass.profiling.emulation.boards import find_board
from rdpass.targets.isa import ASIMD, AVX2, AVX512, SSE, isa_of
from tests.kernels.cases import machine_with

ONE, FOUR = machine_with(ASIMD), machine_with(ASIMD, 4)


def cycles(tile=(8, 2), pixels=64, channels=32, filters=32, machine=ONE):
    return product_cycles(tile, pixels, channels, filters, ALL_FLOAT32, machine)


def test_no_product_takes_fewer_cycles_than_its_multiplies():
    for pixels, channels, filters in ((64, 32, 32), (7, 5, 9), (1, 1, 1)):
        assert cycles(pixels=pixels, channels=channels, filters=filters) >= pixels * channels * filters / 4


def test_twice_the_tiles_or_groups_take_twice_the_cycles():
    assert cycles(pixels=128) == pytest.approx(2 * cycles())
    assert cycles(filters=64) == pytest.approx(2 * cycles())


def test_channels_that_fill_no_block_cost_what_a_block_costs():
    assert cycles(channels=29) == cycles(channels=32)
    assert cycles(filters=25) == cycles(filters=32)
    assert cycles(channels=33) > cycles(channels=32)


def test_a_tile_that_waits_for_itself_costs_more_than_one_that_does_not():
    assert cycles(tile=(1, 1)) > 2 * cycles(tile=(8, 2))
    assert cycles(tile=(8, 2)) > cycles(tile=(16, 4))


def test_pixels_that_are_left_over_make_a_smaller_tile():
    assert cycles(pixels=64) < cycles(pixels=65) < cycles(pixels=72)


def test_a_core_of_two_multipliers_takes_less_but_not_half():
    both = cycles(machine=replace(ONE, multiplies=2.0))
    assert cycles() / 2 < both < cycles()


def test_weights_come_once_while_they_stay_in_l2_and_once_a_pass_when_not():
    fits = int(HOLDS * ONE.l2)
    assert traffic_cycles(fits, 5, 0, 1000, ONE) == pytest.approx((fits + 1000) / ONE.bandwidth)
    assert traffic_cycles(fits, 5, 1, 1000, ONE) == pytest.approx((5 * fits + 1000) / ONE.bandwidth)
    assert traffic_cycles(fits + 1, 1, 0, 0, ONE) == pytest.approx((fits + 1) / ONE.bandwidth)


@pytest.mark.parametrize(("tasks", "share"), [(1, 1.0), (4, 0.25), (5, 0.4), (8, 0.25), (9, 1 / 3)])
def test_the_busiest_thread_has_whole_tasks(tasks, share):
    assert busiest_share(tasks, FOUR) == pytest.approx(share)
    assert busiest_share(tasks, ONE) == 1.0


def test_maps_are_read_and_written_once_and_every_pixel_of_a_window_is_written():
    conv = Convolution(2, 5, 7, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1))
    assert map_bytes(conv) == 4 * 2 * 99 * (5 + 7)
    assert map_bytes(replace(conv, subpixel=(2, 2))) == 4 * 2 * 99 * (5 + 4 * 7)


def test_scratch_has_a_small_price_for_every_thread_and_spills_beyond_half_of_l2():
    assert space_price(640, FOUR) == 4 * space_price(640, ONE) == 40
    assert spilt_bytes(ONE.l2 // 2, ONE) == 0
    assert spilt_bytes(ONE.l2 // 2 + 100, ONE) == 200


def test_products_of_int16_take_a_cycle_for_four_on_arm_and_no_less():
    pixels, channels, filters = 60, 64, 64
    found = short_cycles((5, 1), pixels, channels, filters, ONE)
    assert pixels * channels * filters / 4 < found < 1.2 * pixels * channels * filters / 4
    assert short_cycles((5, 1), pixels, channels, filters, replace(ONE, multiplies=2.0)) < found


@pytest.mark.parametrize(("isa", "least"), [(AVX512, 24), (AVX2, 40), (SSE, 72)])
def test_products_of_bytes_that_are_widened_and_added_cost_what_they_take(isa, least):
    """Of a step of 16 x 16 for each pixel: eight broadcasts, and two instructions for each vector of sums."""
    types = NumericTypes(UINT8, INT8, INT32, UINT8)
    found = integer_cycles((6, 1), 6, 16, 16, types, machine_with(isa)) / 6
    assert least < found < least + 25


def test_products_in_order_take_a_cycle_each_of_large_tiles_and_small_ones_wait_for_their_weights():
    types = NumericTypes(INT8, INT8, INT32, INT8)
    machine = machine_with(isa_of(find_board("cortex-a55")))
    of_pixel = [integer_cycles((size, 1), 60, 1024, 16, types, machine) / 60 / 64 for size in range(1, 6)]
    assert of_pixel == sorted(of_pixel, reverse=True)
    assert 16 < of_pixel[-1] < 17 < of_pixel[2] < 20 < 45 < of_pixel[0]
    # Seven pixels are four and three: two wait longer than three take.
    assert integer_cycles((4, 1), 7, 512, 16, types, machine) < integer_cycles((5, 1), 7, 512, 16, types, machine)


SLOW, FAST, LARGE = (1000.0, 100), (900.0, 150), (880.0, 400)
"""Cycles, and bytes of weights."""


def test_for_speed_cycles_alone_count_and_for_size_bytes_first():
    kernels = (SLOW, FAST, LARGE, (1001.0, 100))
    assert min(kernels, key=lambda kernel: preference(*kernel, "speed")) == LARGE
    assert min(kernels, key=lambda kernel: preference(*kernel, "size")) == SLOW


def test_between_both_a_byte_more_has_to_save_a_cycle():
    assert preference(*FAST, "balanced") < preference(*SLOW, "balanced") < preference(*LARGE, "balanced")
    assert preference(950.0, 150, "balanced") == preference(*SLOW, "balanced")


def test_where_no_cost_is_known_bytes_count_for_size_alone():
    for optimize in ("speed", "balanced"):
        assert preference(0.0, 100, optimize) == preference(0.0, 400, optimize)
    assert preference(0.0, 100, "size") < preference(0.0, 400, "size")
