"""Initialise the branches of ``migrate`` from the teacher's statistics.

For a shortcut S with z = S(x), mean mu and covariance Sigma over the data, and V (C x k) a basis of k directions:

1. A and b: z = A x + b, x being what the first convolution reads; where that is not exact, the least-squares map, with
   a ridge of a thousandth of x's mean variance. Where x does not vary at all (every channel dead or constant, up to
   rounding), all maps fit alike, and A = 0, b = mu is the one of least norm.
2. P = T V'A, p = T (V'(b - mu) + c) with c = 2 std of each coordinate, so that signed coordinates survive the ReLUs
   inside; T = 1, or less where an activation has an upper bound above 0 (ReLU6) that c +- 2 std would meet.
3. Q = V / T, q = mu - V c, so that with nothing else in the channels Q(Px + p) + q = mu + VV'(z - mu).
4. Where the k channels are fewer than the body's, they are those that matter least to its last convolution.
5. Whatever passes a gate is divided by the gate's mean, or by 1/4 where that is less, in the branch that reads it: a
   gate that is nearly shut in the teacher would blow its channel up should it open in the student. What is multiplied
   by a number is divided by that.

V: the top eigenvectors of the mean covariance of all streams of one stage, or of the block's own; the first k
channels; all channels (V = 1) where k = C.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.analysis.value_range import activation_range, value_ranges
from rdpass.passes.distill.main_chain import SqueezeGate
from rdpass.passes.distill.moments import Moments, Probe, gather_moments
from rdpass.passes.distill.reparam_plan import Reparam, total_stride
from rdpass.passes.graph.editing import shortcut_output
from rdpass.passes.graph.fold_batch_norm import folded
from rdpass.passes.graph.linear.dirac import Pointwise, as_pointwise
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, kind_of, module_of, shape_of

Basis = Literal["stage", "block", "first"]
RIDGE = 1e-3
ROUNDING = 8.0  # a deviation of so many units of the type's precision, relative to the maps, is no signal
LEAST_GATE = 0.25


@dataclass(frozen=True)
class Start:
    """Initial branches by unit: a gain (C,) round it, or a map with bias for the two ends of a stream."""

    reparam: Reparam
    gains: dict[int, Tensor]
    maps: dict[int, Pointwise]


def initialise_branches(
    graph_module: GraphModule,
    reparams: Sequence[Reparam],
    batches: Iterable[tuple[Tensor, ...]],
    basis: Basis = "stage",
) -> tuple[Start, ...]:
    """The starts of all reparams (shapes annotated), with one pass of ``batches`` through the graph where needed."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    probes = {reparam: _probes(graph_module, nodes, reparam) for reparam in reparams}
    wanted = {probe for each in probes.values() for probe in each.values()}
    moments = gather_moments(graph_module, wanted, batches) if wanted else {}
    ranges = value_ranges(graph_module)
    starts: list[Start] = []
    for _, group in groupby(reparams, key=_stage):
        members = list(group)
        known = [{key: moments[probe] for key, probe in probes[reparam].items()} for reparam in members]
        targets = [_target(reparam, each) for reparam, each in zip(members, known, strict=True)]
        covariances = [target.covariance for target in targets if target is not None]
        shared = torch.stack(covariances).mean(0) if covariances else None
        for reparam, each, target in zip(members, known, targets, strict=True):
            if target is None or shared is None:
                starts.append(Start(reparam, _gains(graph_module, nodes, reparam, each), {}))
                continue
            spread = shared if basis == "stage" else target.covariance
            positive = ranges[shortcut_output(nodes[reparam.region.add], reparam.region)][0] >= 0
            builder = _Stream(graph_module, nodes, reparam, each, target)
            starts.append(builder.start(_directions(reparam, spread, basis), basis == "first" and positive))
    return tuple(starts)


def _stage(reparam: Reparam) -> tuple[object, ...]:
    return reparam.form, reparam.width, reparam.region.shape


