"""``carry``: a shortcut rides through its own block on extra channels and is added inside the last convolution. Exact.

RMNet's reserve-and-merge (arXiv 2111.00687), for bodies of any number of convolutions with whatever stands between:

1. Every convolution gets extra channels that copy what is carried: a Dirac at the tap that reads the output's own
   position, or a layer of the shortcut (a projection, a pool), wherever it fits at the lowest cost.
2. Activations leave carried channels alone (``mask_activation``), and so do per-channel layers: factor 1, shift 0.
3. A gate (squeeze-and-excitation) reads the own channels alone and is pinned to 1 on the carried ones.
4. The last convolution adds own and carried channels; where it can't, a grouped 1x1 one does, in the add's place.
5. What stands before the first convolution (pre-activation) acts on a copy of its own (``carry_choices``).

Where a channel lies is tracked, for grouped convolutions interleave own and carried channels. Exact for the example's
spatial shape: at another one a strided layer may crop differently, which the graph does not tell.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.analysis.value_range import ANY, Range
from rdpass.passes.exact.body_path import Step, body_path
from rdpass.passes.exact.carry_choices import Body, Choice, Unit, choices, own_map, parse_body
from rdpass.passes.exact.exact_plan import Change, ExactPlan, priced
from rdpass.passes.exact.mask_activation import masked_activation
from rdpass.passes.exact.partial_sum import Sum, sum_of
from rdpass.passes.exact.pin_gate import pinned_gate
from rdpass.passes.exact.shortcut_layers import Layer, shortcut_layers
from rdpass.passes.graph.linear.linear_layers import linear_map
from rdpass.passes.graph.linear.linear_map import Axes, LinearMap, NotExact, compose, diagonal, identity
from rdpass.passes.graph.linear.merge_convs import Block, convolution, join
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, module_of, shape_of


def plan_carry(graph_module: GraphModule, region: Region, fork_range: Range) -> ExactPlan | str:
    """The cheapest way to carry the shortcut of ``region`` (shapes annotated); else why that can't be done."""
    try:
        whole = sum_of(graph_module, region)
        body = parse_body(body_path(graph_module, region, whole.body))
        layers = _layers(graph_module, region, whole)
    except NotExact as reason:
        return str(reason)
    found: list[ExactPlan] = []
    reasons: list[str] = []
    for choice in choices(graph_module, body, layers, (shape_of(whole.node) or region.shape)[1]):
        try:
            found.append(_Carrier(graph_module, region, whole.node, body, layers, choice, fork_range).plan())
        except NotExact as reason:
            reasons.append(str(reason))
    return min(found, key=lambda plan: plan.extra_macs) if found else reasons[0]


def carry_as_chosen(graph_module: GraphModule, plan: ExactPlan, fork_range: Range) -> ExactPlan:
    """The plan made anew on a graph that has the numbers."""
    region, whole = plan.region, sum_of(graph_module, plan.region)
    body, layers = parse_body(body_path(graph_module, region, whole.body)), _layers(graph_module, region, whole)
    return _Carrier(graph_module, region, whole.node, body, layers, plan.choice, fork_range).plan()


def _layers(graph_module: GraphModule, region: Region, whole: Sum) -> tuple[Layer, ...]:
    layers = shortcut_layers(graph_module, region)
    return layers if whole.widening is None else (*layers, Layer(whole.widening))


