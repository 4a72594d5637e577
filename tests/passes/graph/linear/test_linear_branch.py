"""A stretch of a graph as one map, however it branches."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.graph.linear.linear_branch import linear_between
from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.linear.merge_convs import convolution
from tests.models import LayerScale, conv_bn, seeded

X = torch.randn(2, 4, 7, 6, dtype=torch.float64)


class Branching(nn.Module):
    """γ (a(x) − (b(x) − x)), all of it linear."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.scale = conv_bn(4, 4), conv_bn(4, 4, 1), LayerScale(4)

    def forward(self, x):
        return self.scale(self.a(x) - (self.b(x) - x))


def ends(model):
    traced = trace(seeded(lambda: model).double(), X)
    nodes = list(traced.module.graph.nodes)
    return traced.module, nodes[0], nodes[-2]


def test_sums_and_differences_of_branches_are_one_convolution():
    model = Branching()
    graph_module, fork, end = ends(model)
    linear = linear_between(graph_module, fork, end)
    assert linear.kernel == (3, 3)
    with torch.no_grad():
        assert torch.allclose(convolution(linear, X)(X), model(X), atol=1e-10)


def test_from_a_node_to_itself_leads_the_identity():
    graph_module, fork, _ = ends(Branching())
    linear = linear_between(graph_module, fork, fork)
    assert torch.equal(convolution(linear, X)(X), X)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.Sequential(*conv_bn(4, 4), nn.ReLU(), nn.Conv2d(4, 4, 1)), r"_2 \(ReLU\) is not linear"),
        (nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, padding=1)), "at the borders"),
    ],
)
def test_the_first_thing_that_is_not_linear_is_named(model, reason):
    with pytest.raises(NotExact, match=reason):
        linear_between(*ends(model))


def test_a_product_of_two_branches_is_not_linear():
    class Square(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return self.conv(x) * x

    with pytest.raises(NotExact, match=r"mul \(mul\) is not linear"):
        linear_between(*ends(Square()))
