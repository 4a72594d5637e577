"""Initialise a student without shortcuts: with its teacher's weights, anew, or anew with Dirac convolutions.

1. ``warm``: as it is.
2. ``random``: convolutions Kaiming-normal by fan-out, everything else by its own ``reset_parameters``.
3. ``dirac``: as ``random``, and each convolution inside a former block has the weight alpha delta + beta W per output
   channel, alpha = 1 and beta = 0.1 learnt (JointRD); ``fold_dirac`` folds it into an ordinary one.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from rdpass.passes.distill.main_chain import has_tap
from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.layers import DiracConvolution
from rdpass.passes.graph.linear.dirac import Convolution, at, identity_tap
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, module_of

Initialisation = Literal["warm", "random", "dirac"]
ALPHA, BETA = 1.0, 0.1


def initialise_student(graph_module: GraphModule, how: Initialisation, bodies: Iterable[str]) -> GraphModule:
    """A copy of the graph, initialised from torch's global generator. ``bodies`` names the nodes of former blocks."""
    result = own_copy(graph_module)
    if how == "warm":
        return result
    for module in result.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
        if isinstance(module, CONVOLUTIONS):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if how == "dirac":
        _place_dirac(result, frozenset(bodies))
    return tidy(result)


def _place_dirac(graph_module: GraphModule, names: frozenset[str]) -> None:
    """Once per layer: one that is called twice stays one."""
    made: dict[str, DiracConvolution] = {}
    for node in graph_module.graph.nodes:
        module = module_of(graph_module, node)
        if node.name in names and isinstance(module, CONVOLUTIONS) and has_tap(module):
            made[str(node.target)] = DiracConvolution(module, delta_of(module), ALPHA, BETA)
    for path, module in made.items():
        graph_module.set_submodule(path, module)


def delta_of(conv: Convolution) -> Tensor:
    """A weight like ``conv``'s that passes channel i of each group on to its channel i, as far as both have one."""
    delta = torch.zeros_like(conv.weight.detach())
    tap = identity_tap(conv)
    assert tap is not None
    rows, columns = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    same = torch.arange(min(rows, columns))
    for group in range(conv.groups):
        at(delta, tap)[group * rows + same, same] = 1
    return delta


def fold_dirac(graph_module: GraphModule) -> GraphModule:
    """A copy of the graph with every Dirac convolution folded into an ordinary one; values are kept."""
    result = own_copy(graph_module)
    for node in result.graph.nodes:
        module = module_of(result, node)
        if isinstance(module, DiracConvolution):
            conv = deepcopy(module.conv)
            conv.weight = nn.Parameter(module.weight.detach().clone())
            place_module(result, node, conv)
    return tidy(result)
