"""Numbers that tiles are made of: what fits the registers, and what gives every thread work."""

import pytest

from rdpass.kernels.tile_space import (
    block_cuts,
    few_rows,
    fitting,
    fitting_products,
    pixel_blocks,
    register_tiles,
    row_cuts,
    rows_of_tiles,
    splits_of,
    waiting_groups,
)
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import ASIMD, AVX2, SSE
from tests.kernels.cases import machine_with

every_isa = pytest.mark.parametrize("isa", [ASIMD, AVX2, SSE], ids=lambda isa: isa.name)


@every_isa
def test_sums_inputs_and_weights_fit_the_registers_and_no_larger_tile_was_left_out(isa):
    tiles = list(register_tiles(isa))
    spare = isa.registers - (1 if isa.by_element else 0)
    assert len(set(tiles)) == len(tiles)

    def taken(pixels, vectors):
        return pixels * vectors + (pixels if isa.by_element else 1) + vectors

    assert all(taken(*tile) <= spare for tile in tiles)
    for vectors in (1, 2, 3, 4):
        largest = max(pixels for pixels, v in tiles if v == vectors)
        assert largest == 14 or taken(largest + 1, vectors) > spare


@every_isa
@pytest.mark.parametrize(("pixels", "outer"), [(1, 1), (3, 2), (0, 1), (100, 100)])
def test_tiles_are_no_larger_than_what_fills_them_and_there_is_always_one(isa, pixels, outer):
    tiles = list(fitting(pixels, outer, isa))
    assert tiles
    assert all(tile <= max(pixels, 1) and vectors <= outer for tile, vectors in tiles)


@every_isa
def test_products_of_one_vector_are_tiled_only_where_there_is_but_one(isa):
    assert {vectors for _, vectors in fitting_products(20, 1, isa)} == {1}
    assert 1 not in {vectors for _, vectors in fitting_products(20, 6, isa)}


@pytest.mark.parametrize(
    ("pixels", "tile", "blocks"),
    [(5, 8, [5]), (32, 8, [32]), (33, 8, [32, 33]), (100, 6, [24, 42, 84, 100])],
)
def test_blocks_of_pixels_are_whole_tiles_or_everything(pixels, tile, blocks):
    assert list(pixel_blocks(pixels, tile)) == blocks


@pytest.mark.parametrize(
    ("groups", "tasks", "threads", "splits"),
    [(6, 1, 1, 1), (6, 1, 4, 6), (6, 2, 4, 2), (6, 9, 4, 1), (7, 1, 4, 7), (3, 1, 8, 3)],
)
def test_groups_are_cut_into_equal_splits_until_every_thread_has_some(groups, tasks, threads, splits):
    found = splits_of(groups, tasks, machine_with(ASIMD, threads))
    assert found == splits
    assert groups % found == 0


@pytest.mark.parametrize(("down", "rows"), [(1, [1]), (7, [1, 2, 3, 4, 7]), (8, [1, 2, 3, 4, 8])])
def test_rows_of_tiles_make_any_number_of_blocks_of_equal_height(down, rows):
    assert rows_of_tiles(down) == rows


def test_groups_wait_together_where_every_thread_still_has_some():
    assert list(waiting_groups((1, 2, 4, 8), 16, machine_with(ASIMD, 1))) == [1, 2, 4, 8]
    assert list(waiting_groups((1, 2, 4, 8), 16, machine_with(ASIMD, 4))) == [1, 2, 4]
    assert list(waiting_groups((1, 2, 4), 6, machine_with(ASIMD, 1))) == [1, 2]
    assert list(waiting_groups((1, 2, 4), 3, machine_with(ASIMD, 8))) == [1]


def test_cuts_give_every_thread_whole_groups():
    conv = Convolution(1, 64, 96, 14, 14, (1, 1))
    assert list(block_cuts(conv, 4, 6, machine_with(ASIMD, 1))) == [(16, 1), (28, 1), (56, 1), (112, 1), (196, 1)]
    assert all(6 % splits == 0 for _, splits in block_cuts(conv, 4, 6, machine_with(ASIMD, 4)))
    rows = list(row_cuts(conv, 6, machine_with(ASIMD, 1)))
    assert rows == [(rows, splits) for rows in (1, 2, 4, 8, 14) for splits in (1, 2)]


def test_the_fewest_rows_are_taken_that_cost_as_good_as_nothing_more():
    assert few_rows({1: 1005.0, 2: 1001.9, 4: 1000.0, 56: 999.0}, 1000.0) == 2
    assert few_rows({1: 1005.0, 56: 999.0}, 999.0) == 56
    assert few_rows({7: 10.0}, 10.0) == 7
