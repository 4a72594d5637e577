"""Pairs of 1x1 convolutions that one would replace, were there no activation between them.

A plain bottleneck network has, from block to block, a 1x1 convolution to the wide map, an activation, and a 1x1
convolution to a narrow map again. Without the activation W_2 (W_1 x + b_1) + b_2 is one 1x1 convolution.

1. A pair is an activation that nobody else reads, between two convolutions with kernels of one; batch norms and what
   only passes its input on may lie in between.
2. It is taken if the one convolution costs fewer multiply-accumulates than the two: c_in c_out < m (c_in + c_out) where
   the maps are of one size, m the channels between them.
3. A convolution is in one pair at most, the one that saves most.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.core.plan import MergedPair, Merging, Skipped
from rdpass.passes.graph.linear.dirac import Convolution, as_pointwise
from rdpass.passes.graph.linear.linear_layers import data_inputs
from rdpass.passes.graph.node_kinds import BATCH_NORMS, CONVOLUTIONS, kind_of, module_of, shape_of

LINEAR = ("batch_norm", "pass")


def find_pairs(graph_module: GraphModule) -> Merging:
    """The pairs of a graph (shapes annotated) that are worth merging, in graph order, and why others are not."""
    found: list[MergedPair] = []
    skipped: list[Skipped] = []
    for node in graph_module.graph.nodes:
        pair = _pair_at(graph_module, node)
        if isinstance(pair, MergedPair):
            found.append(pair)
        elif pair is not None:
            skipped.append(Skipped(node.name, pair))
    taken = _disjoint(found)
    left = [Skipped(each.activation, "a convolution beside it is merged on its other side") for each in found
            if each not in taken]  # fmt: skip
    return Merging(tuple(each for each in found if each in taken), (*skipped, *left))


def linear_before(activation: Node) -> Sequence[Node]:
    """From the layer before an activation to what the activation reads, in graph order."""
    nodes = data_inputs(activation)[:1]
    while kind_of(nodes[0]) in LINEAR and len(data_inputs(nodes[0])) == 1 and _keeps_type(nodes[0]):
        nodes.insert(0, data_inputs(nodes[0])[0])
    return nodes


def _behind(activation: Node) -> Sequence[Node]:
    """From what reads an activation to the next layer; where several do, the nearest of the convolutions among them."""
    nodes = list[Node]()
    last = activation
    while not nodes or (kind_of(last) in LINEAR and _keeps_type(last)):
        readers = sorted(last.users, key=lambda user: kind_of(user) != "conv")
        if not readers:
            break
        last = readers[0]
        nodes.append(last)
    return nodes


def _keeps_type(node: Node) -> bool:
    metas = [each.meta.get("tensor_meta") for each in (node, data_inputs(node)[0])]
    return getattr(metas[0], "dtype", None) == getattr(metas[1], "dtype", None)


def _pair_at(graph_module: GraphModule, node: Node) -> MergedPair | str | None:
    """The pair round an activation, the reason why it is not merged, or None where there is none."""
    if kind_of(node) != "activation" or len(data_inputs(node)) != 1:
        return None
    before, behind = linear_before(node), _behind(node)
    if not behind:
        return None
    first, second = before[0], behind[-1]
    layers = [module_of(graph_module, each) for each in (first, second)]
    if not all(_is_of_one(layer) for layer in layers):
        return None
    for each, layer in zip((first, second), layers, strict=True):
        if as_pointwise(layer) is None:  # type: ignore[arg-type]
            return f"{each.name} has groups, or pads"
        if len(shape_of(each) or ()) != layer.weight.ndim:  # type: ignore[union-attr]
            return f"{each.name} gives no batch of maps"
    for each in (*before, node, *behind[:-1]):
        if len(each.users) != 1:
            return f"{each.name} is read by {len(each.users)} nodes"
        if kind_of(each) == "batch_norm" and not isinstance(module_of(graph_module, each), BATCH_NORMS):
            return f"{each.name} computes its scales in the graph"
    return _priced(node, (first, second), *layers)  # type: ignore[arg-type]


def _is_of_one(layer: nn.Module | None) -> bool:
    return isinstance(layer, CONVOLUTIONS) and set(layer.kernel_size) == {1}


def _priced(activation: Node, ends: tuple[Node, Node], first: Convolution, second: Convolution) -> MergedPair | str:
    shapes = [shape_of(end) or () for end in ends]
    positions = [prod(shape) // shape[1] for shape in shapes]
    own = positions[0] * first.in_channels * first.out_channels + positions[1] * second.weight.numel()
    merged = positions[1] * first.in_channels * second.out_channels
    if merged >= own:
        return f"one convolution would take {merged} multiply-accumulates, the two take {own}"
    return MergedPair(ends[0].name, activation.name, ends[1].name, own, merged)


def _disjoint(pairs: Sequence[MergedPair]) -> Sequence[MergedPair]:
    """Of pairs that share a convolution the one that saves most."""
    taken: list[MergedPair] = []
    names = set[str]()
    for pair in sorted(pairs, key=lambda pair: pair.merged_macs - pair.macs):
        if names.isdisjoint((pair.first, pair.second)):
            taken.append(pair)
            names |= {pair.first, pair.second}
    return taken