def _probes(graph_module: GraphModule, nodes: dict[str, Node], reparam: Reparam) -> dict[str, Probe]:
    """Probes to measure: the shortcut (beside the source where a map is fitted), the last layer's input, the gates."""
    region, chain = reparam.region, reparam.chain
    ones = (1,) * (len(region.shape) - 2)
    probes = {gate.gate: Probe(((gate.gate, ones),)) for gate in chain.gates if gate.after and gate.factor is None}
    if reparam.form != "stream":
        return probes
    target = (shortcut_output(nodes[region.add], region).name, ones)
    source = (chain.source, total_stride(graph_module, chain))
    probes["shortcut"] = Probe((target,) if reparam.exact else (source, target))
    last = nodes[chain.units[-1].conv].all_input_nodes[0]
    if reparam.width < (shape_of(last) or ())[1]:
        probes["hidden"] = Probe(((last.name, ones),))
    return probes


def _target(reparam: Reparam, known: dict[str, Moments]) -> Moments | None:
    """Mean and covariance of the shortcut's output alone."""
    if reparam.form != "stream":
        return None
    channels, both = reparam.region.shape[1], known["shortcut"]
    return Moments(both.mean[-channels:], both.covariance[-channels:, -channels:])


def _directions(reparam: Reparam, covariance: Tensor, basis: Basis) -> Tensor:
    channels, width = reparam.region.shape[1], reparam.width
    if basis == "first" or width == channels:
        return torch.eye(channels, width, dtype=torch.float64)
    vectors: Tensor = torch.linalg.eigh(covariance)[1]
    return vectors.flip(1)[:, :width]


def gate_mean(gate: SqueezeGate, known: dict[str, Moments]) -> Tensor:
    """The mean of a gate per channel, kept away from 0; a number that is multiplied in as it is."""
    if gate.factor is not None:
        return torch.tensor([gate.factor], dtype=torch.float64)
    return known[gate.gate].mean.clamp(min=LEAST_GATE)


def _gains(
    graph_module: GraphModule, nodes: dict[str, Node], reparam: Reparam, known: dict[str, Moments]
) -> dict[int, Tensor]:
    """Gains of 1 round the units, divided by the gates that what they carry has passed or, after the last, will."""
    gains = {}
    for index in reparam.units:
        module = module_of(graph_module, nodes[reparam.chain.units[index].conv])
        assert isinstance(module, CONVOLUTIONS)
        gain = torch.ones(module.out_channels, dtype=torch.float64)
        for gate in reparam.gates:
            last = index == len(reparam.chain.units) - 1
            if gate.after and (gate.after == index or (last and gate.after == index + 1)):
                gain = gain / gate_mean(gate, known)
        gains[index] = gain.to(module.weight)
    return gains


