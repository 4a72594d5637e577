"""A gate on wider maps: 1 on carried channels, and on the others what it was."""

import pytest
import torch
from torch import nn

from rdpass.passes.exact.body_path import body_path
from rdpass.passes.exact.partial_sum import sum_of
from rdpass.passes.exact.pin_gate import pinned_gate
from rdpass.passes.graph.linear.linear_map import NotExact
from tests.models import SqueezeExcite
from tests.passes.exact.exact_cases import two
from tests.passes.exact.regions import traced_block

OWN, CARRIED = torch.tensor([0, 1, 4, 5]), torch.tensor([2, 3, 6])
LIKE = torch.zeros(1, dtype=torch.float64)


def gate_of(gate):
    traced, region = traced_block(two(last=[gate]))
    return traced.module, body_path(traced.module, region, sum_of(traced.module, region).body)[-1]


@pytest.mark.parametrize("gate", [nn.Sigmoid, nn.Hardsigmoid])
@pytest.mark.parametrize("norm", [False, True])
def test_carried_channels_are_multiplied_by_1_to_the_last_bit_and_own_ones_as_before(gate, norm):
    graph_module, step = gate_of(SqueezeExcite(4, gate, norm))
    changes, bypassed = pinned_gate(graph_module, step, OWN, CARRIED, 2, LIKE)
    assert len(bypassed) == norm
    assert [change.channels for change in changes] == [7, 2, 7, 7, 7]
    down, up = (change.module for change in changes if change.module is not None)
    x = torch.randn(2, 7, 5, 5, dtype=torch.float64)
    block = graph_module.get_submodule("2.body.3")
    own = x[:, OWN].mean((2, 3), keepdim=True)
    with torch.no_grad():
        wanted = gate()(block.up(torch.relu(_normed(block, block.down(own)))))
        got = gate()(up(torch.relu(down(x.mean((2, 3), keepdim=True)))))
    assert torch.equal(got[:, CARRIED], torch.ones(2, 3, 1, 1, dtype=torch.float64))
    assert torch.allclose(got[:, OWN], wanted, atol=1e-12)


def _normed(block, x):
    norm = dict(block.named_children()).get("norm")
    return x if norm is None else norm(x)


def test_a_gate_that_is_never_1_or_is_not_pooled_is_refused_by_name():
    graph_module, step = gate_of(SqueezeExcite(4, nn.Tanh))
    with pytest.raises(NotExact, match="no input at which it is 1"):
        pinned_gate(graph_module, step, OWN, CARRIED, 2, LIKE)

    class Spatial(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return x * torch.sigmoid(self.conv(x))

    graph_module, step = gate_of(Spatial())
    with pytest.raises(NotExact, match="no gate of pooled values"):
        pinned_gate(graph_module, step, OWN, CARRIED, 2, LIKE)
