"""functionalise, bake_weights, lift_layers, absorb_padding, fold_batch_norm: the same numbers in fewer forms."""

import operator
from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.bake_weights import bake_weights
from rdpass.passes.graph.fold_batch_norm import fold_batch_norm
from rdpass.passes.graph.functionalise import functionalise
from rdpass.passes.graph.lift_layers import lift_layers
from rdpass.passes.graph.node_kinds import callee, kind_of
from tests.models import OverwrittenFork, PreActivation, SharedInPlace, SharedLayer, conv_bn, seeded, small_resnet
from tests.support import Untouched, error_between


def kinds(graph_module):
    return [kind_of(node) for node in graph_module.graph.nodes]


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, 1, 1)

    def forward(self, x):
        y = self.conv(x)
        z = y.mul(2)
        y.add_(z, alpha=3)
        y += 1
        y.clamp_(min=-1).sigmoid_()
        torch.relu_(y)
        return torch.add(y, z, alpha=0.5)


@pytest.mark.parametrize("model", [InPlace(), OverwrittenFork(), PreActivation(3), SharedInPlace()])
def test_nothing_in_place_is_left_and_the_values_are_those_of_the_overwritten_tensors(model):
    model = seeded(lambda: model)
    traced = torch.fx.symbolic_trace(model)
    before = Untouched(traced)
    result = functionalise(traced)
    assert error_between(result, model, torch.randn(2, 3, 8, 8)) <= 1e-6
    before.check()
    assert not any(callee(n).endswith("_") for n in result.graph.nodes if n.op in ("call_method", "call_function"))
    assert not any(getattr(module, "inplace", False) for module in result.modules())


def test_every_spelling_of_add_is_one():
    result = functionalise(torch.fx.symbolic_trace(InPlace()))
    adds = [node for node in result.graph.nodes if kind_of(node) == "add"]
    assert len(adds) == 3
    assert all(node.target is operator.add and len(node.args) == 2 and not node.kwargs for node in adds)


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


class Standardised(nn.Conv2d):
    """Its weight is computed anew at every call, as weight-standardised and normaliser-free networks have it."""

    def __init__(self, before, after):
        super().__init__(before, after, 3, padding=1)
        self.gain = nn.Parameter(torch.rand(after, 1, 1, 1) + 0.5)

    def forward(self, x):
        w = self.weight
        rows = F.batch_norm(w.flatten(1)[None], None, None, self.gain.flatten() * 2, training=True)
        w = rows.reshape_as(w) + w.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, w, self.bias * 2, self.stride, self.padding)


def test_weights_that_are_computed_from_parameters_alone_are_baked_in():
    model = seeded(lambda: nn.Sequential(Standardised(3, 4), nn.ReLU(), Standardised(4, 4)))
    graph = functionalise(torch.fx.symbolic_trace(model))
    before = Untouched(graph)
    baked = bake_weights(graph)
    before.check()
    traced = trace(model, torch.randn(1, 3, 8, 8))
    assert kinds(traced.module) == ["placeholder", "conv", "activation", "conv", "output"]
    assert Counter(map(type, traced.module.children())) == {nn.Conv2d: 2, nn.ReLU: 1}
    assert len(list(traced.module.parameters())) == 4
    assert all(error_between(g, model, torch.randn(2, 3, 8, 8)) == 0 for g in (baked, traced.module))


def test_a_weight_that_two_layers_compute_once_stays_one():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 3, 3, 3))

        def forward(self, x):
            weight = self.weight.tanh()
            return F.conv2d(F.conv2d(x, weight), weight)

    model = seeded(Twice)
    traced = trace(model, torch.randn(1, 3, 8, 8))
    assert kinds(traced.module) == ["placeholder", "conv", "conv", "output"]
    assert sum(p.numel() for p in traced.module.parameters()) == 81
    assert error_between(traced.module, model, torch.randn(2, 3, 8, 8)) == 0


def test_a_convolution_whose_weight_depends_on_the_input_stays_a_function():
    class Dynamic(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

        def forward(self, x):
            return F.conv2d(x, self.weight * x.mean())

    traced = trace(Dynamic(), torch.randn(1, 3, 8, 8))
    assert any(node.op == "call_function" and callee(node) == "conv2d" for node in traced.module.graph.nodes)


def test_batch_norms_fold_into_convolutions_and_linear_layers():
    net = lambda: nn.Sequential(conv_bn(3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5), nn.BatchNorm1d(5))  # noqa: E731
    model = seeded(net)
    traced = trace(model, torch.randn(2, 3, 4, 4))
    before = Untouched(traced.module)
    folded = fold_batch_norm(traced.module)
    before.check()
    assert "batch_norm" not in kinds(folded)
    assert error_between(folded, model, torch.randn(3, 3, 4, 4)) <= 1e-6


def test_a_shared_layer_folds_at_each_of_its_places():
    model = seeded(SharedLayer)
    folded = fold_batch_norm(trace(model, torch.randn(1, 4, 7, 7)).module)
    assert "batch_norm" not in kinds(folded)
    assert error_between(folded, model, torch.randn(2, 4, 7, 7)) <= 1e-6


def test_a_batch_norm_before_a_padded_convolution_and_one_that_is_read_twice_stay():
    model = seeded(lambda: PreActivation(4))
    folded = fold_batch_norm(trace(model, torch.randn(1, 4, 7, 7)).module)
    assert kinds(folded).count("batch_norm") == 1
    assert error_between(folded, model, torch.randn(2, 4, 7, 7)) <= 1e-6


def test_symmetric_zero_padding_moves_into_the_convolution_and_other_padding_stays():
    even = seeded(lambda: nn.Sequential(nn.ZeroPad2d((2, 2, 1, 1)), nn.Conv2d(3, 4, 3, padding=1)))
    odd = seeded(lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)))
    filled = seeded(lambda: nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3)))
    for model, pads in ((even, 0), (odd, 1), (filled, 1)):
        absorbed = absorb_padding(trace(model, torch.randn(1, 3, 8, 8)).module)
        assert kinds(absorbed).count("pad") == pads
        assert error_between(absorbed, model, torch.randn(2, 3, 8, 8)) <= 1e-6


def test_an_exported_graph_becomes_the_same_canonical_graph():
    from rdpass.capture.programs import export_program, unpack_program

    model = seeded(small_resnet)
    x = torch.randn(1, 3, 9, 9)
    direct = trace(model, x)
    again = trace(unpack_program(export_program(model, (x,))), x)
    assert kinds(again.module) == [kind for kind in kinds(direct.module) if kind != "pass"]