class _Carrier:
    """Walk the body once and keeps track of where own and carried channels lie and what range the carried have."""

    def __init__(
        self, graph_module: GraphModule, region: Region, target: Node, body: Body, layers: tuple[Layer, ...],
        choice: Choice, fork_range: Range,
    ) -> None:  # fmt: skip
        self.graph_module, self.region, self.body, self.layers, self.choice = graph_module, region, body, layers, choice
        self.target = target.name
        first = module_of(graph_module, body.units[0].conv.node)
        assert isinstance(first, CONVOLUTIONS)
        self.like, self.range = first.weight, fork_range
        steps = (*body.lead, body.units[0].conv)
        shape = shape_of(steps[0].source) or ()
        self.dims, self.size = len(shape) - 2, tuple(shape[2:])
        self.own = self.carried = torch.arange(shape[1])
        self.total = shape[1]
        self.undo: LinearMap | None = None
        self.changes: list[Change] = []
        self.bypassed: list[str] = []
        self.entry: nn.Module | None = None

    def plan(self) -> ExactPlan:
        sampled, wanted = self._sampled(len(self.body.units)), _strides([layer.map for layer in self.layers], self.dims)
        if sampled != wanted:
            raise NotExact(f"the shortcut samples at stride {wanted}, the body at {sampled}")
        self._lead()
        for index, unit in enumerate(self.body.units):
            self._convolve(index, unit)
            for step in unit.after:
                self._pass(step)
        if self.choice.summed:
            self._sum()
        plan = ExactPlan(
            self.region, "carry", self.target, tuple(self.changes), tuple(self.bypassed), self.entry, self.choice
        )  # fmt: skip
        return priced(self.graph_module, plan)

    def _lead(self) -> None:
        steps = tuple(step for step in self.body.lead if step.kind != "pass")
        if self.choice.entry == "undone":
            linear = own_map(self.graph_module, steps)
            scale, shift = linear.weight.flatten(), linear.bias
            self.undo = diagonal(1 / scale, None if shift is None else -shift / scale, self.dims)
        elif self.choice.entry == "duplicated":
            count = next((index for index, step in enumerate(steps) if step.kind != "affine"), len(steps))
            self._duplicate(steps[:count])
            for step in steps[count:]:
                self._pass(step)

    def _duplicate(self, absorbed: tuple[Step, ...]) -> None:
        """(5.)"""
        every, copies = torch.arange(self.total), identity(self.total, self.dims)
        first = own_map(self.graph_module, absorbed) if absorbed else copies
        own, carried = _interleaved(self.total, self.total, self.total)
        blocks = [Block(first, every, own), Block(copies, every, carried)]
        self.entry = convolution(join(blocks, self.total, 2 * self.total, self.size, self.size), self.like)
        self.bypassed += [step.node.name for step in absorbed]
        self.own, self.carried, self.total = own, carried, 2 * self.total

    def _convolve(self, index: int, unit: Unit) -> None:
        """(1.) and, in the last one, (4.)"""
        linear = own_map(self.graph_module, (unit.conv, *unit.absorbed))
        carried = self._carried_map(index, linear.stride)
        last = index == len(self.body.units) - 1
        if last and not self.choice.summed:
            own_after = carried_after = torch.arange(linear.outputs)
            if carried.outputs != linear.outputs:
                raise NotExact(f"{carried.outputs} carried channels do not add to {linear.outputs}")
            total = linear.outputs
        else:
            groups = self.choice.interleaved_last if last else self.choice.interleaved
            own_after, carried_after = _interleaved(linear.outputs, carried.outputs, groups)
            total = linear.outputs + carried.outputs
        blocks = [Block(linear, self.own, own_after), Block(carried, self.carried, carried_after)]
        size_after = tuple((shape_of(unit.conv.node) or ())[2:])
        try:
            joined = join(blocks, self.total, total, self.size, size_after)
        except NotExact as reason:
            raise NotExact(f"{unit.conv.node.name}: {reason}") from reason
        module, host = convolution(joined, self.like), unit.conv.node.name
        if last and not self.choice.summed:
            self.changes.append(Change(self.target, module, total, host=host))
        else:
            self.changes.append(Change(host, module, total))
        self.bypassed += [step.node.name for step in unit.absorbed]
        self.own, self.carried, self.total, self.size = own_after, carried_after, total, size_after

    def _carried_map(self, index: int, stride: Axes) -> LinearMap:
        """The map of the carried channels in the convolution of that index."""
        result = identity(len(self.carried), self.dims)
        if self.undo is not None:
            result, self.undo = self.undo, None
        before = [layer for layer, place in zip(self.layers, self.choice.places, strict=True) if place < index]
        here = [layer for layer, place in zip(self.layers, self.choice.places, strict=True) if place == index]
        for layer in here:
            result = compose(result, layer.map)
            self.range = self.range if layer.averages else ANY
        if result.pointwise:
            return replace(result, stride=stride)
        if _strides([layer.map for layer in before], self.dims) != self._sampled(index) or result.stride != stride:
            raise NotExact(f"the shortcut reads neighbours where the body's {index + 1}. convolution samples otherwise")
        return result

    def _sampled(self, index: int) -> Axes:
        """The stride from the fork to the convolution of that index."""
        maps = [own_map(self.graph_module, (unit.conv,)) for unit in self.body.units[:index]]
        return _strides(maps, self.dims)

    def _pass(self, step: Step) -> None:
        node = step.node
        if step.kind == "activation":
            module = module_of(self.graph_module, node)
            masked = masked_activation(node, module, self.own, self.total, self.dims, self.range, self.like)
            self.changes.append(Change(node.name, masked, self.total))
        elif step.kind == "affine":
            linear, copies = linear_map(self.graph_module, node, step.source), identity(len(self.carried), self.dims)
            blocks = [Block(linear, self.own, self.own), Block(copies, self.carried, self.carried)]
            joined = join(blocks, self.total, self.total, self.size, self.size)
            self.changes.append(Change(node.name, convolution(joined, self.like), self.total))
        elif step.kind == "gate":  # (3.)
            changes, bypassed = pinned_gate(self.graph_module, step, self.own, self.carried, self.dims, self.like)
            self.changes += changes
            self.bypassed += bypassed

    def _sum(self) -> None:
        """(4.) where the last convolution can't."""
        carried = self._carried_map(len(self.body.units), (1,) * self.dims)
        channels = len(self.own)
        if carried.outputs != channels:
            raise NotExact(f"{carried.outputs} carried channels do not add to {channels}")
        every, copies = torch.arange(channels), identity(channels, self.dims)
        blocks = [Block(copies, self.own, every), Block(carried, self.carried, every)]
        joined = join(blocks, self.total, channels, self.size, self.size)
        last = self.body.units[-1]
        source = (last.after or (last.conv,))[-1].node.name
        self.changes.append(Change(self.target, convolution(joined, self.like), channels, source))


def _interleaved(own: int, carried: int, groups: int) -> tuple[Tensor, Tensor]:
    """Positions of own and carried channels that lie in ``groups`` groups, own ones first in each."""
    if own % groups or carried % groups:
        raise NotExact(f"{own} own and {carried} carried channels do not fill {groups} groups")
    places = torch.arange(own + carried).reshape(groups, -1)
    return places[:, : own // groups].flatten(), places[:, own // groups :].flatten()


def _strides(maps: list[LinearMap], dims: int) -> Axes:
    return tuple(prod(one.stride[axis] for one in maps) for axis in range(dims))
