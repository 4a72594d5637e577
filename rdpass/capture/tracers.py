"""The tracers, from the one whose students train like any model to the one that follows most.

1. ``torch.fx.symbolic_trace`` keeps modules. Those that the user names as leaves stay whole.
2. The same, with further leaves: modules without weights that it can't follow (they hold no shortcut to look for).
3. ``torch.export`` handles control flow on shapes; ``lift_layers`` turns its operators back into modules.

Each is given a copy of the model that it may spoil.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_aggregate

from rdpass.capture.hooks import is_changed
from rdpass.capture.programs import WithPlainOutputs, export_program, unpack_program

Inputs = tuple[Tensor, ...]
MOST_LEAVES = 64


class _Tracer(torch.fx.Tracer):
    """Keeps the modules that ``leaves`` (globs on paths) name, and remembers the innermost one it failed in.

    A layer with hooks, or with a forward of its own, is followed like any other code.
    """

    def __init__(self, leaves: tuple[str, ...] = ()) -> None:
        super().__init__()  # a pickled graph builds its tracer anew, without arguments
        self.leaves = leaves
        self.failed_in = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        named = any(fnmatchcase(module_qualified_name, glob) for glob in self.leaves)
        return named or (super().is_leaf_module(m, module_qualified_name) and not is_changed(m))

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """Called as ``model(…)`` is: torch would take the class's forward, and no hooks."""
        called, args = super().create_args_for_root(root_fn, is_module, concrete_args)
        return (nn.Module._call_impl if is_changed(self.root) else called), args

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed_in = self.failed_in or self.path_of_module(m)
            raise


class NotFollowed(Exception):
    """Symbolic tracing failed, of ``__cause__``, in the submodule at ``path`` ('' for the model's own forward)."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def trace_symbolically(model: nn.Module, leaves: tuple[str, ...]) -> GraphModule:
    """The graph of ``model`` with the modules that ``leaves`` name as single nodes.

    Raises:
        NotFollowed: the code can't be run on symbols.
    """
    tracer = _Tracer(leaves)
    try:
        graph = tracer.trace(model)
    except Exception as error:
        raise NotFollowed(tracer.failed_in) from error
    _give_dicts_for_dataclasses(graph)
    plain = Graph()  # without the tracer's class, so that a student needs nothing of ours to be unpickled
    plain.output(plain.graph_copy(graph, {}))
    return GraphModule(tracer.root, plain, type(model).__name__)


def trace_with_leaves(copy_of: Callable[[], nn.Module], leaves: tuple[str, ...]) -> GraphModule:
    """``trace_symbolically`` with every module without weights that it can't follow as a further leaf.

    Raises:
        NotFollowed: it fails in a module that has weights.
    """
    while True:
        model = copy_of()
        try:
            return trace_symbolically(model, leaves)
        except NotFollowed as failure:
            if not failure.path or len(leaves) >= MOST_LEAVES or _has_weights(model.get_submodule(failure.path)):
                raise
            leaves = (*leaves, failure.path)


def export(model: nn.Module, inputs: Inputs) -> GraphModule:
    """The graph of ``torch.export``, without its guards, its outputs in plain containers."""
    return unpack_program(export_program(WithPlainOutputs(model), inputs))


def _give_dicts_for_dataclasses(graph: Graph) -> None:
    """In place: a graph gives dicts where its model gives dataclasses, which else are calls of the user's classes."""
    made = [node for node in graph.nodes if node.op == "call_function" and is_dataclass(node.target)]
    output = graph.output_node()
    output.args = map_aggregate(output.args, _fields_of)
    for node in reversed(made):
        if not node.users:
            graph.erase_node(node)


def _fields_of(value: Any) -> Any:
    if not isinstance(value, Node) or value.op != "call_function" or not is_dataclass(value.target):
        return value
    return {name: map_aggregate(each, _fields_of) for name, each in value.kwargs.items() if each is not None}


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None
