"""Random constants and inputs of any workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import NumericType
from rdpass.kernels.quantization import Addition, Bounds, Requantization, limits
from rdpass.kernels.workload import (
    Convolution,
    Dequantization,
    Elementwise,
    Epilogue,
    Head,
    PointwisePair,
    Pooling,
    Quantization,
    QuantizedStem,
    Resizing,
    Stem,
    Workload,
)
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.kernels.workload.lookup import Lookup


def numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def constants_of(work: Workload, seed: int = 0) -> tuple[Any, ...]:
    """What the workload's class says."""
    match work:
        case PointwisePair(first, second):
            return tuple(zip(constants_of(first, seed + 10), constants_of(second, seed + 20), strict=True))
        case QuantizedStem():
            return *integer_constants(work.convolution, seed), 0.02
        case Quantization() | Dequantization():
            byte = min(work.types.input, work.types.output, key=lambda numeric: numeric.bytes)
            return 0.02, limits(byte)[0] + 100
        case _ if not work.types.input.is_float:
            return integer_constants(work, seed)
        case Convolution():
            filters = work.filters * work.subpixels
            return weights_of(work, filters, seed + 1), table_of(work.epilogue, filters, seed + 2)
        case Stem():
            return constants_of(work.convolution, seed)
        case Head() if not work.classes:
            return (None,)
        case Head():
            weights = numbers(seed + 1, work.classes, work.depth) / np.float32(np.sqrt(work.depth))
            return ((weights, numbers(seed + 2, work.classes)),)
        case Elementwise():
            scales = [numbers(seed + 5, work.channels)] if work.scale == "constant" else []
            return ([*table_of(work.epilogue, work.channels, seed + 2), *scales],)
        case _:
            return ()


def integer_constants(work: Workload, seed: int) -> tuple[Any, ...]:
    """What the workload's class says, with factors that bring most results into the output's range, but not all."""
    random = np.random.default_rng(seed)
    match work:
        case Convolution():
            filters, inner = work.filters * work.subpixels, work.channels // work.groups
            return _layer(work, (filters, inner, *work.kernel), random)
        case Head() if work.classes:
            return (_layer(work, (work.classes, work.depth), random),)
        case Head():
            return None, requantization(work, random.uniform(0.5, 3.0, 1), random)
        case Pooling() if work.kind == "average":
            return (requantization(work, random.uniform(0.5, 1.5, 1), random),)
        case Elementwise():
            return (requantization(work, random.uniform(0.005, 0.015, 1).astype(np.float32), random),)
        case Resizing(kind="linear"):
            return (requantization(work, random.uniform(0.5, 1.5, 1), random),)
        case Lookup():
            return (_table(work, random),)
        case Concatenation():
            return tuple(_table(work, random) for _ in range(sum(work.rescaled)))
    return ()


def _table(work: Workload, random: np.random.Generator) -> Array:
    return random.integers(*limits(work.types.output), 256, endpoint=True).astype(work.types.output.value)


def _layer(work: Workload, shape: tuple[int, ...], random: np.random.Generator) -> tuple[Array, Array, Requantization]:
    """Weights, biases, and how sums become the output's numbers."""
    weights = random.integers(-127, 128, shape).astype(np.int8)
    bias = random.integers(-5000, 5000, len(weights)).astype(np.int32)
    spread = 127 * np.sqrt(np.prod(shape[1:]))
    factors = (random.uniform(0.5, 1.5, len(weights)) / spread).astype(np.float32)
    return weights, bias, requantization(work, factors, random)


def requantization(work: Workload, factors: Array, random: np.random.Generator) -> Requantization:
    """Zeros and bounds that fit the workload's types and epilogue."""
    low, high = limits(work.types.input)
    zeros = [int(zero) for zero in random.integers(low + 20, high - 20, 4)]
    cut = (low + 3, high - 9) if work.epilogue.activation == "clip" else (low, high)
    last = Bounds(zeros[3], *cut)
    if work.types.output.is_float:
        return Requantization(zeros[0], factors, None)
    if not work.epilogue.add:
        return Requantization(zeros[0], factors, last, other_zero=zeros[2])
    first = Bounds(zeros[1], low, high)
    return Requantization(zeros[0], factors, first, Addition(0.37, 0.81, zeros[2], last))


