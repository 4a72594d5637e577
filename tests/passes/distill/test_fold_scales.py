"""Products with a constant fold into the layer before them, or are reset."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.fold_scales import fold_scales, reset_scales
from rdpass.passes.graph.node_kinds import kind_of
from tests.models import LayerScale, Residual, Scaled, conv_bn, seeded
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 6, 6)


class Viewed(nn.Module):
    """gamma as a vector, viewed as a map at every call; ``x / gamma`` where ``divides``."""

    def __init__(self, channels, divides=False):
        super().__init__()
        self.gamma, self.divides = nn.Parameter(torch.linspace(1, 2, channels)), divides

    def forward(self, x):
        gamma = self.gamma.view(1, -1, 1, 1)
        return x / gamma if self.divides else x * gamma


class Reciprocal(nn.Module):
    def forward(self, x):
        return 1.0 / (x.abs() + 1)


def kinds(graph_module):
    return [kind_of(node) for node in graph_module.graph.nodes]


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(3, 4, 3), LayerScale(4)), (nn.Conv2d(3, 4, 3, bias=False), Scaled(-0.5)),
        (*conv_bn(3, 4), Viewed(4)), (nn.Conv2d(3, 4, 3), Viewed(4, divides=True)),
        (nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, affine=False), LayerScale(3)),
        (nn.Flatten(), nn.Linear(108, 5), Scaled(3.0)),
    ],
)  # fmt: skip
def test_a_scale_behind_a_layer_is_gone_and_the_values_are_kept(layers):
    model = seeded(lambda: nn.Sequential(*layers))
    traced = trace(model, X)
    before = Untouched(traced.module)
    folded = fold_scales(traced.module)
    assert not {"mul", "div"} & set(kinds(folded))
    assert error_between(folded, model, X) <= 1e-6
    before.check()


def test_a_product_behind_what_is_no_layer_by_what_is_no_constant_per_channel_or_of_a_layer_read_twice_stays():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            y = self.conv(x)
            return y * 2.0 + y

    class PerPosition(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.rand(6, 6))

        def forward(self, x):
            return x * self.factor

    kept = (
        [nn.ReLU(), Scaled(2.0)],
        [Twice()],
        [nn.Conv2d(3, 3, 1), PerPosition()],
        [nn.Conv2d(3, 3, 1), Reciprocal()],
    )
    for layers in kept:
        model = seeded(lambda layers=layers: nn.Sequential(*layers))
        folded = fold_scales(trace(model, X).module)
        assert {"mul", "div"} & set(kinds(folded))
        assert error_between(folded, model, X) <= 1e-6


class StochasticDepth(nn.Module):
    """Of the name by which torchvision has it; in eval mode it does nothing."""

    def forward(self, x):
        return x * (torch.rand(()) < 0.5) if self.training else x


def test_stochastic_depth_between_a_layer_and_its_scale_goes_with_it():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 1), StochasticDepth(), Scaled(2.0)))
    folded = fold_scales(trace(model, X, leaf=["1"]).module)
    assert kinds(folded) == ["placeholder", "conv", "output"]
    assert error_between(folded, model, X) <= 1e-6


def test_reset_scales_leave_the_layers_numbers_and_go_in_the_named_bodies_alone():
    body = nn.Sequential(*conv_bn(3, 3), LayerScale(3))
    model = seeded(lambda: nn.Sequential(Residual(body), nn.Conv2d(3, 3, 1), LayerScale(3)))
    traced = trace(model, X)
    reset = reset_scales(traced.module, plan_of(traced).regions)
    assert kinds(reset).count("mul") == 1
    assert torch.equal(reset.get_submodule("0.body.1").weight, body[1].weight)
    wanted = nn.Sequential(Residual(body[:2]), *model[1:])
    assert error_between(reset, wanted, X) <= 1e-6
