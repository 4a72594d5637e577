"""What a node is to the kernel that computes it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.analysis.memory.kernel_kinds import is_conv_padding, kernel_kind
from tests.models import seeded


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def last(*layers):
    layers = [layer if isinstance(layer, nn.Module) else Call(layer) for layer in layers]
    traced = trace(seeded(lambda: nn.Sequential(*layers)), torch.rand(1, 4, 8, 8) + 0.5)
    return traced.module, list(traced.module.graph.nodes)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Conv2d(4, 4, 3), "conv"), (nn.Conv2d(4, 8, 1), "pointwise_conv"), (nn.Conv2d(4, 8, 1, 2), "conv"),
        (nn.Conv2d(4, 8, 1, padding=1), "conv"), (nn.Conv2d(4, 4, 1, groups=2), "grouped_conv"),
        (nn.Conv2d(4, 4, 3, padding="same"), "conv"), (nn.ConvTranspose2d(4, 4, 2), "conv_transpose"),
        (nn.BatchNorm2d(4), "elementwise"), (nn.SiLU(), "elementwise"), (torch.exp, "elementwise"),
        (lambda x: x * 2, "elementwise"), (lambda x: x.pow(2), "elementwise"), (lambda x: x + 1, "add"),
        (nn.MaxPool2d(2), "window_pool"), (nn.AdaptiveAvgPool2d(1), "pool"), (lambda x: x.mean((2, 3)), "pool"),
        (lambda x: F.max_pool2d(x, 2), "window_pool"), (lambda x: F.avg_pool2d(x, 2), "window_pool"),
        (nn.GroupNorm(2, 4), "other_norm"), (nn.PixelShuffle(2), "rearrange"),
    ],
)  # fmt: skip
def test_fusion_asks_for_more_than_the_census(layer, kind):
    graph_module, nodes = last(layer)
    assert kernel_kind(graph_module, nodes[-2]) == kind


@pytest.mark.parametrize(
    ("pad", "then", "expected"),
    [
        (nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3), True), (nn.ZeroPad2d(1), nn.MaxPool2d(2), False),
        (nn.ConstantPad2d(1, 0.5), nn.Conv2d(4, 4, 3), False), (nn.ReLU(), nn.Conv2d(4, 4, 3), False),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), nn.Conv2d(4, 4, 3), False),
    ],
)  # fmt: skip
def test_only_zeros_that_convolutions_alone_read_are_padding_of_theirs(pad, then, expected):
    graph_module, nodes = last(pad, then)
    assert is_conv_padding(graph_module, nodes[1]) is expected
