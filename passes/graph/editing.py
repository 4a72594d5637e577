"""The few moves that changers share: copying, placing and calling a module, a region's two operands, tidying up."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import accumulate

from torch import nn
from torch.fx import GraphModule, Node
from torch.fx.node import Argument

from rdpass.core.plan import Region
from rdpass.passes.graph.node_kinds import annotate_kind, annotate_kinds


def own_copy(graph_module: GraphModule) -> GraphModule:
    """A copy to change at will, with the kinds noted."""
    result = deepcopy(graph_module)
    annotate_kinds(result)
    return result


def copy_graph(graph_module: GraphModule) -> GraphModule:
    """A graph of one's own on the very layers of ``graph_module``, to place layers in and change none."""
    return GraphModule(graph_module, deepcopy(graph_module.graph), type(graph_module).__name__)


def copy_without_weights(graph_module: GraphModule) -> GraphModule:
    """A copy whose convolutions and linear layers hold weights on the meta device; all else is as it was.

    A price is reckoned on it, at no cost in memory or time.
    """
    stands_in: dict[int, nn.Parameter] = {}
    for module in graph_module.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            for parameter in module.parameters(recurse=False):
                stands_in[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    return deepcopy(graph_module, stands_in)  # the memo's entries are taken for copies made already


def body_output(add: Node, region: Region) -> Node:
    """The operand of ``add`` that the body computes."""
    return next(operand for operand in add.all_input_nodes if operand.name in region.body)


def shortcut_output(add: Node, region: Region) -> Node:
    """The operand of ``add`` that the shortcut gives."""
    return next(operand for operand in add.all_input_nodes if operand.name not in region.body)


def place_module(graph_module: GraphModule, node: Node, module: nn.Module) -> None:
    """Let ``node`` call ``module``, at its old path unless another node calls what is there."""
    if any(n is not node and n.op == "call_module" and n.target == node.target for n in graph_module.graph.nodes):
        node.target = add_module(graph_module, node.name, module)
    else:
        graph_module.set_submodule(str(node.target), module)
    annotate_kind(graph_module, node)


def add_module(graph_module: GraphModule, name: str, module: nn.Module) -> str:
    """Add ``module`` under ``name``, or that with underscores after it where it is taken, and return the path."""
    while hasattr(graph_module, name):
        name += "_"
    graph_module.add_submodule(name, module)
    return name


def turn_into_call(graph_module: GraphModule, node: Node, path: str, *operands: Argument) -> None:
    """Let ``node``, whatever it did, call the module at ``path``; it keeps its name and its readers."""
    node.op, node.target, node.args, node.kwargs = "call_module", path, operands, {}
    annotate_kind(graph_module, node)


def insert_call(graph_module: GraphModule, node: Node, path: str, *others: Node) -> Node:
    """A call of the module at ``path`` on ``node`` and ``others``, right behind ``node`` and of its shape."""
    with graph_module.graph.inserting_after(node):
        call = graph_module.graph.call_module(path, (node, *others))
    call.meta = {key: value for key, value in node.meta.items() if key in ("tensor_meta", "nn_module_stack")}
    annotate_kind(graph_module, call)
    return call


def tidy(graph_module: GraphModule) -> GraphModule:
    """Drop what nobody reads, check the graph, regenerate its code and note the kinds of its nodes."""
    graph_module.graph.eliminate_dead_code()
    _drop_unused_modules(graph_module)
    graph_module.graph.lint()
    graph_module.recompile()
    annotate_kinds(graph_module)
    return graph_module


def _drop_unused_modules(graph_module: GraphModule) -> None:
    """``delete_all_unused_submodules``, which looks each module up in a list, in time linear in their number."""
    called = {str(node.target) for node in graph_module.graph.nodes if node.op == "call_module"}
    read = {str(node.target) for node in graph_module.graph.nodes if node.op == "get_attr"}
    needed = {prefix for path in called | read for prefix in prefixes(path)}
    gone = ""
    for path in [path for path, _ in graph_module.named_modules() if path]:
        if not called.isdisjoint(prefixes(path)) or path in needed or (gone and path.startswith(gone)):
            continue
        graph_module.delete_submodule(path)
        gone = f"{path}."


def prefixes(path: str) -> Iterator[str]:
    """The path and all that it lies under: ``a.b`` gives ``a``, ``a.b``."""
    return accumulate(path.split("."), lambda outer, name: f"{outer}.{name}")
