"""Random networks for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st
from torch import nn

from tests.models import Branches, LayerScale, PaddedChannels, Residual, Scaled, SqueezeExcite


@st.composite
def blocks(draw):
    """A residual block of one to three convolutions whose map keeps the shortcut's shape."""
    channels, width = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    count = draw(st.integers(1, 3))
    stride = draw(st.sampled_from([1, 1, 2]))
    bias = draw(st.booleans())
    activation = draw(st.sampled_from([nn.ReLU, nn.ReLU6, nn.PReLU, lambda: nn.Hardtanh(-2, 3)]))
    layers: list[nn.Module] = []
    before = channels
    out = channels if stride == 1 and draw(st.booleans()) else draw(st.integers(1, 5))
    for index in range(count):
        after = out if index == count - 1 else width
        kernel, dilation = draw(st.sampled_from([(1, 1), (3, 1), (5, 1), (3, 2)]))
        padding = dilation * (kernel - 1) // 2
        depthwise = 0 < index < count - 1 and draw(st.booleans())
        groups = before if depthwise else 1
        layers.append(nn.Conv2d(before, after, kernel, stride if index == 0 else 1, padding, dilation, groups, bias))
        if draw(st.booleans()):
            layers.append(nn.BatchNorm2d(after))
        if index < count - 1:
            layers.append(activation())
        before = after
    plain = stride == 1 and out == channels
    shortcut = None if plain else nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=bias), nn.BatchNorm2d(out))
    after_add = nn.ReLU() if draw(st.booleans()) else None
    sizes = (draw(st.integers(1, 3)), channels, draw(st.integers(4, 9)), draw(st.integers(4, 9)))
    return Residual(nn.Sequential(*layers), shortcut, after_add), sizes, draw(st.integers(0, 99))


@st.composite
def wide_blocks(draw):
    """A bottleneck-like block: stride in the middle, grouped inside, perhaps pre-activated or with a gate."""
    channels, width = draw(st.integers(1, 5)), 2 * draw(st.integers(1, 4))
    stride, out = draw(st.sampled_from([1, 2, 3])), draw(st.integers(1, 5))
    kernel = draw(st.sampled_from([1, 3, 5]))
    groups = draw(st.sampled_from([1, 2, width]))
    activation = draw(st.sampled_from([nn.ReLU, nn.ReLU6, nn.SiLU]))
    start = [nn.BatchNorm2d(channels), activation()] if draw(st.booleans()) else []
    gate = [SqueezeExcite(width)] if draw(st.booleans()) else []
    body = nn.Sequential(
        *start, nn.Conv2d(channels, width, 1, bias=draw(st.booleans())), nn.BatchNorm2d(width), activation(),
        nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=groups), activation(), *gate,
        nn.Conv2d(width, out, 1), nn.BatchNorm2d(out),
    )  # fmt: skip
    same = stride == 1 and out == channels
    shortcut = None if same else nn.Conv2d(channels, out, 1, stride)
    sizes = (draw(st.integers(1, 3)), channels, draw(st.integers(4, 9)), draw(st.integers(4, 9)))
    return Residual(body, shortcut, nn.ReLU() if draw(st.booleans()) else None), sizes, draw(st.integers(0, 99))


ACTIVATIONS = (
    lambda channels: nn.ReLU(),
    lambda channels: nn.ReLU6(),
    lambda channels: nn.PReLU(channels),
    lambda channels: nn.PReLU(),
    lambda channels: nn.LeakyReLU(0.1),
    lambda channels: nn.Hardtanh(-2, 3),
    lambda channels: nn.Hardswish(),
    lambda channels: nn.SiLU(),
    lambda channels: nn.GELU(),
    lambda channels: nn.ELU(),
)
MODES = ("zeros", "zeros", "zeros", "reflect", "replicate", "circular")


@st.composite
def norms(draw, channels):
    """Nothing, or a batch norm: with its own eps, affine or not. Its statistics are ``tests.models.seeded``'s."""
    kind = draw(st.sampled_from(["none", "plain", "eps", "fixed"]))
    if kind == "none":
        return []
    return [nn.BatchNorm2d(channels, eps=1e-2 if kind == "eps" else 1e-5, affine=kind != "fixed")]


@st.composite
def convolutions(draw, before, after, stride=1, messy=False):
    """A convolution that keeps positions (a messy one may not): any kernel, groups, dilation, padding mode, bias."""
    kernel, dilation = draw(st.sampled_from([(1, 1), (3, 1), (5, 1), (3, 2)]))
    groups = draw(st.sampled_from([g for g in range(1, before + 1) if before % g == 0 and after % g == 0]))
    padding = dilation * (kernel - 1) // 2
    mode = draw(st.sampled_from(MODES)) if padding <= 2 else "zeros"
    if mode == "reflect" and padding > 1:  # wider than what is left of the smallest maps behind a stride
        mode = "replicate"
    if messy:
        padding += draw(st.sampled_from([0, 0, 0, 1, -1])) if padding else 0
        kernel += draw(st.sampled_from([0, 0, 1])) if kernel > 1 and mode == "zeros" else 0
    return nn.Conv2d(
        before, after, kernel, stride, padding, dilation, groups, bias=draw(st.booleans()), padding_mode=mode
    )


