"""What one inference of a graph takes: multiply-accumulates, parameters, feature maps, peak activation bytes.

The memory model fuses as a compiler does: batch norm, activations and views live in their input's buffer, and an add
is accumulated into the buffer of the operand that is computed last. Buffers live from their first write to their last
read in the graph's own order.
"""

from __future__ import annotations

from math import prod

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.passes.fx.operators import CONVOLUTIONS, bytes_of, kind_of, module_of, shape_of
from rdpass.types import Cost

IN_PLACE = {"batch_norm", "activation", "pass", "view"}


def cost_of(graph_module: GraphModule) -> Cost:
    """The cost of a graph whose nodes carry shapes, at those shapes."""
    buffers = _buffers(graph_module)
    return Cost(
        macs=macs_of(graph_module),
        parameters=sum(parameter.numel() for parameter in graph_module.parameters()),
        feature_bytes=sum(size for size, _, _ in buffers),
        peak_activation_bytes=_peak(buffers),
    )


def macs_of(graph_module: GraphModule) -> int:
    """Multiply-accumulates of all convolutions and linear layers."""
    return sum(layer_macs(module_of(graph_module, node), shape_of(node)) for node in graph_module.graph.nodes)


def layer_macs(module: nn.Module | None, shape: tuple[int, ...] | None) -> int:
    """Multiply-accumulates of one layer whose output has ``shape``; 0 for what has no weights."""
    if shape is None:
        return 0
    if isinstance(module, CONVOLUTIONS):
        return prod(shape) * (module.in_channels // module.groups) * prod(module.kernel_size)
    return prod(shape) * module.in_features if isinstance(module, nn.Linear) else 0


def _buffers(graph_module: GraphModule) -> list[tuple[int, int, int]]:
    """Size, first and last step of every buffer."""
    owner: dict[Node, Node] = {}
    start: dict[Node, int] = {}
    end: dict[Node, int] = {}
    for step, node in enumerate(graph_module.graph.nodes):
        for source in node.all_input_nodes:
            if source in owner:
                end[owner[source]] = step
        if node.op in ("get_attr", "output") or kind_of(graph_module, node) == "shape":
            continue
        shared = _shared_with(graph_module, node, owner)
        owner[node] = owner[shared] if shared is not None else node
        start.setdefault(owner[node], step)
        end[owner[node]] = step
    return [(bytes_of(node), start[node], end[node]) for node in start]


def _shared_with(graph_module: GraphModule, node: Node, owner: dict[Node, Node]) -> Node | None:
    """The operand whose buffer the node writes its own result into, if it may."""
    kind = kind_of(graph_module, node)
    if kind not in IN_PLACE and kind != "add":
        return None
    free = [source for source in node.all_input_nodes if source in owner and len(source.users) == 1]
    if kind == "add":
        free = [source for source in free if source.op != "placeholder" and shape_of(source) == shape_of(node)]
    return max(free, default=None)


def _peak(buffers: list[tuple[int, int, int]]) -> int:
    change: dict[int, int] = {}
    for size, first, last in buffers:
        change[first] = change.get(first, 0) + size
        change[last + 1] = change.get(last + 1, 0) - size
    live = peak = 0
    for step in sorted(change):
        live += change[step]
        peak = max(peak, live)
    return peak
