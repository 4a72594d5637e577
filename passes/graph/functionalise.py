"""In-place operations become out-of-place, and every spelling of add becomes ``operator.add`` of two nodes.

1. ``x.add_(y)``, ``x += y``, ``relu_(x)``, ``F.relu(x, inplace=True)``, ``nn.ReLU(inplace=True)``: the operation gives
   a new tensor, and whoever read ``x`` *afterwards* reads that, as it did when ``x`` was overwritten.
2. ``torch.add(x, y, alpha=a)`` becomes ``x + y * a``.

The caller compares the result with the eager model: an alias that these rules don't see would show there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import copy_graph, tidy
from rdpass.passes.graph.node_kinds import callee

IN_PLACE_OPERATORS: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


def functionalise(graph_module: GraphModule) -> GraphModule:
    """A graph in which nothing overwrites anything, on the layers of the one given."""
    result = copy_graph(graph_module)
    overwriting = _separate_modules(result)
    for node in list(result.graph.nodes):
        if _made_out_of_place(node, overwriting):
            _redirect_later_uses(node)
        if callee(node) == "add" and node.op in ("call_function", "call_method"):
            _normalise_add(result, node)
    return tidy(result)


def _separate_modules(graph_module: GraphModule) -> frozenset[str]:
    """Put in the place of every module that works in place one that does not, and return their paths."""
    called = [node for node in graph_module.graph.nodes if node.op == "call_module"]
    calls = {str(node.target): graph_module.get_submodule(str(node.target)) for node in called}
    paths = frozenset(path for path, module in calls.items() if getattr(module, "inplace", False) is True)
    for path in paths:
        separate = copy(calls[path])  # shares parameters; only the flag is its own
        setattr(separate, "inplace", False)  # noqa: B010  (torch types a module's attributes as tensors)
        graph_module.set_submodule(path, separate)
    return paths


def _made_out_of_place(node: Node, overwriting: frozenset[str]) -> bool:
    """Rewrite the node if it overwrites its first operand, and say whether it did."""
    if node.op == "call_module":
        return str(node.target) in overwriting
    if node.kwargs.get("inplace") is True:
        node.kwargs = {**node.kwargs, "inplace": False}
        return True
    if node.op == "call_function" and node.target in IN_PLACE_OPERATORS:
        node.target = IN_PLACE_OPERATORS[node.target]
        return True
    return node.op in ("call_method", "call_function") and _drop_underscore(node)


def _drop_underscore(node: Node) -> bool:
    name = callee(node)
    plain = name.removesuffix("_")
    if plain == name or name.endswith("__"):
        return False
    if node.op == "call_method" and hasattr(torch.Tensor, plain):
        node.target = plain
        return True
    outer = getattr(torch.ops.aten, plain, None) if "aten" in str(node.target) else getattr(torch, plain, None)
    if node.op != "call_function" or outer is None:
        return False
    overload = getattr(node.target, "_overloadname", None)
    node.target = getattr(outer, overload) if overload else outer
    return True


def _redirect_later_uses(node: Node) -> None:
    overwritten = node.args[0] if node.args else None
    if not isinstance(overwritten, Node):
        return
    for user in list(overwritten.users):
        if node < user:  # nodes compare by their place in the graph
            user.replace_input_with(overwritten, node)


def _normalise_add(graph_module: GraphModule, node: Node) -> None:
    operands: list[Any] = [*node.args, *(node.kwargs[k] for k in ("input", "other") if k in node.kwargs)]
    if len(operands) != 2:
        return
    alpha = node.kwargs.get("alpha", 1)
    if alpha != 1:
        with graph_module.graph.inserting_before(node):
            operands[1] = graph_module.graph.call_function(operator.mul, (operands[1], alpha))
    node.op, node.target, node.args, node.kwargs = "call_function", operator.add, tuple(operands), {}
