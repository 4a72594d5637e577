"""Oracles in numpy and float64: they agree with torch."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rdpass.kernels import reference
from rdpass.kernels.workload import (
    Convolution,
    Elementwise,
    Epilogue,
    Head,
    Places,
    PointwisePair,
    Pooling,
    Resizing,
    Stem,
)
from tests.kernels.numbers import numbers


@pytest.mark.parametrize("groups", [1, 3])
def test_the_convolution_oracle_agrees_with_torch(groups):
    conv = Convolution(2, 6, 9, 11, 8, (3, 2), (2, 1), (1, 2, 0, 1), (1, 3), groups)
    x, weights = numbers(0, 2, 6, 11, 8), numbers(1, 9, 6 // groups, 3, 2)
    padded = F.pad(torch.from_numpy(x).double(), (2, 1, 1, 0))
    wanted = F.conv2d(padded, torch.from_numpy(weights).double(), None, (2, 1), 0, (1, 3), groups)
    assert np.allclose(reference.sums(conv, x, weights), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize(("kind", "divisor"), [("max", 0), ("average", 0), ("average", 6)])
def test_the_pooling_oracle_agrees_with_torch(kind, divisor):
    x = numbers(0, 2, 3, 11, 8)
    pool = Pooling(2, 3, 11, 8, kind, (3, 2), (2, 1), (1, 1, 1, 1), divisor)
    given = torch.from_numpy(x).double()
    wanted = {
        "max": lambda: F.max_pool2d(given, (3, 2), (2, 1), 1),
        "average": lambda: F.avg_pool2d(given, (3, 2), (2, 1), 1, count_include_pad=bool(divisor)),
    }[kind]()
    assert np.allclose(reference.pooling(pool, (), [x]), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "wanted"),
    [
        ("relu", F.relu),
        ("clip", lambda t: F.hardtanh(t, -0.5, 0.75)),
        ("hard_swish", F.hardswish),
        ("hard_sigmoid", F.hardsigmoid),
        ("sigmoid", torch.sigmoid),
        ("silu", F.silu),
        ("prelu", lambda t: F.prelu(t, torch.tensor([0.25, -2.0]).double())),
    ],
)
def test_the_epilogue_oracle_agrees_with_torch(activation, wanted):
    total, other, bias = numbers(0, 1, 2, 5, 5) * 4, numbers(1, 1, 2, 5, 5), np.array([0.5, -1.0])
    table = [bias, np.array([0.25, -2.0])] if activation == "prelu" else [bias]
    got = reference.epilogue(Epilogue(activation, -0.5, 0.75), total.astype(np.float64), table, other)
    before = torch.from_numpy(total.astype(np.float64) + bias.reshape(1, 2, 1, 1) + other)
    assert np.allclose(got, wanted(before).numpy(), atol=1e-12)


@pytest.mark.parametrize("factors", [(2, 2), (3, 1)])
def test_pixels_of_a_window_are_those_of_torchs_shuffle(factors):
    """The same factor both ways is PixelShuffle with subpixels outermost."""
    down, across = factors
    conv = Convolution(2, 4, 3, 5, 6, (3, 3), padding=(1, 1, 1, 1), subpixel=factors)
    x, weights, bias = numbers(0, 2, 4, 5, 6), numbers(1, 3 * down * across, 4, 3, 3), numbers(2, 3 * down * across)
    got = reference.convolution(conv, (weights, [bias]), [x])
    whole = F.conv2d(*(torch.from_numpy(a).double() for a in (x, weights, bias)), padding=1).numpy()
    assert got.shape == (2, 3, 5 * down, 6 * across)
    for a in range(down):
        for b in range(across):
            phase = whole[:, (a * across + b) * 3 : (a * across + b + 1) * 3]
            assert np.allclose(got[:, :, a::down, b::across], phase, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_a_late_map_is_added_behind_the_activation(activation):
    total, other, bias = (numbers(seed, 1, 2, 5, 5).astype(np.float64) for seed in (0, 1, 2))
    late = reference.epilogue(Epilogue(activation, add=True, late=True), total, [bias[0, :, 0, 0]], other)
    alone = reference.epilogue(Epilogue(activation), total, [bias[0, :, 0, 0]])
    assert np.allclose(late, alone + other, atol=1e-15)


def test_bounds_of_each_channel_are_its_own_and_may_be_infinite():
    total = numbers(0, 3, 4, 5, 2).astype(np.float64) * 4
    low, high = np.array([-1, -np.inf, 0, -np.inf]), np.array([1, 0.5, np.inf, np.inf])
    got = reference.epilogue(Epilogue("channel_clip"), total, [np.zeros(4), low, high])
    assert np.array_equal(got, np.clip(total, low.reshape(1, 4, 1, 1), high.reshape(1, 4, 1, 1)))


@pytest.mark.parametrize(("size", "aligned"), [((10, 8), False), ((7, 9), False), ((9, 5), True), ((3, 2), False)])
def test_linear_resizing_agrees_with_torch(size, aligned):
    x = numbers(0, 2, 3, 5, 4)

    def places(given, wanted):
        return Places(given - 1, 0, wanted - 1) if aligned else Places(2 * given, given - wanted, 2 * wanted)

    work = Resizing(2, 3, 5, 4, *size, "linear", places(5, size[0]), places(4, size[1]))
    wanted = F.interpolate(torch.from_numpy(x).double(), size, mode="bilinear", align_corners=aligned)
    assert np.allclose(reference.resizing(work, (), [x]), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize("size", [(10, 8), (7, 9), (3, 2)])
def test_nearest_resizing_agrees_with_torch(size):
    x = numbers(0, 2, 3, 5, 4)
    work = Resizing(2, 3, 5, 4, *size, "nearest", Places(5, 0, size[0]), Places(4, 0, size[1]))
    wanted = F.interpolate(torch.from_numpy(x).double(), size, mode="nearest")
    assert np.array_equal(reference.resizing(work, (), [x]), wanted.numpy())


@pytest.mark.parametrize("averages", [True, False])
def test_a_head_agrees_with_torch(averages):
    x, bias = numbers(0, 2, 5, 3, 4), numbers(2, 7)
    weights = numbers(1, 7, 5 if averages else 60)
    given = torch.from_numpy(x).double()
    read = given.mean((2, 3)) if averages else given.flatten(1)
    wanted = F.linear(read, torch.from_numpy(weights).double(), torch.from_numpy(bias).double())
    got = reference.head(Head(2, 5, 12, 7, averages), ((weights, bias),), [x])
    assert np.allclose(got, wanted.numpy(), atol=1e-12)


def test_a_head_without_a_layer_is_the_means_as_a_map():
    x = numbers(0, 2, 5, 3, 4)
    got = reference.head(Head(2, 5, 12, 0), (None,), [x])
    assert got.shape == (2, 5, 1, 1)
    assert np.allclose(got[:, :, 0, 0], x.astype(np.float64).mean((2, 3)), atol=1e-15)


@pytest.mark.parametrize("scale", ["none", "constant", "gate"])
def test_a_map_is_scaled_before_its_epilogue(scale):
    x, other, bias = numbers(0, 2, 4, 5, 1), numbers(1, 2, 4, 5, 1), numbers(2, 4)
    gate, constant = numbers(3, 2, 4, 1, 1), numbers(4, 4)
    factor = {"none": 1.0, "constant": constant.reshape(1, 4, 1, 1).astype(np.float64), "gate": gate}[scale]
    work = Elementwise(2, 4, 5, Epilogue("relu", add=True), scale)
    rows = [bias, *([constant] if scale == "constant" else [])]
    got = reference.elementwise(work, (rows,), [x, *([gate] if scale == "gate" else []), other])
    assert np.allclose(got, np.maximum(x * factor + bias.reshape(1, 4, 1, 1) + other, 0), atol=1e-6)


def test_a_pair_and_a_stem_are_their_parts_one_behind_the_other():
    first = Convolution(1, 3, 4, 9, 7, (1, 1), epilogue=Epilogue("relu"))
    second = Convolution(1, 4, 2, 9, 7, (1, 1), epilogue=Epilogue(add=True))
    x, other, (a, b) = numbers(0, 1, 3, 9, 7), numbers(1, 1, 2, 9, 7), (numbers(2, 4, 3, 1, 1), numbers(3, 2, 4, 1, 1))
    rows = [numbers(4, 4)], [numbers(5, 2)]
    between = reference.convolution(first, (a, rows[0]), [x])
    whole = reference.pointwise_pair(PointwisePair(first, second), ((a, b), rows), [x, other])
    assert np.array_equal(whole, reference.convolution(second, (b, rows[1]), [between, other]))
    pool = Pooling(1, 4, 9, 7, "max", (3, 3), (2, 2), (1, 1, 1, 1))
    assert np.array_equal(reference.stem(Stem(first), (a, rows[0]), [x]), between)
    pooled = reference.stem(Stem(first, pool), (a, rows[0]), [x])
    assert np.array_equal(pooled, F.max_pool2d(torch.from_numpy(between), 3, 2, 1).numpy())