@st.composite
def shortcuts(draw, channels, out, stride):
    """None for the identity where that fits, or one that is linear."""
    plain = stride == 1 and channels == out
    kinds = ["projection", "projection"] + (["identity"] * 4 + ["norm", "scale"] if plain else [])
    kinds += ["pooled", "pooled-after"] if stride == 2 else []
    kinds += ["padded"] if out > channels else []
    kind = draw(st.sampled_from(kinds))
    bias = draw(st.booleans())
    if kind == "identity":
        return None
    if kind == "norm":
        return nn.BatchNorm2d(channels)
    if kind == "scale":
        return Scaled(draw(st.sampled_from([0.2, -1.5])))
    if kind == "padded":
        return PaddedChannels(draw(st.integers(0, out - channels)), out, stride)
    pool = nn.AvgPool2d(2, 2, ceil_mode=draw(st.booleans()), count_include_pad=False)
    conv = nn.Conv2d(channels, out, 1, 1 if kind.startswith("pooled") else stride, bias=bias)
    layers = [conv, *draw(norms(out))]
    return nn.Sequential(*{"pooled": [pool, *layers], "pooled-after": [*layers, pool]}.get(kind, layers))


@st.composite
def exact_blocks(draw, messy=False):
    """A residual block of any make that the exact recipes know, with a shape to feed it and a seed.

    Up to three convolutions, pre-activated or not, gated, scaled, with an activation before the add or after it.
    """
    channels, width, count = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    stride = draw(st.sampled_from([1, 1, 1, 2]))
    out = channels if stride == 1 and draw(st.booleans()) else draw(st.integers(1, 5))
    shortcut = draw(shortcuts(channels, out, stride))
    pooled = shortcut is not None and any(isinstance(m, nn.AvgPool2d) for m in shortcut.modules())
    strided = draw(st.integers(0, count - 1)) if not pooled else count - 1
    layers: list[nn.Module] = []
    lead = draw(st.sampled_from(["none", "none", "none", "norm", "norm-activation", "activation"]))
    layers += [nn.BatchNorm2d(channels)] if "norm" in lead else []
    layers += [draw(st.sampled_from(ACTIVATIONS))(channels)] if "activation" in lead else []
    before = channels
    for index in range(count):
        after = out if index == count - 1 else width
        if pooled and index == strided:
            layers.append(nn.Conv2d(before, after, draw(st.sampled_from([2, 4])), 2, 0))
            layers[-1].padding = ((layers[-1].kernel_size[0] - 2) // 2,) * 2
            layers[-1]._reversed_padding_repeated_twice = [layers[-1].padding[0]] * 4
        else:
            layers.append(draw(convolutions(before, after, stride if index == strided else 1, messy)))
        layers += draw(norms(after))
        if index < count - 1 or draw(st.integers(0, 3)) == 0:
            layers.append(draw(st.sampled_from(ACTIVATIONS))(after))
        if draw(st.integers(0, 3)) == 0:
            layers.append(SqueezeExcite(after, draw(st.sampled_from([nn.Sigmoid, nn.Hardsigmoid]))))
        before = after
    if draw(st.integers(0, 3)) == 0:
        layers.append(LayerScale(out))
    after_add = draw(st.sampled_from([None, None, nn.ReLU(), nn.ReLU6()]))
    even = 2 if pooled else 1
    sizes = (
        draw(st.integers(1, 3)),
        channels,
        *(even * draw(st.integers(4, 9) if even == 1 else st.integers(3, 5)) for _ in "hw"),
    )
    first = draw(st.sampled_from([None, nn.ReLU()]))
    block = Residual(nn.Sequential(*layers), shortcut, after_add)
    return nn.Sequential(first, block) if first is not None else block, sizes, draw(st.integers(0, 99))


@st.composite
def linear_branches(draw):
    """Up to four linear branches added up, some of them the identity, a batch norm, a pool or two layers deep."""
    channels, out, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.sampled_from([1, 2]))
    if draw(st.booleans()):
        channels, stride = out, 1
    branches: list[nn.Module] = []
    for _ in range(draw(st.integers(2, 4))):
        kinds = ["conv", "conv", "conv-1x1"] + (["identity", "norm", "pool"] if channels == out and stride == 1 else [])
        kind = draw(st.sampled_from(kinds))
        conv = draw(convolutions(channels, out, stride))
        conv.padding_mode = "zeros"
        branches.append({
            "identity": nn.Identity(),
            "norm": nn.BatchNorm2d(channels),
            "pool": nn.AvgPool2d(3, 1, 1),
            "conv": nn.Sequential(conv, *draw(norms(out))),
            "conv-1x1": nn.Sequential(conv, nn.Conv2d(out, out, 1, bias=draw(st.booleans())), *draw(norms(out))),
        }[kind])  # fmt: skip
    branches.insert(draw(st.integers(0, len(branches))), draw(convolutions(channels, out, stride)))
    for branch in branches:
        for module in branch.modules():
            if isinstance(module, nn.Conv2d):
                module.padding_mode = "zeros"
    sizes = (draw(st.integers(1, 3)), channels, draw(st.integers(4, 9)), draw(st.integers(4, 9)))
    return Branches(*branches), sizes, draw(st.integers(0, 99))
