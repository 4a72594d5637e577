"""A gate (squeeze-and-excitation) that is 1 to the last bit on carried channels, and what it was on the others.

1. Pooling takes every channel by itself: it stays.
2. The first layer reads the own channels alone.
3. The last one gives, on carried channels, a constant at which the sigmoid behind it is 1, in double precision too.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.passes.exact.body_path import Step
from rdpass.passes.exact.exact_plan import Change
from rdpass.passes.graph.linear.linear_branch import linear_between
from rdpass.passes.graph.linear.linear_layers import data_inputs
from rdpass.passes.graph.linear.linear_map import LinearMap, NotExact
from rdpass.passes.graph.linear.merge_convs import Block, convolution, join
from rdpass.passes.graph.node_kinds import kind_of, module_of, shape_of

PINS: tuple[tuple[type[nn.Module], float], ...] = ((nn.Sigmoid, 40.0), (nn.Hardsigmoid, 6.0))


def pinned_gate(
    graph_module: GraphModule, step: Step, own: Tensor, carried: Tensor, dims: int, like: Tensor
) -> tuple[list[Change], list[str]]:
    """The modules that replace a gate's nodes, and what they absorb; ``own`` and ``carried`` are indices of channels.

    Raises:
        NotExact: it is no gate of pooled values, 1x1 convolutions and a sigmoid; the message names the node.
    """
    total = len(own) + len(carried)
    pool, *rest = (node for node in step.gate if kind_of(node) != "pass")
    layers = _layers(rest)
    if kind_of(pool) != "pool" or not _squeezed(pool) or not layers:
        raise NotExact(f"{step.node.name} multiplies by what is no gate of pooled values, 1x1 layers and a sigmoid")
    pin = _pin(graph_module, rest[-1])
    changes = [Change(pool.name, None, total)]
    for nodes in layers:
        linear = linear_between(graph_module, data_inputs(nodes[0])[0], nodes[-1])
        reads = own if nodes is layers[0] else torch.arange(linear.inputs)
        writes = own if nodes is layers[-1] else torch.arange(linear.outputs)
        inputs, outputs = (total if at is own else len(at) for at in (reads, writes))
        joined = join([Block(linear, reads, writes)], inputs, outputs, (1,) * dims, (1,) * dims)
        if nodes is layers[-1]:
            joined = _pinned(joined, carried, pin)
        changes.append(Change(nodes[0].name, convolution(joined, like), outputs))
    behind = [node for node in step.gate if layers[-1][-1] < node]
    changes += [Change(node.name, None, total) for node in (*behind, step.node)]
    return changes, [node.name for nodes in layers for node in nodes[1:]]


def _layers(nodes: list[Node]) -> list[tuple[Node, ...]]:
    """A gate's convolutions, each with its batch norms; none where there is more than these and activations."""
    layers: list[tuple[Node, ...]] = []
    before = ""
    for node in nodes:
        kind = kind_of(node)
        if kind == "conv":
            layers.append((node,))
        elif kind == "batch_norm" and before in ("conv", "batch_norm"):
            layers[-1] = (*layers[-1], node)
        elif kind != "activation":
            return []
        before = kind
    return layers


def _squeezed(node: Node) -> bool:
    """Tell whether a map has one position."""
    shape = shape_of(node)
    return shape is not None and len(shape) > 2 and set(shape[2:]) == {1}


def _pin(graph_module: GraphModule, last: Node) -> float:
    module = module_of(graph_module, last)
    for kind, pin in PINS:
        if isinstance(module, kind):
            return pin
    raise NotExact(f"the gate's {last.name} has no input at which it is 1 to the last bit")


def _pinned(linear: LinearMap, channels: Tensor, pin: float) -> LinearMap:
    if linear.weight.is_meta:
        return linear
    bias = torch.zeros(linear.outputs, dtype=torch.float64) if linear.bias is None else linear.bias.clone()
    bias[channels] = pin
    return replace(linear, bias=bias)
