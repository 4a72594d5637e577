"""Functional layers become modules that hold the very parameters, whatever they were spelled as."""

import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.functionalise import functionalise
from rdpass.passes.graph.lift_layers import lift_layers
from rdpass.passes.graph.node_kinds import callee
from tests.models import seeded, small_resnet
from tests.passes.graph.kinds import kinds
from tests.support import Untouched, error_between


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.Parameter(torch.randn(4))
        self.norm, self.fc = nn.BatchNorm2d(4), nn.Parameter(torch.randn(2, 4))

    def forward(self, x):
        x = F.conv2d(x, self.weight, self.bias, stride=2, padding=(1, 0))
        n = self.norm
        x = F.batch_norm(x, n.running_mean, n.running_var, n.weight, n.bias, False, 0.1, 1e-3)
        x = F.leaky_relu(F.relu6(x), 0.3)
        return F.linear(x.mean((2, 3)).tanh(), self.fc)


def test_functional_layers_become_modules_that_hold_the_same_parameters():
    model = seeded(Functional)
    traced = functionalise(torch.fx.symbolic_trace(model))
    annotate(traced, (torch.randn(1, 3, 8, 8),))
    before = Untouched(traced)
    result = lift_layers(traced)
    before.check()
    assert kinds(result) == [
        "placeholder", "conv", "batch_norm", "activation", "activation", "pool", "activation", "linear", "output",
    ]  # fmt: skip
    assert error_between(result, model, torch.randn(2, 3, 8, 8)) == 0
    assert sum(p.numel() for p in result.parameters()) == sum(p.numel() for p in model.parameters())
    names = result.state_dict().keys()
    assert {name.rpartition(".")[0] for name in names} == {"conv2d", "batch_norm", "linear"}  # each tensor once


def test_the_other_order_of_batch_norms_arguments_is_understood_too():
    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            n = self.norm
            return torch.batch_norm(x, n.weight, n.bias, n.running_mean, n.running_var, False, 0.1, 1e-3, False)

    model = seeded(Raw)
    traced = trace(model, torch.randn(1, 3, 4, 4))
    assert kinds(traced.module) == ["placeholder", "batch_norm", "output"]
    assert isinstance(next(traced.module.children()), nn.BatchNorm2d)
    assert error_between(traced.module, model, torch.randn(2, 3, 4, 4)) <= 1e-6


def test_a_convolution_whose_weight_depends_on_the_input_stays_a_function():
    class Dynamic(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

        def forward(self, x):
            return F.conv2d(x, self.weight * x.mean())

    traced = trace(Dynamic(), torch.randn(1, 3, 8, 8))
    assert any(node.op == "call_function" and callee(node) == "conv2d" for node in traced.module.graph.nodes)


def test_an_exported_graph_becomes_the_same_canonical_graph():
    from rdpass.capture.programs import export_program, unpack_program

    model = seeded(small_resnet)
    x = torch.randn(1, 3, 9, 9)
    direct = trace(model, x)
    again = trace(unpack_program(export_program(model, (x,))), x)
    assert kinds(again.module) == [kind for kind in kinds(direct.module) if kind != "pass"]
