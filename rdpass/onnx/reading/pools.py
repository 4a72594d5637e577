"""Pools. Torch pads alike on both sides, and counts what a window covers otherwise where it rounds up: see each."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.reading.call import Call, Reader, Unreadable
from rdpass.onnx.reading.convolutions import even_padding, torch_padding

MAXIMA: tuple[Any, ...] = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGES: tuple[Any, ...] = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
PADS: tuple[Any, ...] = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
AVERAGE_FUNCTIONS: tuple[Any, ...] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
GLOBAL_AVERAGES: tuple[Any, ...] = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
GLOBAL_MAXIMA: tuple[Any, ...] = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)


class Window:
    """A pool's numbers: ``after`` holds what rounding up needs beyond the padding that is given."""

    def __init__(self, call: Call) -> None:
        self.kernel = tuple(call.attribute("kernel_shape"))
        self.rank = len(self.kernel)
        if not 1 <= self.rank <= 3:
            raise Unreadable(f"it has {self.rank} axes of space; torch has 1 to 3")
        self.strides = tuple(call.attribute("strides", (1,) * self.rank))
        self.dilations = tuple(call.attribute("dilations", (1,) * self.rank))
        self.size = call.shape()[2:]
        self.before, self.given = even_padding(call, self.rank)
        self.more = tuple(self._missing(axis, bool(call.attribute("ceil_mode", 0))) for axis in range(self.rank))
        self.after = tuple(g + m for g, m in zip(self.given, self.more, strict=True))

    def _missing(self, axis: int, rounds_up: bool) -> int:
        """What the last window lacks; one that would begin behind the map, in the padding, is none."""
        reach = (self.kernel[axis] - 1) * self.dilations[axis] + 1
        whole, stride = self.size[axis] + self.before[axis] + self.given[axis], self.strides[axis]
        steps = -(-(whole - reach) // stride) if rounds_up else (whole - reach) // stride
        if steps * stride >= self.size[axis] + self.before[axis]:
            steps -= 1
        return int(max(steps * stride + reach - whole, 0))

    @property
    def is_even(self) -> bool:
        """Tell whether torch's own padding does, which is at most half a kernel."""
        return self.before == self.after and all(2 * p <= k for p, k in zip(self.before, self.kernel, strict=True))

    @property
    def padding(self) -> tuple[int, ...]:
        return torch_padding(self.before, self.after)


def maximum(call: Call) -> Any:
    call.reads(1)
    window = Window(call)
    source = call.value(0)
    if not window.is_even:
        source = call.module(PADS[window.rank - 1](window.padding, -inf))
    padding = window.before if window.is_even else 0
    pool = MAXIMA[window.rank - 1](window.kernel, window.strides, padding, window.dilations)
    return call.module(pool, source)


def average(call: Call) -> Any:
    window = Window(call)
    counts_padding = bool(call.attribute("count_include_pad", 0))
    if set(window.dilations) != {1}:
        return _dilated_average(call, window, counts_padding)
    if window.is_even and not any(window.more):
        pool = AVERAGES[window.rank - 1](window.kernel, window.strides, window.before, False, counts_padding)
        return call.module(pool)
    padded = call.call(F.pad, call.value(0), window.padding)
    means = call.call(AVERAGE_FUNCTIONS[window.rank - 1], padded, window.kernel, window.strides)
    factors = prod(window.kernel) / _covered(window, counts_padding)
    if (factors == 1).all():
        return means
    return call.call(torch.mul, means, call.buffer("factors", torch.from_numpy(factors.astype(FLOAT32))))


def _dilated_average(call: Call, window: Window, counts_padding: bool) -> Any:
    """A depthwise convolution with ones, divided by what each window covers."""
    channels = call.shape()[1]
    padded = call.call(F.pad, call.value(0), window.padding)
    ones = call.buffer("ones", torch.ones(channels, 1, *window.kernel))
    convolve = (F.conv1d, F.conv2d, F.conv3d)[window.rank - 1]
    sums = call.call(convolve, padded, ones, None, window.strides, 0, window.dilations, channels)
    counts = torch.from_numpy(_covered(window, counts_padding).astype(FLOAT32))
    return call.call(torch.div, sums, call.buffer("counts", counts))


def _covered(window: Window, counts_padding: bool) -> Array:
    """How many places each window covers: of the map, and of the padding given if that counts."""
    counts = np.ones(())
    for axis in range(window.rank):
        total = window.before[axis] + window.size[axis] + window.after[axis]
        places = np.zeros(total)
        low = 0 if counts_padding else window.before[axis]
        high = window.before[axis] + window.size[axis] + (window.given[axis] if counts_padding else 0)
        places[low:high] = 1
        reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1
        starts = np.arange(0, total - reach + 1, window.strides[axis])
        taps = np.arange(window.kernel[axis]) * window.dilations[axis]
        counts = counts[..., None] * places[starts[:, None] + taps].sum(1)
    return np.asarray(counts)


def norm(call: Call) -> Any:
    """The p-norm of each window: the root of a sum of powers."""
    window, power = Window(call), call.attribute("p", 2)
    if set(window.dilations) != {1}:
        raise Unreadable("it is dilated")
    powers = call.call(torch.pow, call.call(torch.abs, call.value(0)), power)
    padded = call.call(F.pad, powers, window.padding)
    means = call.call(AVERAGE_FUNCTIONS[window.rank - 1], padded, window.kernel, window.strides)
    return call.call(torch.pow, call.call(torch.mul, means, prod(window.kernel)), 1 / power)


def _global(modules: tuple[Any, ...]) -> Reader:
    def read(call: Call) -> Any:
        rank = len(call.shape()) - 2
        if not 1 <= rank <= 3:
            raise Unreadable(f"it has {rank} axes of space; torch has 1 to 3")
        return call.module(modules[rank - 1](1))

    return read


def global_norm(call: Call) -> Any:
    axes = tuple(range(2, len(call.shape())))
    return call.call(torch.linalg.vector_norm, call.value(0), call.attribute("p", 2), axes, True)


READERS: Mapping[str, Reader] = {
    "MaxPool": maximum,
    "AveragePool": average,
    "LpPool": norm,
    "GlobalAveragePool": _global(GLOBAL_AVERAGES),
    "GlobalMaxPool": _global(GLOBAL_MAXIMA),
    "GlobalLpPool": global_norm,
}
