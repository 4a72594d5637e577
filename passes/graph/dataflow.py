"""Edges of a graph that carry values: an operand read for its shape, size or type alone is no dataflow."""

from __future__ import annotations

from typing import Any

from torch.fx import GraphModule, Node

from rdpass.passes.graph.node_kinds import callee

# x.expand_as(y) and its like: only the first operand's values count.
SHAPED_BY_THE_SECOND = {"expand_as", "view_as", "reshape_as", "type_as"}
# zeros_like(x) and its like: no operand's values do.
SHAPED_ONLY = {
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like",
    "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor",
}  # fmt: skip


def data_sources(node: Node) -> list[Node]:
    """The operands whose values the node's own depend on, in order, each once."""
    if node.op in ("call_function", "call_method"):
        name = callee(node)
        if name in SHAPED_ONLY:
            return []
        if name in SHAPED_BY_THE_SECOND:
            return [node.args[0]] if node.args and isinstance(node.args[0], Node) else []
    return [source for source in node.all_input_nodes if gives_tensors(source)]


def data_users(node: Node) -> list[Node]:
    """The nodes whose values depend on this one's directly."""
    return [user for user in node.users if (gives_tensors(user) or user.op == "output") and node in data_sources(user)]


def depending_on(graph_module: GraphModule, name: str) -> frozenset[str]:
    """The names of the nodes that read the named one's value, directly or not."""
    reached = {next(node for node in graph_module.graph.nodes if node.name == name)}
    for node in graph_module.graph.nodes:
        if any(source in reached for source in node.all_input_nodes):
            reached.add(node)
    return frozenset(node.name for node in reached if node.name != name)


def gives_tensors(node: Node) -> bool:
    """Tell whether there is a tensor in what the node gives; yes where shapes were not annotated."""
    return "tensor_meta" not in node.meta or _holds_tensor(node.meta["tensor_meta"])


def _holds_tensor(meta: Any) -> bool:
    if isinstance(meta, tuple | list):
        return any(_holds_tensor(item) for item in meta)
    return any(_holds_tensor(item) for item in meta.values()) if isinstance(meta, dict) else hasattr(meta, "shape")
