"""Layers that give more pixels than they read: one kernel each, whatever kernel, stride and padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.verification import verify
from rdpass.onnx.export import export_onnx
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked

FITTING: dict[str, dict[str, Any]] = {
    "2x2, stride 2": {"kernel": (2, 2), "strides": [2, 2]},
    "3x3, stride 2, output padded": {
        "kernel": (3, 3), "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]
    },
    "4x4, stride 2": {"kernel": (4, 4), "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "4x4, stride 4": {"kernel": (4, 4), "strides": [4, 4]},
    "3x3, stride 1": {"kernel": (3, 3), "strides": [1, 1], "pads": [1, 1, 1, 1]},
    "1x1, stride 2, output padded": {"kernel": (1, 1), "strides": [2, 2], "output_padding": [1, 1]},
    "6x3, strides 3 and 1": {"kernel": (6, 3), "strides": [3, 1], "pads": [2, 0, 1, 2]},
}  # fmt: skip
OTHERS: dict[str, dict[str, Any]] = {
    "an extent that is no multiple": {"kernel": (3, 3), "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "groups": {"kernel": (2, 2), "strides": [2, 2], "group": 2},
    "dilation": {"kernel": (2, 2), "strides": [2, 2], "dilations": [2, 2], "output_padding": [1, 1]},
    "a border cut off": {"kernel": (2, 2), "strides": [2, 2], "pads": [2, 2, 2, 2]},
}


@pytest.mark.parametrize("form", FITTING)
def test_a_transposed_convolution_and_what_follows_it_is_one_kernel(form: str) -> None:
    net = Net((1, 6, 5, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    x = net.relu(net.transposed(x, 10, 6, **FITTING[form]))
    lowered, called = lower_checked(net, net.conv(x, 6, 4))
    assert len(called) == 3 + 2  # and a change of layout at either end
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


@pytest.mark.parametrize("form", OTHERS)
def test_what_has_no_phases_of_one_size_keeps_its_value(form: str) -> None:
    net = Net((1, 6, 5, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    lowered, _ = lower_checked(net, net.conv(net.relu(net.transposed(x, 10, 6, **OTHERS[form])), 6, 4))
    assert any("conv2d_transpose" in f.function for f in find_fallbacks(lowered))


def test_a_skip_is_added_where_the_pixels_go() -> None:
    net = Net((1, 6, 10, 6))
    large = net.relu(net.conv("x0", 6, 10, 3))
    small = net.relu(net.conv(large, 10, 12, 3, stride=2))
    x = net.relu(net.add(net.transposed(small, 12, 10, **FITTING["4x4, stride 2"]), large))
    _, called = lower_checked(net, net.conv(x, 10, 4, 3))
    assert len(called) == 4 + 2


def shuffle(net: Net, x: str, mode: str, factor: int) -> str:
    return net.node("DepthToSpace", x, blocksize=factor, mode=mode)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("mode", ["CRD", "DCR"])
def test_channels_shuffled_into_pixels_are_written_there_by_their_layer(mode: str, factor: int, bias: bool) -> None:
    net = Net((1, 6, 5, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    x = net.node(
        "PRelu", shuffle(net, net.conv(x, 10, 6 * factor**2, 3, bias=bias), mode, factor), net.numbers(6, 1, 1)
    )
    lowered, called = lower_checked(net, net.conv(x, 6, 3, 3))
    assert len(called) == 3 + 2
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def test_a_map_that_is_read_before_it_is_shuffled_or_is_activated_first_stays_a_map() -> None:
    net = Net((1, 6, 5, 7))
    read = net.conv("x0", 6, 16, 3)
    first = net.conv(shuffle(net, read, "CRD", 2), 4, 4)
    second = net.conv(shuffle(net, net.relu(net.conv("x0", 6, 16, 3)), "CRD", 2), 4, 4)
    lower_checked(net, net.add(first, second), net.conv(read, 16, 4))


def test_a_reshape_that_only_looks_like_a_shuffle_keeps_its_value() -> None:
    net = Net((1, 6, 4, 4))
    x = net.conv("x0", 6, 16, 3)
    for axes in ([0, 2, 4, 3, 5, 1], [0, 1, 5, 2, 4, 3]):
        apart = net.node("Reshape", x, net.constant(np.array([1, 4, 2, 2, 4, 4], np.int64)))
        turned = net.node("Transpose", apart, perm=axes)
        whole = net.node("Reshape", turned, net.constant(np.array([1, 16, 4, 4], np.int64)))
        x = net.conv(whole, 16, 16)
    _, called = lower_checked(net, x)
    assert kinds_of(called)


class SuperResolution(nn.Module):
    """A residual body, pixels shuffled in, and a transposed convolution at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.a, self.b = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.up = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(8))
        self.last = nn.ConvTranspose2d(8, 3, 4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = x + self.b(torch.relu(self.a(x)))
        y: torch.Tensor = self.last(self.up(x))
        return y


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["vm", "none"])
def test_a_super_resolution_network_goes_the_whole_road(runtime: Any, tmp_path: Any) -> None:
    torch.manual_seed(0)
    onnx = export_onnx(SuperResolution().eval(), (torch.randn(1, 3, 11, 9),), tmp_path / "net.onnx")
    bundle = compile(onnx, target="rpi4", out=tmp_path / "net.rdp", runtime=runtime)
    assert verify(bundle.folder).error <= 1e-5
    assert all(fallback["operations"] == 0 for fallback in bundle.manifest.fallbacks)
