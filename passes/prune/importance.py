"""Importance of channels: what a network loses with each, by its weights alone or by what a loss says of them.

Both give a number per unit, over all tensors that lose entries with it:

1. ``magnitude``: the squared norm of a unit's weights in a tensor, over the mean of all units there, averaged over the
   tensors (the group norm of DepGraph, arXiv 2301.12900). It has no scale, so that layers can be compared.
2. ``taylor``: (sum of w dL/dw over its weights)^2, a mean over batches: the change of the loss to first order if the
   weights that read and write the unit went to zero (arXiv 1906.10771).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Literal

from torch import Tensor, nn
from torch.fx import GraphModule

from rdpass.passes.prune.find_channels import Channels, Slot

Scores = Mapping[int, float]
Importance = Literal["magnitude", "taylor"]


def magnitude(graph_module: GraphModule, channels: Channels) -> Scores:
    """The relative size of each unit's weights: 1 for what is as large as the mean of its layers."""
    shares: dict[int, list[float]] = defaultdict(list)
    for slot in _weights(channels):
        energies = _by_unit(graph_module.get_parameter(slot.tensor).detach().double().square(), slot)
        mean = sum(energies.values()) / len(energies)
        for unit, energy in energies.items():
            shares[unit].append(energy / mean if mean > 0 else 1.0)
    return {unit: sum(found) / len(found) for unit, found in shares.items()}


def taylor(graph_module: GraphModule, channels: Channels, losses: Callable[[nn.Module], Iterable[Tensor]]) -> Scores:
    """The expected change of the loss without each unit.

    Args:
        graph_module: the network; it is copied.
        channels: its channels.
        losses: given the copy, a scalar loss for each batch; one at a time is held.
    """
    copied = deepcopy(graph_module).eval().requires_grad_(True)
    scores: dict[int, float] = defaultdict(float)
    batches = 0
    for loss in losses(copied):
        copied.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        batches += 1
        changes: dict[int, float] = defaultdict(float)
        for slot in _weights(channels):
            parameter = copied.get_parameter(slot.tensor)
            if parameter.grad is not None:
                for unit, change in _by_unit((parameter.detach() * parameter.grad).double(), slot).items():
                    changes[unit] += change
        for unit, change in changes.items():
            scores[unit] += change**2
    return {unit: score / max(1, batches) for unit, score in scores.items()}


def _weights(channels: Channels) -> Iterator[Slot]:
    return (slot for slot in channels.slots if slot.tensor.rpartition(".")[2] == "weight")


def _by_unit(values: Tensor, slot: Slot) -> dict[int, float]:
    """The sum of a tensor's values over the entries of each unit."""
    sums = values.sum([axis for axis in range(values.ndim) if axis != slot.axis]) if values.ndim > 1 else values
    found: dict[int, float] = defaultdict(float)
    for unit, value in zip(slot.units, sums.tolist(), strict=True):
        found[unit] += value
    return found
