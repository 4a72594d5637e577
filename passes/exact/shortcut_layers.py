"""A shortcut as the linear layers that a carried channel has to go through on its way."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.graph.editing import shortcut_output
from rdpass.passes.graph.linear.linear_branch import linear_between
from rdpass.passes.graph.linear.linear_layers import AVERAGES, data_inputs, linear_map
from rdpass.passes.graph.linear.linear_map import LinearMap, compose
from rdpass.passes.graph.node_kinds import module_of


@dataclass(frozen=True)
class Layer:
    """``averages``: values stay in the range that they were in."""

    map: LinearMap
    averages: bool = False


def shortcut_layers(graph_module: GraphModule, region: Region) -> tuple[Layer, ...]:
    """The layers from fork to add, none for an identity; pointwise ones in a row are one.

    A shortcut that branches is one layer.

    Raises:
        NotExact: it is not linear; the message names the node.
    """
    nodes = {node.name: node for node in graph_module.graph.nodes}
    fork, end = nodes[region.fork], shortcut_output(nodes[region.add], region)
    if fork is end:
        return ()
    chain = _chain(fork, end)
    if chain is None:
        return (Layer(linear_between(graph_module, fork, end)),)
    layers: list[Layer] = []
    for node, source in zip(chain, [fork, *chain], strict=False):
        layer = Layer(linear_map(graph_module, node, source), isinstance(module_of(graph_module, node), AVERAGES))
        if layers and layers[-1].map.pointwise and layer.map.pointwise:
            layer = Layer(compose(layers.pop().map, layer.map))
        layers.append(layer)
    return tuple(layers)


def _chain(fork: Node, end: Node) -> list[Node] | None:
    chain = []
    node = end
    while node is not fork:
        sources = data_inputs(node)
        if len(sources) != 1:
            return None
        chain.append(node)
        node = sources[0]
    return chain[::-1]
