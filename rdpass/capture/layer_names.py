"""The layers of a saved program under the names they had before, so that what is made of them has those names too.

A ``torch.export`` program keeps the names of weights (``layer1.0.weight``) and calls functions on them; traced again,
every layer is a module called after the function (``conv2d_3``).

1. A layer is put at ``path`` if the call it came from, in the order of both graphs the next one with the same numbers,
   takes weights called ``path.…``; so layers that shared their weights share them again.
2. A tensor that belongs to no layer is read right before its first use: the order of the graph is that of all names.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.fx import GraphModule

from rdpass.passes.graph.editing import copy_graph


def restore_layer_names(program: GraphModule, traced: GraphModule) -> GraphModule:
    """``traced``, which came from ``program``, with each layer where the names of its weights say; a new module."""
    named = copy_graph(traced)
    nodes = list(named.graph.nodes)
    tensors = [node for node in nodes if node.op == "get_attr" and node.users]
    for tensor in tensors:
        next(other for other in nodes if other in tensor.users).prepend(tensor)
    owners = {str(tensor.target).rpartition(".")[0] for tensor in tensors}
    calls = [call for call in _weighted_calls(program) if call[0] not in owners]
    for node in nodes:
        if node.op == "call_module":
            layer = named.get_submodule(str(node.target))
            path = _next_path(calls, layer)
            if path:
                named.add_submodule(path, layer)
                node.target = path
    return GraphModule(named, named.graph, type(named).__name__)  # what is in the graph alone, in its order


def _weighted_calls(program: GraphModule) -> Iterator[tuple[str, Tensor]]:
    """The common prefix of the names of a call's weights, before the last dot, and its first weight, in graph order."""
    for node in program.graph.nodes:
        names = [str(given.target) for given in node.all_input_nodes if given.op == "get_attr"]
        paths = {name.rpartition(".")[0] for name in names}
        if node.op == "call_function" and len(paths) == 1:
            yield paths.pop(), _tensor_at(program, names[0])


def _tensor_at(module: GraphModule, name: str) -> Tensor:
    path, _, field = name.rpartition(".")
    tensor: Tensor = getattr(module.get_submodule(path), field)
    return tensor


def _next_path(calls: list[tuple[str, Tensor]], layer: torch.nn.Module) -> str:
    """The path of the first of ``calls`` with the layer's weight, which goes from the list with those before it."""
    weight = next(layer.parameters(), None)
    for index, (path, tensor) in enumerate(calls):
        if weight is not None and weight.dtype == tensor.dtype and torch.equal(weight, tensor):
            del calls[: index + 1]
            return path
    return ""
