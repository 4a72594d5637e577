"""References for kernels of integers: each workload in its plainest words, in numpy and exact sums.

Every function takes a workload, its constants and its inputs (the map, and a map to add, if any), maps as (N, C, H, W)
of bytes, and gives the output's numbers likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.quantization import requantize
from rdpass.kernels.reference import pixels_of, windows, windows_of
from rdpass.kernels.workload import Convolution


def convolution(work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, F, H', W'), or (N, F, a H', b W') where a window gives a x b pixels."""
    weights, bias, by = constants
    x, *others = inputs
    sums = exact_sums(work, x.astype(np.int64) - by.input_zero, weights) + bias.astype(np.int64).reshape(1, -1, 1, 1)
    added = windows_of(work, others[0]) if others else None
    return pixels_of(work, requantize(sums, by, added))


def exact_sums(conv: Convolution, x: Array, weights: Array) -> Array:
    """Sums alone, of whole numbers: (N, subpixels F, H', W')."""
    top, left, bottom, right = conv.padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    total = np.zeros((conv.batch, len(weights), conv.out_height, conv.out_width), np.int64)
    inner, outer = conv.channels // conv.groups, len(weights) // conv.groups
    for group in range(conv.groups):
        own = slice(group * outer, (group + 1) * outer)
        taken = padded[:, group * inner : (group + 1) * inner]
        for (i, j), seen in windows(taken, conv.kernel, conv.stride, conv.dilation, total.shape[2:]):
            # Products of bytes, and thousands of them, are whole numbers of float64.
            product = weights[own, :, i, j].astype(np.float64) @ seen.reshape(*seen.shape[:2], -1).astype(np.float64)
            total[:, own] += product.astype(np.int64).reshape(total[:, own].shape)
    return total