@dataclass(frozen=True)
class _Stream:
    graph_module: GraphModule
    nodes: dict[str, Node]
    reparam: Reparam
    known: dict[str, Moments]
    target: Moments

    def start(self, directions: Tensor, unshifted: bool) -> Start:
        """Case 2 and 3 above; ``unshifted``: the coordinates are never negative, so they need no c and no mean."""
        linear = self._source_map()
        mean = torch.zeros_like(self.target.mean) if unshifted else self.target.mean
        deviation = (directions.T @ self.target.covariance @ directions).diagonal().clamp(min=0).sqrt()
        shift = torch.zeros_like(deviation) if unshifted else 2 * deviation
        scale = (self._upper_bound() / (2 * shift).clamp(min=1e-12)).clamp(max=1.0)
        slots, hidden = self._slots()
        embed, bias = torch.zeros(hidden, linear.weight.shape[1]).double(), torch.zeros(hidden).double()
        expand = torch.zeros(len(mean), hidden).double()
        embed[slots] = scale[:, None] * (directions.T @ linear.weight)
        bias[slots] = scale * (directions.T @ (linear.bias - mean) + shift)
        expand[:, slots] = directions / scale
        return self._gated(Pointwise(embed, bias, ()), Pointwise(expand, mean - directions @ shift, ()), slots)

    def _source_map(self) -> Pointwise:
        if self.reparam.exact:
            return shortcut_map(self.graph_module, self.reparam.region)
        joint, channels = self.known["shortcut"], len(self.target.mean)
        precision = torch.finfo(next(self.graph_module.parameters()).dtype).eps
        weight = least_squares(joint, channels, precision)
        return Pointwise(weight, self.target.mean - weight @ joint.mean[:-channels], ())

    def _upper_bound(self) -> float:
        modules = [module_of(self.graph_module, self.nodes[name]) for name in self.reparam.chain.activations]
        bounds = [activation_range(module, (0.0, float("inf")))[1] for module in modules]
        # Below a bound of 0 no c would help: nothing positive comes through.
        return min((bound for bound in bounds if bound > 0), default=float("inf"))

    def _slots(self) -> tuple[Tensor, int]:
        """The body's inner channels that carry the stream, and their number."""
        last = module_of(self.graph_module, self.nodes[self.reparam.chain.units[-1].conv])
        assert isinstance(last, CONVOLUTIONS)
        if "hidden" not in self.known:
            return torch.arange(last.in_channels), last.in_channels
        hidden = self.known["hidden"]
        energy = hidden.covariance.diagonal() + hidden.mean.square()
        importance = energy * last.weight.detach().double().transpose(0, 1).flatten(1).square().sum(1).cpu()
        return importance.argsort(stable=True)[: self.reparam.width].sort().values, last.in_channels

    def _gated(self, embed: Pointwise, expand: Pointwise, slots: Tensor) -> Start:
        count = len(self.reparam.chain.units)
        inner = torch.zeros(expand.weight.shape[1]).double()
        inner[slots] = 1.0
        gains = {index: inner for index in range(1, count - 1)}
        weight, bias = expand.weight, expand.bias
        for gate in self.reparam.gates:
            mean = gate_mean(gate, self.known) if gate.after else inner
            if gate.after == count:
                weight, bias = weight / mean[:, None], bias / mean
            elif gate.after == count - 1:
                weight = weight / mean
            elif gate.after:
                gains[gate.after] = gains[gate.after] / mean
        like = next(self.graph_module.parameters())
        strides = [module_of(self.graph_module, self.nodes[unit.conv]) for unit in self.reparam.chain.units]
        first, last = (module.stride for module in (strides[0], strides[-1]) if isinstance(module, CONVOLUTIONS))
        return Start(
            self.reparam,
            {index: gain.to(like) for index, gain in gains.items()},
            {
                0: Pointwise(embed.weight.to(like), embed.bias.to(like), tuple(first)),
                count - 1: Pointwise(weight.to(like), bias.to(like), tuple(last)),
            },
        )


def least_squares(joint: Moments, channels: int, precision: float) -> Tensor:
    """Case 1 above: the weights (``channels``, C) that lead from the first C channels of ``joint`` to its last ones.

    The ridge bounds the condition number by C / ``RIDGE`` + 1, whatever the rank: fewer samples than channels, dead
    channels among others. ``precision``: the relative one of the numbers that were measured.
    """
    own, cross = joint.covariance[:-channels, :-channels], joint.covariance[-channels:, :-channels]
    variance = own.diagonal().mean()
    scale = joint.mean.square().mean() + joint.covariance.diagonal().mean()
    if variance <= (ROUNDING * precision) ** 2 * scale:
        return torch.zeros_like(cross)
    ridge = RIDGE * variance * torch.eye(len(own)).double()
    solution: Tensor = torch.linalg.solve(own + ridge, cross.T)
    return solution.T


def shortcut_map(graph_module: GraphModule, region: Region) -> Pointwise:
    """An identity or a single 1x1 projection with its batch norms, as one map in float64."""
    layer: nn.Module | None = None
    for node in graph_module.graph.nodes:
        if node.name in region.shortcut:
            module = module_of(graph_module, node)
            if kind_of(node) == "conv":
                layer = module
            elif kind_of(node) == "batch_norm" and layer is not None and module is not None:
                layer = folded(layer, module)
    channels = region.shape[1]
    if layer is None:
        return Pointwise(torch.eye(channels).double(), torch.zeros(channels).double(), ())
    found = as_pointwise(layer)
    assert found is not None
    return Pointwise(found.weight.double().cpu(), found.bias.double().cpu(), found.stride)
