"""Weights that are computed from parameters alone are parameters in the graph."""

from collections import Counter

import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.graph.bake_weights import bake_weights
from rdpass.passes.graph.functionalise import functionalise
from tests.models import seeded
from tests.passes.graph.kinds import kinds
from tests.support import Untouched, error_between


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
