"""Nothing is overwritten, and every add is spelled one way."""

import operator

import pytest
import torch
from torch import nn

from rdpass.passes.graph.functionalise import functionalise
from rdpass.passes.graph.node_kinds import callee, kind_of
from tests.models import OverwrittenFork, PreActivation, SharedInPlace, seeded
from tests.support import Untouched, error_between


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
