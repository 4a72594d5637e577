"""Weights and tables as kernels read them: the place of every number, zeros where channels fill no block."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT16, FLOAT32
from rdpass.kernels.builder.packing import (
    blocks,
    merge_groups,
    pack_dense,
    pack_depthwise,
    pack_flattened,
    pack_grouped_table,
    pack_numbers,
    pack_table,
    pad_axis,
    split_stride_phases,
)

RANDOM = np.random.default_rng(0)


def numbers(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("channels", "lanes", "count"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (16, 8, 2), (0, 4, 0)])
def test_blocks_hold_all_channels(channels, lanes, count):
    assert blocks(channels, lanes) == count


def test_an_axis_is_filled_up_with_zeros_behind_it():
    x = numbers(3, 5)
    padded = pad_axis(x, 1, 8)
    assert np.array_equal(padded[:, :5], x)
    assert not padded[:, 5:].any()
    assert pad_axis(x, 0, 3) is x


@pytest.mark.parametrize("spatial", [(), (3,), (3, 2)])
@pytest.mark.parametrize(("filters", "channels"), [(8, 4), (7, 5), (1, 1), (17, 9)])
def test_dense_weights_lie_by_group_block_and_channel(filters, channels, spatial):
    weights = numbers(filters, channels, *spatial)
    packed = pack_dense(weights, 4, 8, FLOAT32)
    assert packed.shape == (blocks(filters, 8), blocks(channels, 4), *spatial, 4, 8)
    for o in range(filters):
        for i in range(channels):
            assert np.array_equal(packed[o // 8, i // 4, ..., i % 4, o % 8], weights[o, i])
    assert np.count_nonzero(packed) == np.count_nonzero(weights)
    assert pack_dense(weights, 4, 8, FLOAT16).dtype == np.float16


@pytest.mark.parametrize("sizes", [(3, 3), (7, 7), (2, 4), (1, 1), (5, 2)])
def test_phases_of_stride_2_have_taps_of_even_and_odd_number_apart(sizes):
    weights = numbers(5, 3, *sizes)
    split = split_stride_phases(weights)
    down, across = (-(-size // 2) for size in sizes)
    assert split.shape == (5, 12, down, across)
    phases = split.reshape(5, 3, 2, 2, down, across)
    for a in range(2):
        for b in range(2):
            taps = weights[:, :, a::2, b::2]
            assert np.array_equal(phases[:, :, a, b, : taps.shape[2], : taps.shape[3]], taps)
    assert np.count_nonzero(split) == np.count_nonzero(weights)


@pytest.mark.parametrize("channels", [4, 6])
def test_a_layer_of_a_flattened_map_reads_it_as_its_blocks_lie(channels):
    weights, x = numbers(9, channels * 5), numbers(channels, 5)
    packed = pack_flattened(weights, channels, 4, 8, FLOAT32)
    blocked = pad_axis(x, 0, blocks(channels, 4) * 4).reshape(-1, 4, 5).transpose(0, 2, 1)
    assert packed.shape == (2, blocks(channels, 4) * 5, 4, 8)
    got = np.einsum("gkcv,kc->gv", packed, blocked.reshape(-1, 4)).reshape(-1)[:9]
    assert got == pytest.approx(weights @ x.reshape(-1), abs=1e-4)


def test_depthwise_weights_lie_by_block_with_their_channels_side_by_side():
    weights = numbers(6, 1, 3, 2)
    packed = pack_depthwise(weights, 4, FLOAT32)
    assert packed.shape == (2, 3, 2, 4)
    assert all(np.array_equal(packed[c // 4, ..., c % 4], weights[c, 0]) for c in range(6))
    assert not packed[1, ..., 2:].any()


def test_a_table_has_a_row_for_each_number_of_a_channel():
    rows = [numbers(5), numbers(5).astype(np.float64), np.full(5, np.inf)]
    table = pack_table(rows, 8, FLOAT32)
    assert table.shape == (3, 8)
    assert table.dtype == np.float32
    assert all(np.array_equal(table[index, :5], row.astype(np.float32)) for index, row in enumerate(rows))
    assert not table[:, 5:].any()


def test_a_table_of_groups_fills_up_each_by_itself():
    rows = [np.arange(1, 7, dtype=np.float32), np.arange(11, 17, dtype=np.float32)]
    assert pack_grouped_table(rows, 2, 4, FLOAT32).tolist() == [
        [1, 2, 3, 0, 4, 5, 6, 0], [11, 12, 13, 0, 14, 15, 16, 0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "inner", "groups", "merged"), [(8, 4, 2, 2), (16, 2, 8, 4), (6, 1, 6, 1), (12, 3, 4, 1), (9, 3, 1, 1)]
)
def test_groups_are_merged_until_their_channels_fill_blocks_and_compute_the_same(filters, inner, groups, merged):
    weights, x = numbers(filters, inner, 2, 1), numbers(groups * inner)
    wide, left = merge_groups(weights, groups, 4)
    assert left == merged

    def product(given, count):
        split, by_group = x.reshape(count, -1), given.reshape(count, len(given) // count, *given.shape[1:])
        return np.einsum("goihw,gi->gohw", by_group, split).reshape(filters, 2, 1)

    assert np.allclose(product(wide, left), product(weights, groups), atol=1e-5)
    assert np.count_nonzero(wide) == np.count_nonzero(weights)


def test_weights_as_winograds_numbers_lie_by_group_and_number():
    transformed = numbers(6, 4, 9, 5)
    packed = pack_numbers(transformed, 4, 8, FLOAT32)
    assert packed.shape == (2, 24, 2, 4, 8)
    for o, i, n in ((0, 0, 0), (8, 4, 23), (7, 3, 11)):
        assert packed[o // 8, n, i // 4, i % 4, o % 8] == transformed[n // 4, n % 4, o, i]
