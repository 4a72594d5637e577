"""A shortcut that is added to some of the body's channels only, the others being put beside the sum (ReXNet).

    cat([whole[:, :c] + shortcut, whole[:, c:]], 1)  =  whole + shortcut with zero channels after it

So the shortcut is a padded one, and the concatenation is where its sum lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.graph.editing import body_output
from rdpass.passes.graph.linear.linear_layers import data_inputs, linear_map
from rdpass.passes.graph.linear.linear_map import LinearMap, NotExact, pointwise_map
from rdpass.passes.graph.node_kinds import kind_of, shape_of


@dataclass(frozen=True)
class Sum:
    """``node`` gives the sum of what ``body`` gives and of the shortcut through ``widening`` (None: as it is)."""

    node: Node
    body: Node
    widening: LinearMap | None = None


def sum_of(graph_module: GraphModule, region: Region) -> Sum:
    """The whole sum that the region's add is, or is a part of.

    Raises:
        NotExact: it is a part, in a way other than the above.
    """
    add = next(node for node in graph_module.graph.nodes if node.name == region.add)
    part = body_output(add, region)
    if kind_of(part) != "slice":
        return Sum(add, part)
    (whole,) = data_inputs(part)
    (joined, *more) = add.users
    operands = joined.args[0] if joined.args and kind_of(joined) == "concat" else None
    if more or not isinstance(operands, tuple | list) or shape_of(joined) != shape_of(whole):
        raise NotExact(f"{part.name} takes a part of the body's channels")
    rows = {node: _rows(graph_module, part if node is add else node, whole) for node in operands}
    if not torch.equal(torch.cat(list(rows.values())), torch.eye(len(rows[add].T), dtype=torch.float64)):
        raise NotExact(f"{joined.name} does not put the body's channels together as they were")
    dims = len(region.shape) - 2
    weight = rows[add].T.reshape(*rows[add].T.shape, *[1] * dims)
    return Sum(joined, whole, pointwise_map(weight, None, (1,) * dims))


def _rows(graph_module: GraphModule, node: object, whole: Node) -> torch.Tensor:
    """The channels of ``whole`` that a slice takes, as rows of a matrix."""
    if not isinstance(node, Node) or kind_of(node) != "slice" or data_inputs(node) != [whole]:
        raise NotExact(f"{node} is put beside the sum, and is no part of the body's channels")
    linear = linear_map(graph_module, node, whole)
    return linear.weight.flatten(1)
