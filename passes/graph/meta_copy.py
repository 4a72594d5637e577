"""A graph without the numbers of its large weights: what a price is reckoned on, at no cost in memory or time."""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.fx import GraphModule


def copy_without_weights(graph_module: GraphModule) -> GraphModule:
    """A copy whose convolutions and linear layers hold weights on the meta device; all else is as it was."""
    stands_in: dict[int, nn.Parameter] = {}
    for module in graph_module.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            for parameter in module.parameters(recurse=False):
                stands_in[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    return deepcopy(graph_module, stands_in)  # the memo's entries are taken for copies made already
