"""Weights and tables as kernels read them, made once when a network is built.

Channels are padded with zeros to whole blocks of L lanes; output channels further to whole groups of G = V x L, of
which a kernel computes one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import NumericType


def blocks(channels: int, lanes: int) -> int:
    """Blocks of ``lanes`` that hold ``channels``."""
    return -(-channels // lanes)


def pad_axis(array: Array, axis: int, size: int) -> Array:
    """``array`` with zeros behind it along ``axis`` up to ``size``."""
    missing = size - array.shape[axis]
    if not missing:
        return array
    return np.pad(array, [(0, missing if index == axis else 0) for index in range(array.ndim)])


def pack_dense(weights: Array, lanes: int, group: int, numeric: NumericType) -> Array:
    """(O, I, ...) to (O / group, I / L, ..., L, group), spatial axes in between and untouched."""
    filters, channels, *spatial = weights.shape
    outer, inner = blocks(filters, group), blocks(channels, lanes)
    padded = pad_axis(pad_axis(weights, 0, outer * group), 1, inner * lanes)
    split = padded.reshape(outer, group, inner, lanes, *spatial)
    order = (0, 2, *range(4, split.ndim), 3, 1)
    return np.ascontiguousarray(split.transpose(order), dtype=numeric.value)


def dense_numbers(filters: int, channels: int, lanes: int, group: int) -> int:
    """Numbers that ``pack_dense`` makes of the weights of one tap."""
    return blocks(filters, group) * group * blocks(channels, lanes) * lanes


def split_stride_phases(weights: Array) -> Array:
    """(O, I, K, K), of stride 2, to (O, 4 I, T, T), T = K / 2 rounded up: taps of even and odd row and column apart."""
    filters, channels, *sizes = weights.shape
    even = pad_axis(pad_axis(weights, 2, sizes[0] + sizes[0] % 2), 3, sizes[1] + sizes[1] % 2)
    split = even.reshape(filters, channels, even.shape[2] // 2, 2, even.shape[3] // 2, 2).transpose(0, 1, 3, 5, 2, 4)
    return np.ascontiguousarray(split.reshape(filters, -1, *split.shape[4:]))


def pack_flattened(weights: Array, channels: int, lanes: int, group: int, numeric: NumericType) -> Array:
    """(O, C P), of a planar map flattened, to (O / group, C / L P, L, group): in the order in which its blocks lie."""
    by_pixel = np.ascontiguousarray(weights.reshape(len(weights), channels, -1))
    packed = pack_dense(by_pixel, lanes, group, numeric)
    return packed.reshape(len(packed), -1, lanes, group)


def pack_depthwise(weights: Array, lanes: int, numeric: NumericType) -> Array:
    """(C, 1, KH, KW) to (C / L, KH, KW, L)."""
    channels, _, *spatial = weights.shape
    padded = pad_axis(weights[:, 0], 0, blocks(channels, lanes) * lanes)
    return np.ascontiguousarray(np.moveaxis(padded.reshape(-1, lanes, *spatial), 1, -1), dtype=numeric.value)


def pack_table(rows: Sequence[Array], size: int, numeric: NumericType) -> Array:
    """Numbers per channel, one row each, to (rows, size)."""
    return np.stack([pad_axis(np.asarray(row, numeric.value).reshape(-1), 0, size) for row in rows])


def pack_grouped_table(rows: Sequence[Array], groups: int, width: int, numeric: NumericType) -> Array:
    """Numbers per channel to (rows, groups x size): each group's channels padded to whole ``width`` by themselves."""
    size = blocks(len(rows[0]) // groups, width) * width
    split = [np.split(np.asarray(row), groups) for row in rows]
    own = [pack_table([row[group] for row in split], size, numeric) for group in range(groups)]
    return np.concatenate(own, axis=1)


def merge_groups(weights: Array, groups: int, lanes: int) -> tuple[Array, int]:
    """A grouped convolution as one of fewer, wider groups whose channels are whole blocks, zeros between the old ones.

    Returns the weights (O, I / groups', ...) and the new number of groups.
    """
    filters, inner = weights.shape[:2]
    outer = filters // groups
    merged = groups // merged_groups(inner * groups, filters, groups, lanes)
    if merged == 1:
        return weights, groups
    wide = np.zeros((filters, inner * merged, *weights.shape[2:]), weights.dtype)
    for group in range(groups):
        rows, place = slice(group * outer, (group + 1) * outer), group % merged
        wide[rows, place * inner : (place + 1) * inner] = weights[rows]
    return wide, groups // merged


def merged_groups(channels: int, filters: int, groups: int, lanes: int) -> int:
    """The number of groups that ``merge_groups`` leaves."""
    inner, outer = channels // groups, filters // groups
    whole = (m for m in range(1, groups + 1) if groups % m == 0 and _whole(m, groups, inner, outer, lanes))
    return groups // next(whole)


def _whole(merged: int, groups: int, inner: int, outer: int, lanes: int) -> bool:
    return merged == groups or (merged * inner % lanes == 0 and merged * outer % lanes == 0)


def pack_numbers(transformed: Array, lanes: int, group: int, numeric: NumericType) -> Array:
    """Weights as Winograd's numbers (..., O, I) to (O / group, numbers, I / L, L, group)."""
    numbers = transformed.reshape(-1, *transformed.shape[-2:])
    packed = pack_dense(np.moveaxis(numbers, 0, 2), lanes, group, numeric)
    return np.ascontiguousarray(packed.transpose(0, 2, 1, 3, 4))
