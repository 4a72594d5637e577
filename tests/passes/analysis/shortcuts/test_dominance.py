"""The last node that all paths from the inputs pass."""

import torch
from torch import nn

from rdpass.passes.analysis.shortcuts.dominance import immediate_dominators


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
