"""A region's body as a main chain of convolutions with gates beside it, which is what can take a shortcut over.

Whatever lies between two convolutions (batch norm, activation, pool, dropout, a gate multiplied in by broadcast) may
stay as it is: a branch goes round one convolution and its batch norm only, where it folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.graph.dataflow import data_sources
from rdpass.passes.graph.editing import body_output
from rdpass.passes.graph.linear.dirac import identity_tap, zeros_around
from rdpass.passes.graph.node_kinds import BATCH_NORMS, CONVOLUTIONS, callee, kind_of, module_of, shape_of

# No pad: a convolution behind one reads the output's own position elsewhere (``absorb_padding`` takes most of them in).
BETWEEN = ("conv", "batch_norm", "activation", "pass", "pool", "mul")
BEFORE_READER = ("pool", "view", "pass")


@dataclass(frozen=True)
class Unit:
    """A convolution and the last node that still folds with it: its batch norm, or itself. Names."""

    conv: str
    output: str


@dataclass(frozen=True)
class SqueezeGate:
    """A product with a broadcast map on the chain: ``gate`` (N, C, 1, …) follows the ``after``-th unit, from 1 on.

    ``reader``: the gate's first layer behind its pooling, where it has one. ``factor``: what is multiplied in where
    that is a number; ``gate`` is the product then.
    """

    gate: str
    after: int
    reader: str | None
    factor: float | None = None


@dataclass(frozen=True)
class MainChain:
    """``source`` is what the first convolution reads: the fork, or what leads there (pre-activation)."""

    source: str
    units: tuple[Unit, ...]
    gates: tuple[SqueezeGate, ...]
    activations: tuple[str, ...]


def main_chain(graph_module: GraphModule, region: Region) -> MainChain | str:
    """The chain from fork to add through the body; else the reason why there is none that folds."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    walked = _walk(graph_module, body_output(nodes[region.add], region), nodes[region.fork])
    if isinstance(walked, str):
        return walked
    units: list[Unit] = []
    gates: list[SqueezeGate] = []
    for index, node in enumerate(walked):
        kind = kind_of(node)
        if kind == "conv":
            unit = _unit(graph_module, node, walked[index + 1] if index + 1 < len(walked) else None)
            if isinstance(unit, str):
                return unit
            units.append(unit)
        elif kind == "mul":
            gates += _gates(graph_module, node, len(units))
    if not units:
        return "no convolution in the body"
    inner = [node for node in walked if node > nodes[units[0].conv] and node < nodes[units[-1].conv]]
    activations = tuple(node.name for node in inner if kind_of(node) == "activation")
    return MainChain(nodes[units[0].conv].all_input_nodes[0].name, tuple(units), tuple(gates), activations)


def _gates(graph_module: GraphModule, product: Node, after: int) -> list[SqueezeGate]:
    factors = [factor for factor in product.args if isinstance(factor, int | float) and factor]
    if factors:
        return [SqueezeGate(product.name, after, None, float(factors[0]))]
    gates = [factor for factor in product.all_input_nodes if _is_gate(factor, product)]
    source = next(factor for factor in product.all_input_nodes if factor not in gates)
    return [SqueezeGate(gate.name, after, _reader(graph_module, gate, source)) for gate in gates]


def _reader(graph_module: GraphModule, gate: Node, source: Node) -> str | None:
    """The first layer by which ``gate`` reads ``source``; None where the way branches, or where no linear layer with a
    number per channel (C,) comes first behind pools."""
    path: list[Node] = []
    while gate is not source:
        sources = data_sources(gate)
        if len(sources) != 1:
            return None
        path.append(gate)
        gate = sources[0]
    for node in reversed(path):
        kind = kind_of(node)
        if kind in ("conv", "linear"):
            return node.name if _gives_a_number_per_channel(graph_module, node) else None
        if kind not in BEFORE_READER:
            return None
    return None


def _gives_a_number_per_channel(graph_module: GraphModule, node: Node) -> bool:
    module, shape = module_of(graph_module, node), shape_of(node) or ()
    channels = int(getattr(module, "out_channels", getattr(module, "out_features", 0)))
    return len(shape) > 1 and shape[1] == channels == prod(shape[1:])


def _is_gate(factor: Node, product: Node) -> bool:
    """Tell whether a factor is broadcast to the product's shape, by the product or by an ``expand`` before it."""
    if factor.op in ("call_function", "call_method") and callee(factor) in ("expand", "expand_as"):
        factor = data_sources(factor)[0]
    return shape_of(factor) != shape_of(product)


def _walk(graph_module: GraphModule, node: Node, fork: Node) -> list[Node] | str:
    """The main path from ``fork`` (exclusive) to ``node`` (inclusive), followed backwards."""
    path: list[Node] = []
    while node is not fork:
        kind = kind_of(node)
        if kind not in BETWEEN:
            return f"{node.name} ({kind}) in the body, which is to be convolutions, activations and gates"
        if kind == "conv" and module_of(graph_module, node) is None:
            return f"{node.name} computes its own weights"
        sources = [s for s in data_sources(node) if kind != "mul" or not _is_gate(s, node)]
        if len(sources) != 1:
            return f"the body branches at {node.name}"
        path.append(node)
        node = sources[0]
    return path[::-1]


def _unit(graph_module: GraphModule, conv: Node, after: Node | None) -> Unit | str:
    module = module_of(graph_module, conv)
    if not isinstance(module, CONVOLUTIONS):
        return f"{conv.name} computes its own weights"
    if after is None or kind_of(after) != "batch_norm":
        return Unit(conv.name, conv.name)
    norm = module_of(graph_module, after)
    if len(conv.users) > 1 or not isinstance(norm, BATCH_NORMS) or norm.running_mean is None:
        return f"{after.name} does not fold into {conv.name}"
    return Unit(conv.name, after.name)


def has_tap(module: object) -> bool:
    """Tell whether a convolution has a tap at the output's own position, which never reads beyond the input's end."""
    if not isinstance(module, CONVOLUTIONS) or identity_tap(module) is None:
        return False
    sizes = zip(*zeros_around(module), module.dilation, module.kernel_size, strict=True)
    return all(before + after <= dilation * (kernel - 1) for before, after, dilation, kernel in sizes)
