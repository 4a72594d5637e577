"""Random networks for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st
from torch import nn

from tests.models import Residual, SqueezeExcite


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
