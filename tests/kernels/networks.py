"""Every layer of well-known networks, at 224 px, batch 1: what kernels meet in practice. Equal layers come once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rdpass.core.numeric_types import NumericTypes
from rdpass.kernels.workload import (
    Convolution,
    Elementwise,
    Epilogue,
    Head,
    PointwisePair,
    Pooling,
    QuantizedStem,
    Stem,
    Workload,
)
from rdpass.kernels.workload.lookup import Lookup
from tests.kernels.examples import retyped

Layer = Stem | Convolution | PointwisePair | Pooling | Head | Elementwise

RELU = Epilogue("relu")
RELU6 = Epilogue("clip", 0.0, 6.0)
LINEAR = Epilogue()
ADDED = Epilogue("relu", add=True)


def conv(
    channels: int, filters: int, size: int, kernel: int, stride: int = 1, groups: int = 1, epilogue: Epilogue = RELU,
    same: bool = False,
) -> Convolution:  # fmt: skip
    """``same``: padded as TensorFlow does, one more behind than in front where it is odd."""
    total = max(kernel - (stride if size % stride == 0 else size % stride), 0) if same else kernel // 2 * 2
    before, after = total // 2, total - total // 2
    return Convolution(
        1, channels, filters, size, size, (kernel, kernel), (stride, stride), (before, before, after, after),
        groups=groups, epilogue=epilogue,
    )  # fmt: skip


def resnet_stem() -> Stem:
    return Stem(conv(3, 64, 224, 7, 2), Pooling(1, 64, 112, 112, "max", (3, 3), (2, 2), (1, 1, 1, 1)))


def resnet18() -> Iterator[Layer]:
    """Those of ResNet-34 are the same."""
    yield resnet_stem()
    before, size = 64, 56
    for width in (64, 128, 256, 512):
        if width > before:
            yield conv(before, width, size, 3, 2)
            yield conv(before, width, size, 1, 2, epilogue=LINEAR)
            size //= 2
        yield conv(width, width, size, 3)
        yield conv(width, width, size, 3, epilogue=ADDED)
        yield Elementwise(1, width, size * size, ADDED)
        before = width
    yield Head(1, 512, 49, 1000)


def resnet50() -> Iterator[Layer]:
    yield resnet_stem()
    before, size = 64, 56
    for width in (64, 128, 256, 512):
        stride = 1 if width == 64 else 2
        yield conv(before, width, size, 1)
        yield conv(width, width, size, 3, stride)
        yield conv(before, 4 * width, size, 1, stride, epilogue=LINEAR)
        size //= stride
        yield conv(width, 4 * width, size, 1, epilogue=ADDED)
        yield conv(4 * width, width, size, 1)
        yield conv(width, width, size, 3)
        before = 4 * width
    yield Head(1, 2048, 49, 1000)


def plain50() -> Iterator[Layer]:
    """What ResNet-50 has besides once its shortcuts are gone: a block's last layer meets the next one's first."""
    for width, size in ((64, 56), (128, 28), (256, 14), (512, 7)):
        yield PointwisePair(conv(width, 4 * width, size, 1), conv(4 * width, width, size, 1))
        if width < 512:
            yield PointwisePair(conv(width, 4 * width, size, 1), conv(4 * width, 2 * width, size, 1))
            yield conv(2 * width, 2 * width, size, 3, 2)


def inverted_residuals(
    settings: tuple[tuple[int, int, int, int, int], ...], channels: int, size: int, same: bool
) -> Iterator[Layer]:
    """``settings``: expansion, filters, repeats, first stride, kernel."""
    for expansion, filters, repeats, first, kernel in settings:
        for repeat in range(repeats):
            wide, stride = channels * expansion, first if repeat == 0 else 1
            if expansion > 1:
                yield conv(channels, wide, size, 1, epilogue=RELU6)
            yield conv(wide, wide, size, kernel, stride, wide, RELU6, same)
            size = -(-size // stride)
            yield conv(wide, filters, size, 1, epilogue=Epilogue(add=repeat > 0))
            channels = filters


def mobilenet_v2() -> Iterator[Layer]:
    yield Stem(conv(3, 32, 224, 3, 2, epilogue=RELU6))
    settings = (
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3), (6, 160, 3, 2, 3),
        (6, 320, 1, 1, 3),
    )  # fmt: skip
    yield from inverted_residuals(settings, 32, 112, same=False)
    yield conv(320, 1280, 7, 1, epilogue=RELU6)
    yield Head(1, 1280, 49, 1000)


def efficientnet_lite0() -> Iterator[Layer]:
    """Padded as its TensorFlow original."""
    yield Stem(conv(3, 32, 224, 3, 2, epilogue=RELU6, same=True))
    settings = (
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    )  # fmt: skip
    yield from inverted_residuals(settings, 32, 112, same=True)
    yield conv(320, 1280, 7, 1, epilogue=RELU6)
    yield Head(1, 1280, 49, 1000)


def regnet_y_400mf() -> Iterator[Layer]:
    """Groups of 8 channels; the squeeze is a mean and two 1x1 convolutions of one pixel."""
    yield Stem(conv(3, 32, 224, 3, 2))
    before, size = 32, 112
    for width, depth in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for stride, channels in ((2, before), (1, width))[: min(depth, 2)]:
            yield conv(channels, width, size, 1)
            yield conv(width, width, size, 3, stride, width // 8)
            if stride == 2:
                yield conv(channels, width, size, 1, 2, epilogue=LINEAR)
            size //= stride
            yield Head(1, width, size * size, 0)
            yield conv(width, round(channels / 4), 1, 1)
            yield conv(round(channels / 4), width, 1, 1, epilogue=Epilogue("sigmoid"))
            yield Elementwise(1, width, size * size, LINEAR, "gate")
            yield conv(width, width, size, 1, epilogue=ADDED)
        before = width
    yield Head(1, 440, 49, 1000)


NETWORKS = (resnet18, resnet50, plain50, mobilenet_v2, efficientnet_lite0, regnet_y_400mf)


def all_layers() -> tuple[Layer, ...]:
    return tuple(dict.fromkeys(layer for network in NETWORKS for layer in network()))


def label(layer: Layer) -> str:
    """A short name for a layer, no other's within ``all_layers``."""
    match layer:
        case Stem():
            return f"stem-{label(layer.convolution)}" + ("-pool" if layer.pooling else "")
        case Convolution():
            kind = f"{layer.kernel[0]}x{layer.kernel[1]}s{layer.stride[0]}g{layer.groups}"
            padding = "-same" if layer.padding[0] != layer.padding[2] else ""
            added = "-add" if layer.epilogue.add else ""
            return f"{kind}-{layer.channels}-{layer.filters}-{layer.height}{padding}-{layer.epilogue.activation}{added}"
        case PointwisePair(first, second):
            return f"pair-{first.channels}-{first.filters}-{second.filters}-{first.height}"
        case Pooling():
            return f"{layer.kind}-{layer.channels}-{layer.height}"
        case Head():
            return f"head-{layer.channels}-{layer.pixels}-{layer.classes}"
        case Elementwise():
            return f"{layer.scale}-{layer.epilogue.activation}-{layer.channels}-{layer.pixels}"


def layers_of_bytes(types: NumericTypes) -> tuple[Workload, ...]:
    """The same layers as a quantised network has them: activations are bounds or tables, a sum comes behind them."""
    found = (each for layer in all_layers() for each in _of_bytes(layer))
    return tuple(dict.fromkeys(retyped(layer, types) for layer in found))


def _of_bytes(layer: Layer) -> Iterator[Workload]:
    match layer:
        case Stem(convolution, pooling):
            yield QuantizedStem(_bounded(convolution), pooling)
        case Head() if layer.classes and layer.pixels > 1:
            yield replace(layer, classes=0)
            yield replace(layer, pixels=1)
        case PointwisePair(first, second):
            yield PointwisePair(_bounded(first), _bounded(second))
        case Convolution() | Elementwise():
            yield _bounded(layer)
            if layer.epilogue.activation == "sigmoid":
                yield Lookup(1, layer.filters, layer.out_pixels)
        case _:
            yield layer


def _bounded(layer: Any) -> Any:
    bounded, added = layer.epilogue.activation in ("relu", "clip"), layer.epilogue.add
    return replace(layer, epilogue=Epilogue("clip" if bounded else "none", add=added, late=added))
