"""Nodes as linear maps, against the nodes themselves; and the reason where one is none."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.graph.linear.linear_layers import constant_factor, linear_map
from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.linear.merge_convs import convolution
from tests.models import LayerScale, PaddedChannels, Scaled, seeded

X = torch.randn(2, 4, 9, 8)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def last_node(layer):
    model = seeded(lambda: nn.Sequential(layer if isinstance(layer, nn.Module) else Call(layer)))
    traced = trace(model, X)
    node = list(traced.module.graph.nodes)[-2]
    return model, traced.module, node, next(source for source in node.all_input_nodes if source.op != "get_attr")


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, 2, 1, groups=2), nn.Conv2d(4, 4, 3, padding="same", dilation=2),
        nn.Conv2d(4, 4, 3, padding="valid"), nn.Conv2d(4, 4, (2, 4), padding="same"),
        nn.Conv2d(4, 4, 3, 1, 1, padding_mode="circular"),
        nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.Dropout(0.5), nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1),
        nn.AvgPool2d(2, divisor_override=3), nn.MaxPool2d(1, 2), Scaled(-2.5), LayerScale(4),
        lambda x: F.avg_pool2d(x, 3, 1), lambda x: x[:, 1:3, ::2, ::2],
    ],
)  # fmt: skip
def test_the_map_gives_what_the_node_gives(layer):
    model, graph_module, node, source = last_node(layer)
    linear = linear_map(graph_module, node, source)
    with torch.no_grad():
        assert torch.allclose(convolution(linear, X)(X), model(X), atol=1e-5)


def test_zero_channels_before_and_after_are_a_map():
    model, graph_module, node, _ = last_node(PaddedChannels(1, 7, 1))
    linear = linear_map(graph_module, node, node.all_input_nodes[0])
    assert (linear.inputs, linear.outputs) == (4, 7)
    assert torch.equal(convolution(linear, X)(X), model(X))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.ReLU(), r"_0 \(ReLU\) is not linear"), (nn.MaxPool2d(2), "not linear"),
        (nn.AvgPool2d(3, 1, 1, count_include_pad=False), "divides by fewer"),
        (nn.AvgPool2d(2, ceil_mode=True), "cut off at the border"),
        (nn.Conv2d(4, 4, 2, padding="same", padding_mode="circular"), "more on one side"),
        (lambda x: x[:, :, 1:], "crops"),
        (lambda x: F.pad(x, (1, 1)), "otherwise than with zero channels"), (lambda x: x.sigmoid() * x, "not linear"),
    ],
)  # fmt: skip
def test_what_is_none_is_named_with_the_reason(layer, reason):
    _, graph_module, node, source = last_node(layer)
    with pytest.raises(NotExact, match=reason):
        linear_map(graph_module, node, source)


def test_a_factor_is_one_number_or_one_a_channel():
    for layer, expected in ((Scaled(-2.5), torch.full((4,), -2.5)), (LayerScale(4), torch.linspace(-1, 2, 4))):
        _, graph_module, node, source = last_node(layer)
        assert torch.allclose(constant_factor(graph_module, node, source), expected.double())

    class PerColumn(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(8))

        def forward(self, x):
            return x * self.factor

    _, graph_module, node, source = last_node(PerColumn())
    assert constant_factor(graph_module, node, source) is None
