"""Means and covariances of a graph's maps over data: what is learnt about a teacher before its student starts.

A *probe* names nodes whose channels are put side by side, each read at every stride-th position; every position of
every image counts as one sample.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from rdpass.core.errors import DivergedError
from rdpass.passes.graph.layers import sampled


@dataclass(frozen=True)
class Probe:
    """Nodes by name and stride; the last one's size decides how many positions are read."""

    nodes: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Moments:
    """Mean (C,) and covariance (C, C) over all samples, in float64 on the CPU."""

    mean: Tensor
    covariance: Tensor


class _Sums:
    """Running sums of x and x xᵀ, both about the first batch's mean, for precision."""

    def __init__(self) -> None:
        self.count = 0
        self.origin = self.total = self.products = torch.zeros(())

    def add(self, samples: Tensor) -> None:
        """``samples``: shape (C, positions)."""
        samples = samples.double()
        if not self.count:
            self.origin = samples.mean(1)
            self.total = torch.zeros_like(self.origin)
            self.products = torch.zeros(len(samples), len(samples)).to(self.origin)
        centred = samples - self.origin[:, None]
        self.count += samples.shape[1]
        self.total += centred.sum(1)
        self.products += centred @ centred.T

    def moments(self) -> Moments:
        shift = self.total / self.count
        covariance = self.products / self.count - torch.outer(shift, shift)
        return Moments((self.origin + shift).cpu(), covariance.cpu())


def gather_moments(
    graph_module: GraphModule, probes: Iterable[Probe], batches: Iterable[tuple[Tensor, ...]]
) -> dict[Probe, Moments]:
    """The moments of every probe over ``batches`` of the graph's inputs, in eval mode, without gradients.

    Raises:
        ValueError: there is no batch.
        DivergedError: a map holds values that are not finite; the message names it.
    """
    sums = {probe: _Sums() for probe in probes}
    training = graph_module.training
    graph_module.eval()
    try:
        for inputs in batches:
            with torch.no_grad():
                _Watch(graph_module, sums).run(*inputs)
    finally:
        graph_module.train(training)
    if any(not each.count for each in sums.values()):
        raise ValueError("no batch to gather statistics from")
    found = {probe: each.moments() for probe, each in sums.items()}
    for probe, moments in found.items():
        if not torch.isfinite(moments.covariance).all():
            names = " or ".join(name for name, _ in probe.nodes)
            raise DivergedError(f"the teacher's {names} is not finite on the training data: look at their scale")
    return found


class _Watch(Interpreter):
    """Runs the graph once; a probe is taken as soon as its last node is there."""

    def __init__(self, graph_module: GraphModule, sums: dict[Probe, _Sums]) -> None:
        super().__init__(graph_module)
        self.sums = sums
        self.wanted = {name for probe in sums for name, _ in probe.nodes}
        self.seen: dict[str, Tensor] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if n.name in self.wanted:
            self.seen[n.name] = result
            for probe, sums in self.sums.items():
                names = [name for name, _ in probe.nodes]
                if n.name in names and all(name in self.seen for name in names):
                    sums.add(self._samples(probe))
        return result

    def _samples(self, probe: Probe) -> Tensor:
        last = self.seen[probe.nodes[-1][0]]
        maps = [sampled(self.seen[name], stride, last) for name, stride in probe.nodes]
        return torch.cat(maps, 1).transpose(0, 1).flatten(1)
