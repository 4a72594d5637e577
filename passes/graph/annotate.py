"""Notes in every node's metadata its kind, the shape and dtype of what it gives on the example, and whose memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from rdpass.passes.graph.node_kinds import annotate_kinds


@dataclass(frozen=True)
class TensorMeta:
    """The entry ``node.meta["tensor_meta"]`` of a tensor; tuples, lists and dicts of them keep their form."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class _Annotator(Interpreter):
    def run_node(self, n: Node) -> Any:
        operands = [self.env[source] for source in n.all_input_nodes]
        result = super().run_node(n)
        n.meta["tensor_meta"] = _meta(result)
        n.meta["view_of"] = _viewed(result, operands)
        return result


def annotate(graph_module: GraphModule, example: tuple[Tensor, ...]) -> None:
    """Note each node's kind; run the graph once, on a copy of ``example`` and without gradients, and note its results.

    ``node.meta["view_of"]`` is the place, among the node's ``all_input_nodes``, of the one whose memory the result lies
    in (a reshape, a slice, an identity), or None where the result has memory of its own.
    """
    annotate_kinds(graph_module)
    with torch.no_grad():
        _Annotator(graph_module).run(*(x.clone() for x in example))


def _meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return TensorMeta(tuple(value.shape), value.dtype)
    if isinstance(value, tuple | list):
        return tuple(_meta(item) for item in value)
    return {key: _meta(item) for key, item in value.items()} if isinstance(value, dict) else None


def _viewed(result: Any, operands: list[Any]) -> int | None:
    own = _storages(result)
    return next((index for index, operand in enumerate(operands) if own and own <= _storages(operand)), None)


def _storages(value: Any) -> set[int]:
    if isinstance(value, Tensor):
        return {value.untyped_storage()._cdata}
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(_storages, value)) if isinstance(value, tuple | list) else set()
