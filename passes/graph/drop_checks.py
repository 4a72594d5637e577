"""Drop what tracing leaves and no result depends on: assertions on shapes, ``x + 0``, ``x * 1``.

An assertion reads what it checks, so a convolution before a batch norm would look as if it had another reader.
"""

from __future__ import annotations

from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import own_copy, tidy
from rdpass.passes.graph.node_kinds import callee

ASSERTIONS = {"_assert", "_assert_async", "_assert_scalar", "_assert_tensor_metadata"}
NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "truediv": 1}


def drop_checks(graph_module: GraphModule) -> GraphModule:
    """A copy of the graph without them."""
    result = own_copy(graph_module)
    for node in list(result.graph.nodes):
        if node.op not in ("call_function", "call_method"):
            continue
        if callee(node) in ASSERTIONS and not node.users:
            result.graph.erase_node(node)
        elif (same := _unchanged(node)) is not None:
            node.replace_all_uses_with(same)
            result.graph.erase_node(node)
    return tidy(result)


def _unchanged(node: Node) -> Node | None:
    """The operand whose value the node has."""
    neutral = NEUTRAL.get(callee(node))
    if neutral is None or len(node.args) != 2 or node.kwargs:
        return None
    first, second = node.args
    if callee(node) in ("add", "mul") and isinstance(second, Node):
        first, second = second, first
    if not isinstance(first, Node) or isinstance(second, bool | Node) or second != neutral:
        return None
    return first if _same_meta(first, node) else None


def _same_meta(first: Node, second: Node) -> bool:
    """An integer tensor times 1.0 is a float one, and a size plus 0 is no tensor at all."""
    meta = first.meta.get("tensor_meta")
    return hasattr(meta, "shape") and meta == second.meta.get("tensor_meta")
