"""An activation that leaves carried channels alone, in the cheapest form there is.

1. As it is, where it changes nothing in the range of the carried values (a ReLU after a ReLU).
2. ReLU, ReLU6, Hardtanh: a clamp with bounds per channel, infinite ones on the carried channels.
3. PReLU, LeakyReLU: a PReLU with slopes per channel, 1 on the carried ones.
4. Any other that works value by value: a selection per channel between its result and its input.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.fx import Node

from rdpass.passes.analysis.value_range import Range, passes_unchanged
from rdpass.passes.graph.layers import ChannelClamp, MaskedActivation
from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.node_kinds import ACTIVATIONS


def masked_activation(
    node: Node, module: nn.Module | None, own: Tensor, total: int, dims: int, carried: Range, like: Tensor
) -> nn.Module | None:
    """The module to put at ``node``; None where the one there will do.

    ``own`` are the indices, of ``total`` channels, that the activation is to act on, in the order of its own numbers
    where it holds some per channel. ``carried`` is the range of all others, ``like`` gives the type of new numbers.

    Raises:
        NotExact: it is not known to work value by value.
    """
    if not _per_channel(module) and passes_unchanged(module, carried):
        return None
    if isinstance(module, nn.PReLU | nn.LeakyReLU):
        return _slopes(module, own, total, like)
    lower, upper = torch.full((2, total), torch.inf, dtype=like.dtype)
    lower = -lower
    if isinstance(module, ChannelClamp):
        lower[own], upper[own] = module.lower.flatten(), module.upper.flatten()
    elif isinstance(module, nn.Hardtanh):  # ReLU6 is one
        lower[own], upper[own] = float(module.min_val), float(module.max_val)
    elif isinstance(module, nn.ReLU):
        lower[own] = 0.0
    else:
        return _selected(node, module, own, total, dims)
    return ChannelClamp(lower, upper, dims)


def _per_channel(module: nn.Module | None) -> bool:
    """Tell whether an activation holds numbers per channel, so that it can't take more channels as it is."""
    if isinstance(module, nn.PReLU):
        return module.num_parameters > 1
    return isinstance(module, ChannelClamp | MaskedActivation)


def _slopes(module: nn.PReLU | nn.LeakyReLU, own: Tensor, total: int, like: Tensor) -> nn.PReLU:
    slopes = torch.ones(total, dtype=like.dtype)
    slopes[own] = module.weight.detach() if isinstance(module, nn.PReLU) else module.negative_slope
    masked = nn.PReLU(total, device="meta")
    masked.weight = nn.Parameter(slopes)
    return masked


def _selected(node: Node, module: nn.Module | None, own: Tensor, total: int, dims: int) -> MaskedActivation:
    mask = torch.zeros(total, dtype=torch.bool)
    if isinstance(module, MaskedActivation):
        mask[own] = module.own.flatten()
        return MaskedActivation(deepcopy(module.activation), mask, dims)
    if not isinstance(module, ACTIVATIONS):
        raise NotExact(f"{node.name} is not known to leave carried channels alone")
    mask[own] = True
    return MaskedActivation(deepcopy(module), mask, dims)
