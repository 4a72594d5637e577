"""``carry``: a shortcut rides through its own block on extra channels and is added inside the last convolution. Exact.

RMNet's reserve-and-merge (arXiv 2111.00687). Batch norm folded, a body conv_1, act, conv_2, …, conv_m beside a shortcut
S becomes a single path:

1. conv_1 gets extra output channels that copy its input: a Dirac at the tap that reads the output's own position.
2. Every activation leaves them alone: a ReLU does by itself where the fork is never negative; else it becomes a clamp
   (or PReLU) with bounds (slopes) per channel, infinite ones (1) on the carried channels.
3. The convolutions between pass them on the same way. Depthwise and grouped ones do so in groups of their own.
4. conv_m reads them through S: the identity, or the projection's weights, at that tap; the biases add up.

With m = 1 both sides are linear, and that is ``merge``: S goes into the convolution, at no cost.

Where a channel lies is tracked, for grouped convolutions interleave own and carried channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.layers import ChannelClamp
from rdpass.passes.fx.body_chain import body_chain
from rdpass.passes.fx.cost import layer_macs
from rdpass.passes.fx.dirac import (
    Convolution,
    Pointwise,
    add_pointwise,
    as_pointwise,
    at,
    bias_of,
    identity_map,
    identity_tap,
    resized,
)
from rdpass.passes.fx.editing import body_output, place_module
from rdpass.passes.fx.operators import CONVOLUTIONS, kind_of, module_of, shape_of
from rdpass.passes.fx.value_range import Range, passes_unchanged
from rdpass.types import Region


@dataclass(frozen=True)
class CarryPlan:
    """What carrying one shortcut would change: a new module for each named node, at ``extra_macs`` more."""

    region: Region
    modules: dict[str, nn.Module]
    extra_macs: int

    @property
    def merged(self) -> bool:
        return len(self.modules) == 1


@dataclass(frozen=True)
class _Layout:
    """Which of ``total`` channels are the block's own and which are carried (int64 indices)."""

    own: Tensor
    carried: Tensor
    total: int


class _NotCovered(Exception):
    """Carries the reason out of the construction below; never leaves this file."""


def plan_carry(graph_module: GraphModule, region: Region, fork_range: Range) -> CarryPlan | str:
    """How to carry the shortcut of ``region`` (batch norm folded, shapes annotated); else why that can't be done."""
    chain = body_chain(graph_module, region)
    if isinstance(chain, str):
        return chain
    convs = [node for node in chain if kind_of(graph_module, node) == "conv"]
    try:
        shortcut = _shortcut_map(graph_module, region, convs)
        modules = _new_modules(graph_module, chain, shortcut, fork_range)
    except _NotCovered as reason:
        return str(reason)
    return CarryPlan(region, modules, _extra_macs(graph_module, region, modules))


