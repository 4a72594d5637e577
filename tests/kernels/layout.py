"""Between maps (N, C, H, W) and the blocked layout (N, C / L, H W, L) that kernels work on."""

from __future__ import annotations

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.builder.packing import blocks, pad_axis


def to_blocked(array: Array, lanes: int, filling: float = 0.0) -> Array:
    """The channels that pad the last block hold ``filling``: any finite number has to do."""
    n, channels, *spatial = array.shape
    count = blocks(channels, lanes)
    padded = pad_axis(array, 1, count * lanes)
    padded[:, channels:] = filling
    split = padded.reshape(n, count, lanes, int(np.prod(spatial)))
    return np.ascontiguousarray(split.transpose(0, 1, 3, 2), dtype=array.dtype)


def from_blocked(array: Array, channels: int, height: int, width: int) -> Array:
    n, count, _, lanes = array.shape
    return array.transpose(0, 1, 3, 2).reshape(n, count * lanes, height, width)[:, :channels]
