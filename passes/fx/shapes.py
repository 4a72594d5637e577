"""Writes the shape and dtype of every node on the example into its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node


@dataclass(frozen=True)
class TensorMeta:
    """What ``node.meta["tensor_meta"]`` holds for a tensor; tuples, lists and dicts of them keep their form."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class _Annotator(Interpreter):
    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        n.meta["tensor_meta"] = _meta(result)
        return result


def annotate_shapes(graph_module: GraphModule, example: tuple[Tensor, ...]) -> None:
    """Run the graph once, on a copy of ``example`` and without gradients, and note what each node gives."""
    with torch.no_grad():
        _Annotator(graph_module).run(*(x.clone() for x in example))


def _meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return TensorMeta(tuple(value.shape), value.dtype)
    if isinstance(value, tuple | list):
        return tuple(_meta(item) for item in value)
    return {key: _meta(item) for key, item in value.items()} if isinstance(value, dict) else None
