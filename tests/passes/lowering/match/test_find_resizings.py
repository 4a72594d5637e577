"""Maps at other extents: every form that torch exports is a kernel, its numbers ONNX Runtime's, and copies nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.verification import verify
from rdpass.onnx.export import export_onnx
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked

WIDTH = 16  # whole blocks of any vector
NEAREST = {"mode": "nearest"}
EXACT = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}
FORMS = {
    "nearest": {**NEAREST, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest exact": EXACT,
    "nearest, halves up": {**EXACT, "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "bilinear of torch": {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
    "bilinear, corners aligned": {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    "bilinear, asymmetric": {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
}


def resized(net: Net, x: str, size: tuple[int, int], channels: int = WIDTH, **form: str) -> str:
    wanted = net.constant(np.array([1, channels, *size], np.int64))
    return net.node("Resize", x, "", "", wanted, **form)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_kernel_whatever_the_factor(form: str) -> None:
    net = Net((1, 6, 7, 5))
    x = net.relu(net.conv("x0", 6, 10, 3))
    sizes = (14, 10), (21, 20), (7, 9), (17, 13), (4, 2)
    maps = [net.conv(resized(net, x, size, 10, **FORMS[form]), 10, 4) for size in sizes]
    lowered, called = lower_checked(net, *maps)
    kinds = [kind for kind in kinds_of(called) if kind in ("nearest", "linear")]
    assert kinds == [FORMS[form]["mode"]] * len(sizes)
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def test_a_map_upsampled_and_joined_is_written_to_where_the_whole_lies() -> None:
    net = Net((1, 3, 24, 24))
    large = net.relu(net.conv("x0", 3, WIDTH, 3, stride=2))
    small = net.relu(net.conv(large, WIDTH, WIDTH, 3, stride=2))
    whole = net.node("Concat", resized(net, small, (12, 12), **FORMS["nearest"]), large, axis=1)
    _, called = lower_checked(net, net.conv(net.relu(net.conv(whole, 2 * WIDTH, WIDTH, 3)), WIDTH, 4))
    assert not {"concatenate", "blocked"} & set(kinds_of(called))


def test_a_lateral_layer_adds_the_map_that_was_upsampled_for_it() -> None:
    """A feature pyramid's step is two kernels."""
    net = Net((1, 3, 24, 24))
    large = net.relu(net.conv("x0", 3, WIDTH, 3, stride=2))
    small = net.relu(net.conv(large, WIDTH, WIDTH, 3, stride=2))
    upsampled = resized(net, small, (12, 12), **FORMS["nearest"])
    x = net.add(net.conv(large, WIDTH, WIDTH), upsampled)
    _, called = lower_checked(net, net.conv(x, WIDTH, 4, 3))
    assert kinds_of(called)[-4:-1] == ["nearest", "pointwise", kinds_of(called)[-2]]


def test_what_no_kernel_computes_keeps_its_value() -> None:
    """A cubic form, and the network's own input."""
    net = Net((1, 4, 9, 8))
    x = net.relu(net.conv(resized(net, "x0", (18, 16), 4, **FORMS["nearest"]), 4, 10, 3))
    cubic = {"mode": "cubic", "coordinate_transformation_mode": "half_pixel"}
    lower_checked(net, net.conv(resized(net, x, (20, 20), 10, **cubic), 10, 4, 3))


class Segmentation(nn.Module):
    """An encoder, a decoder with skips, in the three ways that torch users upsample."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)])
        self.up = nn.ModuleList([nn.Conv2d(48, 16, 3, 1, 1), nn.Conv2d(24, 8, 3, 1, 1)])
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for layer in self.down:
            x = F.silu(layer(x))
            maps.append(x)
        x = F.interpolate(x, size=maps[1].shape[2:], mode="nearest")
        x = F.silu(self.up[0](torch.cat((x, maps[1]), 1)))
        x = F.interpolate(x, size=maps[0].shape[2:], mode="bilinear", align_corners=True)
        x = F.silu(self.up[1](torch.cat((x, maps[0]), 1)))
        return F.interpolate(self.head(x), scale_factor=2, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("runtime", ["vm", "none"])
@pytest.mark.slow
def test_a_segmentation_network_goes_the_whole_road(runtime: Any, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = Segmentation().eval()
    onnx = export_onnx(model, (torch.randn(1, 3, 22, 26),), tmp_path / "net.onnx")
    bundle = compile(onnx, target="rpi4", out=tmp_path / "net.rdp", runtime=runtime)
    assert verify(bundle.folder).error <= 1e-5
    assert all(fallback["operations"] == 0 for fallback in bundle.manifest.fallbacks)
