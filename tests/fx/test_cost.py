import torch
from torch import nn

from rdpass.inspection import plan_of
from rdpass.passes.fx.dominance import immediate_dominators
from rdpass.tracing import trace
from tests.models import Residual, basic_block, conv_bn, seeded


def cost(model, *shape):
    return plan_of(trace(seeded(lambda: model), torch.randn(shape))).forecast


def test_macs_and_parameters_are_counted_by_hand():
    model = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1, groups=2), nn.Flatten(), nn.Linear(6 * 16, 10))
    forecast = cost(model, 1, 4, 8, 8)
    assert forecast.model.macs == 6 * 16 * 2 * 9 + 960
    assert forecast.model.parameters == 6 * 2 * 9 + 6 + 970


def test_a_shortcut_keeps_one_more_map_alive_than_the_plain_net_needs():
    forecast = cost(basic_block(4, 4), 1, 4, 8, 8)
    one = 4 * 64 * 4
    assert forecast.model.peak_activation_bytes == 3 * one
    assert forecast.plain.peak_activation_bytes == 2 * one
    assert forecast.model.macs == forecast.plain.macs


def test_a_wide_body_sets_the_peak_and_removal_gains_nothing():
    wide = Residual(nn.Sequential(*conv_bn(2, 12, 1), nn.ReLU6(), *conv_bn(12, 12, groups=12), *conv_bn(12, 2, 1)))
    model = nn.Sequential(nn.Conv2d(3, 2, 1), wide)
    forecast = cost(model, 1, 3, 8, 8)
    assert forecast.plain.peak_activation_bytes == 2 * 12 * 256
    assert forecast.model.peak_activation_bytes == forecast.plain.peak_activation_bytes + 2 * 256


def test_dominators_of_a_diamond_and_of_two_inputs():
    class Diamond(nn.Module):
        def forward(self, x, y):
            a = x * 2
            b = a.relu()
            c = a.sigmoid()
            return (b + c) + y

    graph = torch.fx.symbolic_trace(Diamond()).graph
    dominators = immediate_dominators(graph)
    found = {node.name: dominators[node].name if dominators[node] else None for node in dominators}
    assert found == {"x": None, "y": None, "mul": "x", "relu": "mul", "sigmoid": "mul", "add": "mul", "add_1": None,
                     "output": "add_1"}  # fmt: skip