def apply_carry(graph_module: GraphModule, plan: CarryPlan) -> None:
    """Change the graph as planned; the caller tidies up."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    for name, module in plan.modules.items():
        place_module(graph_module, nodes[name], module)
    add = nodes[plan.region.add]
    add.replace_all_uses_with(body_output(add, plan.region))


def _shortcut_map(graph_module: GraphModule, region: Region, convs: list[Node]) -> Pointwise:
    strides = [module.stride for node in convs if isinstance(module := module_of(graph_module, node), CONVOLUTIONS)]
    total = tuple(int(torch.tensor(axis).prod()) for axis in zip(*strides, strict=True))
    by_name = {node.name: node for node in graph_module.graph.nodes}
    layers = [name for name in region.shortcut if kind_of(graph_module, by_name[name]) != "pass"]
    if not layers:
        last = module_of(graph_module, convs[-1])
        assert isinstance(last, CONVOLUTIONS)
        shortcut: Pointwise | None = identity_map(region.shape[1], len(total), last.weight)
    else:
        module = module_of(graph_module, by_name[layers[0]])
        shortcut = as_pointwise(module) if module is not None and len(layers) == 1 else None
    if shortcut is None:
        raise _NotCovered(f"a {region.kind} shortcut of {', '.join(layers)} is not one 1x1 convolution")
    if shortcut.stride != total:
        raise _NotCovered(f"the shortcut samples at stride {shortcut.stride}, the body at {total}")
    return shortcut


def _new_modules(
    graph_module: GraphModule, chain: tuple[Node, ...], shortcut: Pointwise, fork_range: Range
) -> dict[str, nn.Module]:
    convs = [node for node in chain if kind_of(graph_module, node) == "conv"]
    channels = shortcut.weight.shape[1]
    every = torch.arange(channels)
    layout = _Layout(every, every, channels)
    modules: dict[str, nn.Module] = {}
    for node in chain:
        kind, module = kind_of(graph_module, node), module_of(graph_module, node)
        if kind == "conv":
            assert isinstance(module, CONVOLUTIONS)
            _check_sampling(node, module)
            if node is convs[-1]:
                modules[node.name] = _closing(node, module, layout, shortcut)
            else:
                widen = _opening if node is convs[0] else _passing
                modules[node.name], layout = widen(node, module, layout)
        elif kind == "activation":
            if node < convs[0] or convs[-1] < node:
                raise _NotCovered(f"{node.name} stands outside the convolutions (pre-activation)")
            if _per_channel(module) or not passes_unchanged(module, fork_range):
                modules[node.name] = _masked(node, module, layout, shortcut)
        elif kind == "batch_norm":
            raise _NotCovered(f"{node.name} does not fold into a convolution before it")
    return modules


def _check_sampling(node: Node, conv: Convolution) -> None:
    """The tap must exist, and the output must be the input sampled at the stride, border included."""
    source, target = shape_of(node.all_input_nodes[0]), shape_of(node)
    if identity_tap(conv) is None or source is None or target is None:
        raise _NotCovered(f"{node.name} has no tap that reads its output's own position")
    sampled = tuple(-(-size // stride) for size, stride in zip(source[2:], conv.stride, strict=True))
    if sampled != target[2:]:
        raise _NotCovered(f"{node.name} crops or pads its map from {source[2:]} to {target[2:]}")


def _opening(node: Node, conv: Convolution, layout: _Layout) -> tuple[Convolution, _Layout]:
    """(1.) Each group of the first convolution gets a copy of its own inputs after its own outputs."""
    groups, inputs, outputs = conv.groups, conv.in_channels // conv.groups, conv.out_channels // conv.groups
    weight = conv.weight.detach().reshape(groups, outputs, inputs, *conv.kernel_size)
    copies = weight.new_zeros(groups, inputs, inputs, *conv.kernel_size)
    _at_tap(copies, conv)[:] = torch.eye(inputs).to(weight)
    bias = bias_of(conv).reshape(groups, outputs)
    wide = torch.cat([weight, copies], 1).flatten(0, 1)
    positions = torch.arange(len(wide)).reshape(groups, outputs + inputs)
    opened = resized(conv, wide, torch.cat([bias, bias.new_zeros(groups, inputs)], 1).flatten(), groups)
    return opened, _Layout(positions[:, :outputs].flatten(), positions[:, outputs:].flatten(), len(wide))


def _passing(node: Node, conv: Convolution, layout: _Layout) -> tuple[Convolution, _Layout]:
    """(3.) A convolution between: dense, depthwise, or grouped with the carried channels in groups of their own."""
    if conv.groups == 1:
        return _passing_dense(conv, layout)
    if conv.groups == conv.in_channels == conv.out_channels:
        return _passing_depthwise(conv, layout)
    return _passing_grouped(node, conv, layout)


def _passing_dense(conv: Convolution, layout: _Layout) -> tuple[Convolution, _Layout]:
    carried, own = len(layout.carried), conv.out_channels
    weight = conv.weight.new_zeros(own + carried, layout.total, *conv.kernel_size)
    weight[:own, layout.own] = conv.weight.detach()
    _at_tap(weight, conv)[own + torch.arange(carried), layout.carried] = 1
    bias = torch.cat([bias_of(conv), conv.weight.new_zeros(carried)])
    after = _Layout(torch.arange(own), torch.arange(own, own + carried), own + carried)
    return resized(conv, weight, bias, 1), after


def _passing_depthwise(conv: Convolution, layout: _Layout) -> tuple[Convolution, _Layout]:
    weight = conv.weight.new_zeros(layout.total, 1, *conv.kernel_size)
    weight[layout.own] = conv.weight.detach()
    _at_tap(weight, conv)[layout.carried, 0] = 1
    bias = conv.weight.new_zeros(layout.total)
    bias[layout.own] = bias_of(conv)
    return resized(conv, weight, bias, layout.total), layout


def _passing_grouped(node: Node, conv: Convolution, layout: _Layout) -> tuple[Convolution, _Layout]:
    inputs, outputs, carried = conv.in_channels // conv.groups, conv.out_channels // conv.groups, len(layout.carried)
    if carried % inputs or outputs != inputs:
        raise _NotCovered(f"{node.name}: {carried} carried channels do not fill groups of {inputs} to {outputs}")
    if not torch.equal(torch.cat([layout.own, layout.carried]), torch.arange(layout.total)):
        raise _NotCovered(f"{node.name} is grouped after a grouped convolution")
    extra = conv.weight.new_zeros(carried, inputs, *conv.kernel_size)
    rows = torch.arange(carried)
    _at_tap(extra, conv)[rows, rows % inputs] = 1
    own = conv.out_channels
    bias = torch.cat([bias_of(conv), conv.weight.new_zeros(carried)])
    widened = resized(conv, torch.cat([conv.weight.detach(), extra]), bias, conv.groups + carried // inputs)
    return widened, _Layout(torch.arange(own), torch.arange(own, own + carried), own + carried)


def _closing(node: Node, conv: Convolution, layout: _Layout, shortcut: Pointwise) -> Convolution:
    """(4.) The last convolution adds the carried channels, through the shortcut's map, to its own result."""
    if torch.equal(layout.own, layout.carried):  # m = 1: the input itself
        if conv.groups != 1 and not torch.equal(shortcut.weight, torch.diag(shortcut.weight.diagonal())):
            raise _NotCovered(f"{node.name} is grouped and the shortcut mixes channels")
        return add_pointwise(conv, shortcut)
    if conv.groups != 1:
        raise _NotCovered(f"{node.name}, the last convolution, is grouped")
    weight = conv.weight.new_zeros(conv.out_channels, layout.total, *conv.kernel_size)
    weight[:, layout.own] = conv.weight.detach()
    _at_tap(weight, conv)[:, layout.carried] = shortcut.weight
    return resized(conv, weight, bias_of(conv) + shortcut.bias, 1)