def bytes_of(seed: int, shape: Sequence[int], numeric: NumericType) -> Array:
    """Any bytes."""
    low, high = limits(numeric)
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(numeric.value)


def weights_of(conv: Convolution, filters: int, seed: int) -> Array:
    """Of such a size that sums of many channels are as large as their inputs."""
    inner = conv.channels // conv.groups
    return numbers(seed, filters, inner, *conv.kernel) / np.float32(np.sqrt(inner * np.prod(conv.kernel)))


def table_of(epilogue: Epilogue, channels: int, seed: int) -> list[Array]:
    """The bias, then bounds (some of them infinite) or slopes."""
    bias = numbers(seed, channels)
    match epilogue.activation:
        case "channel_clip":
            low, width = numbers(seed + 1, channels) - 1, np.abs(numbers(seed + 2, channels))
            high = np.where(np.arange(channels) % 3, low + width, np.inf).astype(np.float32)
            return [bias, np.where(np.arange(channels) % 4, low, -np.inf).astype(np.float32), high]
        case "prelu":
            return [bias, numbers(seed + 1, channels)]
        case _:
            return [bias]


def inputs_of(work: Workload, written: Sequence[int], seed: int = 0) -> list[Array]:
    """The map, a gate, and a map to add, as far as there are such; ``written``: the shape of the output's map."""
    if not work.types.input.is_float:
        shapes = [_read(work), *_further(work), *([written] if work.epilogue.add else [])]
        maps = [bytes_of(seed + 9 * index, shape, work.types.input) for index, shape in enumerate(shapes)]
        if isinstance(work, QuantizedStem):
            image = numbers(seed, *shapes[0]) if work.source.is_float else bytes_of(seed, shapes[0], work.source)
            return [image, *maps[1:]]
        return maps
    maps = [numbers(seed, *_read(work)), *(numbers(seed + 5, *shape) for shape in _further(work))]
    if work.epilogue.add:
        maps.append(numbers(seed + 9, *written))
    return maps


def _further(work: Workload) -> list[tuple[int, int, int, int]]:
    """The shapes of further maps that are multiplied, or lie behind the first, if any."""
    if isinstance(work, Concatenation):
        return [(work.batch, channels, work.pixels, 1) for channels in work.parts[1:]]
    if not isinstance(work, Elementwise) or work.scale not in ("gate", "map"):
        return []
    return [(work.batch, work.channels, 1 if work.scale == "gate" else work.pixels, 1)]


def written(work: Workload) -> tuple[int, int, int, int]:
    """The shape of the output, as a map."""
    match work:
        case Convolution():
            (down, across), height, width = work.subpixel, work.out_height, work.out_width
            return work.batch, work.filters, height * down, width * across
        case PointwisePair():
            return written(work.second)
        case Stem(conv, pool):
            return written(conv if pool is None else pool)
        case Elementwise() | Quantization() | Dequantization() | Lookup() | Concatenation():
            return work.batch, work.channels, work.pixels, 1
        case Head():
            return work.batch, work.classes or work.channels, 1, 1
    return work.batch, work.channels, work.out_height, work.out_width


def _read(work: Workload) -> tuple[int, int, int, int]:
    match work:
        case PointwisePair(first, _):
            return _read(first)
        case Stem(conv, _):
            return _read(conv)
        case Concatenation():
            return work.batch, work.parts[0], work.pixels, 1
        case Elementwise() | Head() | Quantization() | Dequantization() | Lookup():
            return work.batch, work.channels, work.pixels, 1
    return work.batch, work.channels, work.height, work.width