def _masked(node: Node, module: nn.Module | None, layout: _Layout, shortcut: Pointwise) -> nn.Module:
    """(2.) The activation on the own channels, nothing on the carried ones."""
    if isinstance(module, nn.PReLU | nn.LeakyReLU):
        masked = nn.PReLU(layout.total, init=1.0).to(shortcut.weight)
        slope = module.weight.detach() if isinstance(module, nn.PReLU) else module.negative_slope
        masked.weight.data[layout.own] = slope
        return masked
    lower, upper = torch.full((layout.total,), -torch.inf), torch.full((layout.total,), torch.inf)
    if isinstance(module, ChannelClamp):
        lower[layout.own], upper[layout.own] = module.lower.flatten(), module.upper.flatten()
    elif isinstance(module, nn.Hardtanh):  # ReLU6 is one
        lower[layout.own], upper[layout.own] = float(module.min_val), float(module.max_val)
    elif isinstance(module, nn.ReLU):
        lower[layout.own] = 0.0
    else:
        raise _NotCovered(f"{node.name} ({type(module).__name__}) has no form that leaves carried channels alone")
    return ChannelClamp(lower, upper, len(shortcut.stride))


def _per_channel(module: nn.Module | None) -> bool:
    """Whether an activation holds numbers per channel, so that it can't take more channels as it is."""
    return isinstance(module, ChannelClamp) or (isinstance(module, nn.PReLU) and module.num_parameters > 1)


def _at_tap(weight: Tensor, conv: Convolution) -> Tensor:
    """The slice of ``weight`` (…, kernel axes) at the identity tap, as a view."""
    tap = identity_tap(conv)
    assert tap is not None
    return at(weight, tap)


def _extra_macs(graph_module: GraphModule, region: Region, modules: dict[str, nn.Module]) -> int:
    nodes = {node.name: node for node in graph_module.graph.nodes}
    extra = -sum(layer_macs(module_of(graph_module, nodes[name]), shape_of(nodes[name])) for name in region.shortcut)
    for name, module in modules.items():
        shape = shape_of(nodes[name])
        if isinstance(module, CONVOLUTIONS) and shape is not None:
            after = (shape[0], module.out_channels, *shape[2:])
            extra += layer_macs(module, after) - layer_macs(module_of(graph_module, nodes[name]), shape)
    return extra
